//! The rows of a create without the server: tables and indexes are copied from a data folder that the
//! server filled, and rows shaped like the real ones are inserted in batches. It knows no table by
//! name, so it stays true when the schema changes; it must never touch the server's own file.

use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::Result;
use crate::people::{Dice, scatter};
use crate::report::ms;
use crate::shape::{Shape, compare, is_dated, size};

/// Real rows that are looked at, and repeated, per table.
const SAMPLE_ROWS: usize = 512;
/// A table with fewer real rows is no table of customers.
const SAMPLE_ROWS_MIN: i64 = 64;
/// A table that grows less than so many rows a create is bookkeeping.
const ROWS_PER_CREATE_MIN: f64 = 0.05;
/// Creates in one commit, as many a server groups.
pub const BATCH: u64 = 128;

/// What a create leaves in the database.
#[derive(Debug)]
pub struct Mirror {
    page_size: i64,
    schema: Vec<String>,
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    name: String,
    insert: String,
    rows_per_create: f64,
    shapes: Vec<Shape>,
    sample: Vec<Vec<Value>>,
}

/// What a run of bare batches brought.
#[derive(Debug)]
pub struct Batches {
    /// Creates a second.
    pub rate: f64,
    /// Rows and bytes of values in a create.
    pub rows: f64,
    /// Bytes of values in a create.
    pub bytes: f64,
    /// Milliseconds from the begin of a transaction to its commit, the median.
    pub p50_ms: f64,
}

