//! SQL on the store of a data folder, as somebody with access to it runs it, on whichever
//! engine the tests' servers keep their data.

use std::path::Path;
use std::time::Duration;

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::Value;
use rusqlite::{Batch, Connection};

use super::cluster::{Cluster, database_setting, name_of, on_postgres};

/// Runs SQL; gives its rows as psql prints them: a line each, columns with `|` between.
pub fn try_sql(data: &Path, sql: &str) -> Result<String, String> {
    if let Some((_, url)) = database_setting(data) {
        let name = name_of(&url);
        return Cluster::shared().sql(name, sql);
    }
    on_files(data, sql).map_err(|error| error.to_string())
}

fn on_files(data: &Path, sql: &str) -> rusqlite::Result<String> {
    let db = Connection::open(data.join("oms.db"))?;
    db.busy_timeout(Duration::from_secs(30))?;
    db.execute(
        "ATTACH DATABASE ?1 AS keys",
        [data.join("keys.db").to_str()],
    )?;
    let mut lines = Vec::new();
    let mut statements = Batch::new(&db, sql);
    while let Some(mut statement) = statements.next()? {
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let cells = (0..columns).map(|column| row.get(column).map(text));
            let cells: Vec<_> = cells.collect::<Result<_, _>>()?;
            lines.push(cells.join("|"));
        }
    }
    Ok(lines.join("\n"))
}

fn text(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("\\x{}", hex(&bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

/// Runs SQL that must go well.
#[track_caller]
pub fn sql(data: &Path, sql: &str) -> String {
    try_sql(data, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The numbers of the one row that a query gives.
#[track_caller]
pub fn numbers<const N: usize>(data: &Path, query: &str) -> [i64; N] {
    let row = sql(data, query);
    let cells: Vec<_> = row.split('|').map(|cell| cell.parse().ok()).collect();
    let numbers: Option<Vec<i64>> = cells.into_iter().collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .unwrap_or_else(|| panic!("{query} gave {row}"))
}

/// Bytes as the engine writes them in a statement.
pub fn bytes(bytes: &[u8]) -> String {
    if on_postgres() {
        format!("'\\x{}'::bytea", hex(bytes))
    } else {
        format!("x'{}'", hex(bytes))
    }
}

/// Whether a test is to be passed over because it is about the files of the embedded engine.
pub fn is_about_files() -> bool {
    if on_postgres() {
        println!("skipped: about the embedded engine");
    }
    on_postgres()
}
