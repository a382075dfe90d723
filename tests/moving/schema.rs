//! The description of every table is that of the real schema, on both engines: a migration
//! that forgets it fails here.

use std::collections::{BTreeMap, BTreeSet};

use oms::store::relocation::table::{Column, DERIVED, Kind, TABLES, Table};
use rusqlite::Connection;

use crate::place::cluster;
use crate::support::{Folder, name_of, oms};
use crate::text;

/// Columns by table, each as name, kind and whether it may be empty.
type Schema = BTreeMap<String, BTreeSet<(String, String, bool)>>;

/// What is described, but for a column that only one engine has.
fn described(without: &[(&str, &str)]) -> Schema {
    let kind = |column: &Column| match column.kind {
        Kind::Int => "int",
        Kind::Text => "text",
        Kind::Bytes => "bytes",
    };
    let columns = |table: &Table| {
        let stored = table
            .columns
            .iter()
            .filter(|column| !without.contains(&(table.name, column.name)));
        stored
            .map(|column| (column.name.into(), kind(column).into(), column.nullable))
            .collect()
    };
    TABLES
        .iter()
        .map(|table| (table.name.to_owned(), columns(table)))
        .collect()
}

#[track_caller]
fn same(real: &Schema, described: &Schema) {
    let names = |schema: &Schema| schema.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        names(real),
        names(described),
        "real tables (left) that src/store/relocation/table.rs does not have, or the reverse"
    );
    for (table, columns) in real {
        assert_eq!(columns, &described[table], "the columns of {table}");
    }
}

#[test]
fn the_description_is_the_schema_of_files() {
    let folder = Folder::new();
    let output = oms(&["migrate", "--data", text(folder.path())], &[]);
    assert!(output.status.success(), "{output:?}");
    let mut real = Schema::new();
    for (file, prefix) in [("oms.db", ""), ("keys.db", "keys.")] {
        let db = Connection::open(folder.path().join(file)).expect("it opens");
        for name in texts(
            &db,
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        ) {
            if DERIVED.contains(&name.as_str()) {
                continue;
            }
            let key: Vec<_> = texts(
                &db,
                &format!("SELECT name FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk"),
            );
            let full = format!("{prefix}{name}");
            let table = TABLES.iter().find(|table| table.name == full);
            assert_eq!(
                table.map(|table| table.key.to_vec()).as_deref(),
                Some(&key.iter().map(String::as_str).collect::<Vec<_>>()[..]),
                "the key of {full}"
            );
            let rows = texts(
                &db,
                &format!(
                    "SELECT name || ' ' || type || ' ' || (\"notnull\" = 0 AND pk = 0)
                     FROM pragma_table_info('{name}')"
                ),
            );
            real.insert(full, rows.iter().map(|row| column(row)).collect());
        }
    }
    same(&real, &described(&[]));
}

fn texts(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).expect("in order");
    let rows = statement.query_map([], |row| row.get(0)).expect("it runs");
    rows.collect::<Result<_, _>>().expect("texts")
}

fn column(row: &str) -> (String, String, bool) {
    let words: Vec<_> = row.split(' ').collect();
    let kind = match words[1] {
        "INTEGER" | "bigint" => "int",
        "TEXT" | "text" => "text",
        "BLOB" | "bytea" => "bytes",
        other => other,
    };
    (words[0].into(), kind.into(), words[2] == "1")
}

#[test]
fn the_description_is_the_schema_of_postgres() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let output = oms(&["migrate", "--database", &url], &[]);
    assert!(output.status.success(), "{output:?}");
    let name = name_of(&url);
    let sql = |sql: &str| cluster.sql(name, sql).expect("it runs");
    let mut real = Schema::new();
    let columns = sql(
        "SELECT CASE table_schema WHEN 'keys' THEN 'keys.' ELSE '' END || table_name || ':' ||
                column_name || ' ' || data_type || ' ' ||
                CASE is_nullable WHEN 'YES' THEN 1 ELSE 0 END
         FROM information_schema.columns
         WHERE table_schema IN ('public', 'keys') AND is_generated = 'NEVER'",
    );
    for line in columns.lines() {
        let (table, rest) = line.split_once(':').expect("a table");
        if !DERIVED.contains(&table) {
            real.entry(table.into()).or_default().insert(column(rest));
        }
    }
    same(&real, &described(&[("events", "place")]));
    // The order in which rows are read is that of an index.
    let indexes = sql("SELECT schemaname || '.' || tablename || indexdef FROM pg_indexes");
    for table in TABLES.iter().filter(|table| table.name != "events") {
        let full = match table.name.split_once('.') {
            Some(_) => table.name.to_owned(),
            None => format!("public.{}", table.name),
        };
        let columns = format!("({})", table.spread_key.join(", "));
        let found = indexes
            .lines()
            .any(|line| line.starts_with(&full) && line.ends_with(&columns));
        assert!(found, "no index of {full} is {columns}");
    }
}