impl Mirror {
    /// Reads schema and samples of a database that holds `creates` customers.
    pub fn read(database: &Path, creates: u64) -> Result<Self> {
        let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let page_size = db.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let mut statement = db.prepare(
            "SELECT name, wr FROM pragma_table_list
             WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let names: Vec<(String, bool)> = found.collect::<rusqlite::Result<_>>()?;
        let mut schema = Vec::new();
        let mut tables = Vec::new();
        for (name, without_rowid) in names {
            let mut statement = db.prepare(
                "SELECT sql FROM sqlite_schema
                 WHERE tbl_name = ?1 AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC",
            )?;
            for sql in statement.query_map([&name], |row| row.get(0))? {
                schema.push(sql?);
            }
            tables.extend(Table::read(&db, name, without_rowid, creates)?);
        }
        if tables.is_empty() {
            return Err("no table in the data folder grows with the customers".into());
        }
        Ok(Self {
            page_size,
            schema,
            tables,
        })
    }

    /// Name, rows a create and columns that are drawn anew, per table, for people.
    pub fn describe(&self) -> String {
        let table = |table: &Table| format!("{} × {:.2}", table.name, table.rows_per_create);
        self.tables.iter().map(table).collect::<Vec<_>>().join(", ")
    }

    /// Inserts into `database`, which is made when it is not there, for some seconds, so many
    /// creates a commit.
    pub fn insert(&self, database: &Path, batch: u64, seconds: f64, seed: u64) -> Result<Batches> {
        let fresh = !database.exists();
        let db = Connection::open(database)?;
        db.pragma_update(None, "page_size", self.page_size)?;
        durable(&db)?;
        // Fresh bytes need not be what a check or a parent row expects.
        db.pragma_update(None, "foreign_keys", false)?;
        db.pragma_update(None, "ignore_check_constraints", true)?;
        if fresh {
            db.execute_batch(&self.schema.join(";\n"))?;
        }
        let mut statements = Vec::new();
        for table in &self.tables {
            statements.push(db.prepare(&table.insert)?);
        }
        let mut dice = Dice::new(seed);
        let (mut creates, mut rows, mut stored, mut bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
        let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < seconds {
            let begun = Instant::now();
            db.execute_batch("BEGIN IMMEDIATE")?;
            for number in creates..creates + batch {
                for (table, statement) in self.tables.iter().zip(&mut statements) {
                    for index in table.rows_of(number) {
                        let row = table.row(index, &mut dice);
                        bytes += row.iter().map(size).sum::<u64>();
                        stored += statement.execute(params_from_iter(row))? as u64;
                        rows += 1;
                    }
                }
            }
            db.execute_batch("COMMIT")?;
            times.saturating_record(begun.elapsed().as_micros() as u64);
            creates += batch;
        }
        let rate = creates as f64 / start.elapsed().as_secs_f64();
        if (stored as f64) < 0.99 * rows as f64 {
            return Err(format!(
                "only {stored} of {rows} drawn rows fitted the schema ({})",
                self.describe()
            )
            .into());
        }
        let per_create = |count: u64| count as f64 / creates as f64;
        Ok(Batches {
            rate,
            rows: per_create(rows),
            bytes: per_create(bytes),
            p50_ms: ms(&times, 0.5),
        })
    }
}

/// As durable as the server: every commit is on the disk.
pub fn durable(db: &Connection) -> Result<()> {
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(())
}

impl Table {
    /// Looks at a table; none when it does not grow with the customers.
    fn read(
        db: &Connection,
        name: String,
        without_rowid: bool,
        creates: u64,
    ) -> Result<Option<Self>> {
        let quoted = quote(&name);
        let count: i64 = db.query_row(&format!("SELECT count(*) FROM {quoted}"), [], |row| {
            row.get(0)
        })?;
        let rows_per_create = count as f64 / creates.max(1) as f64;
        if count < SAMPLE_ROWS_MIN || rows_per_create < ROWS_PER_CREATE_MIN {
            return Ok(None);
        }
        let columns = columns(db, &name)?;
        let list = columns
            .iter()
            .map(|column| quote(&column.name))
            .collect::<Vec<_>>()
            .join(", ");
        let sequential = !without_rowid && {
            let span = format!("SELECT max(rowid) - min(rowid) FROM {quoted}");
            // Wider than an integer means hashes in the place of rowids.
            db.query_row(&span, [], |row| row.get::<_, i64>(0))
                .is_ok_and(|span| span < 4 * count)
        };
        // The latest rows where the file says which these are, any rows elsewhere.
        let order = if sequential { "rowid DESC" } else { "random()" };
        let mut statement = db.prepare(&format!(
            "SELECT {list} FROM {quoted} ORDER BY {order} LIMIT {SAMPLE_ROWS}"
        ))?;
        let row = |row: &rusqlite::Row| (0..columns.len()).map(|index| row.get(index)).collect();
        let mut sample: Vec<Vec<Value>> = statement
            .query_map([], row)?
            .collect::<rusqlite::Result<_>>()?;
        if sequential {
            sample.reverse();
        } else if let Some(column) =
            (0..columns.len()).find(|column| sample.iter().all(|row| is_dated(&row[*column])))
        {
            sample.sort_by(|a, b| compare(&a[column], &b[column]));
        }
        let shape = |(index, column): (usize, &Column)| {
            if column.rowid && sequential {
                Shape::Rowid
            } else {
                Shape::of(&sample.iter().map(|row| &row[index]).collect::<Vec<_>>())
            }
        };
        let shapes = columns.iter().enumerate().map(shape).collect();
        let holes = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT OR IGNORE INTO {quoted} ({list}) VALUES ({holes})");
        Ok(Some(Self {
            name,
            insert,
            rows_per_create,
            shapes,
            sample,
        }))
    }

    /// The numbers of the rows that create number `number` leaves.
    fn rows_of(&self, number: u64) -> std::ops::Range<u64> {
        let until = |creates: u64| (creates as f64 * self.rows_per_create).round() as u64;
        until(number)..until(number + 1)
    }

    /// Row number `index`: a real row with fresh values where real rows differ.
    fn row(&self, index: u64, dice: &mut Dice) -> Vec<Value> {
        let real = &self.sample[(index % self.sample.len() as u64) as usize];
        let last = self.sample.last().unwrap_or(real);
        let columns = self.shapes.iter().zip(real).zip(last);
        columns
            .map(|((shape, value), last)| shape.fresh(value, last, index, dice))
            .collect()
    }
}

struct Column {
    name: String,
    rowid: bool,
}

/// The columns that can be inserted: generated ones cannot.
fn columns(db: &Connection, table: &str) -> Result<Vec<Column>> {
    let mut statement =
        db.prepare("SELECT name, upper(type), pk, hidden FROM pragma_table_xinfo(?1)")?;
    let found = statement.query_map([table], |row| {
        let (name, kind, key, hidden): (String, String, i64, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((name, kind == "INTEGER", key, hidden))
    })?;
    let found: Vec<_> = found.collect::<rusqlite::Result<_>>()?;
    let keys = found.iter().filter(|(_, _, key, _)| *key > 0).count();
    let kept = found.into_iter().filter(|(_, _, _, hidden)| *hidden == 0);
    let column = |(name, integer, key, _)| Column {
        name,
        rowid: integer && key == 1 && keys == 1,
    };
    Ok(kept.map(column).collect())
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A seed of its own for every use of the same run's seed.
pub fn seed_of(seed: u64, use_number: u64) -> u64 {
    scatter(seed ^ scatter(use_number))
}
