//! Rows by chance in every table, with the largest and smallest values, arrive as they were.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use oms::store::relocation::table::{Column, Kind, TABLES, Table};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::place::cluster;
use crate::support::{Seeded, fresh_name};
use crate::{Stopped, empty_folder, moved, text};

/// Rows of the tables that are read in several pages.
const MANY: u64 = 1_300;

/// Rows of the others.
const FEW: u64 = 40;

/// Tables whose rows the command itself must be able to open, or that have one row.
const LEFT_ALONE: &[&str] = &[
    "keys.secrets",
    "keys.wrapping_keys",
    "keys.audit_head",
    "keys.hash_keys",
    "lookup_epochs",
];

fn open(data: &Path) -> Connection {
    let db = Connection::open(data.join("oms.db")).expect("it opens");
    let keys = data.join("keys.db");
    db.execute("ATTACH DATABASE ?1 AS keys", [text(&keys)])
        .expect("it opens");
    db
}

fn bytes(random: &mut Seeded, length: u64) -> Vec<u8> {
    (0..length).map(|_| (random.next() & 0xff) as u8).collect()
}

fn value(random: &mut Seeded, column: &Column) -> Value {
    if column.nullable && random.between(0, 3) == 0 {
        return Value::Null;
    }
    match column.kind {
        Kind::Int => Value::Integer(match random.between(0, 6) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => 0,
            _ => random.next().cast_signed(),
        }),
        Kind::Text => Value::Text(match random.between(0, 4) {
            0 => String::new(),
            1 => "Ærøskøbing 🏖 \\x00 ' \" % \u{1}\u{7f}".into(),
            _ => format!("{:x}", random.next()),
        }),
        Kind::Bytes if is_id(column.name) => Value::Blob(bytes(random, 16)),
        Kind::Bytes => {
            let length = random.between(0, 60) * random.between(0, 60);
            Value::Blob(bytes(random, length))
        }
    }
}

fn is_id(name: &str) -> bool {
    let ids = [
        "id",
        "customer",
        "resource",
        "webhook",
        "event",
        "target",
        "key_hash",
        "fingerprint",
    ];
    ids.contains(&name)
}

fn insert(db: &Connection, table: &Table, row: Vec<Value>) {
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "INSERT OR IGNORE INTO {} ({}) VALUES ({marks})",
        table.name,
        names.join(", ")
    );
    db.prepare_cached(&sql)
        .expect("in order")
        .execute(rusqlite::params_from_iter(row))
        .expect("stored");
}

fn set(row: &mut [Value], table: &Table, name: &str, to: Value) {
    let place = table.columns.iter().position(|column| column.name == name);
    row[place.expect("a column")] = to;
}

fn int(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).expect("a number")
}

/// Fills every table; gives the look-ups that the journal adds, and the ids of the keys that
/// were used again.
fn fill(db: &Connection, random: &mut Seeded) {
    db.execute_batch("BEGIN").expect("it begins");
    let project = int(db, "SELECT MIN(id) FROM projects");
    for table in TABLES.iter().filter(|one| !LEFT_ALONE.contains(&one.name)) {
        let many = [
            "customers",
            "idempotency",
            "lookups",
            "keys.data_keys",
            "webhook_deliveries",
        ];
        let rows = if many.contains(&table.name) {
            MANY
        } else {
            FEW
        };
        if table.name == "events" {
            fill_events(db, table, random);
            continue;
        }
        for _ in 0..rows {
            let mut row: Vec<_> = table.columns.iter().map(|one| value(random, one)).collect();
            if ["api_keys", "policies"].contains(&table.name) {
                set(&mut row, table, "project", Value::Integer(project));
            }
            if table.name == "idempotency" && random.between(0, 10) == 0 {
                // The same key again, in a row whose id is another.
                let mut again = row.clone();
                set(&mut again, table, "id", Value::Blob(bytes(random, 16)));
                insert(db, table, again);
            }
            insert(db, table, row);
        }
    }
    fill_journal(db, random);
    db.execute_batch("COMMIT").expect("it is stored");
}

/// Writers take turns, now and then a place is missing.
fn fill_events(db: &Connection, table: &Table, random: &mut Seeded) {
    let mut place = int(db, "SELECT COALESCE(MAX(place), 0) FROM events");
    let mut positions: HashMap<i64, i64> = HashMap::new();
    let mut writer = 1;
    for _ in 0..MANY {
        if random.between(0, 5) == 0 {
            writer = random.between(1, 6).cast_signed();
        }
        place += if random.between(0, 50) == 0 { 3 } else { 1 };
        let position = positions.entry(writer).or_insert(0);
        *position += 1;
        let mut row: Vec<_> = table.columns.iter().map(|one| value(random, one)).collect();
        set(&mut row, table, "place", Value::Integer(place));
        set(&mut row, table, "writer", Value::Integer(writer));
        set(&mut row, table, "position", Value::Integer(*position));
        set(&mut row, table, "hash", Value::Blob(bytes(random, 32)));
        insert(db, table, row);
    }
}

type Lookup = (i64, Vec<u8>);

fn op((hash, target): &Lookup, removes: bool) -> Vec<u8> {
    [&hash.to_be_bytes()[..], target, &[u8::from(removes)]].concat()
}

/// Look-ups that are still in the journal: new ones, some that the table has as well, some
/// that are gone again, some that lead to a used key.
fn fill_journal(db: &Connection, random: &mut Seeded) {
    let folded: Vec<Lookup> = pairs(db, "SELECT hash, target FROM lookups LIMIT 50");
    let used: Vec<Lookup> = pairs(db, "SELECT 5, id FROM idempotency LIMIT 50");
    let fresh: Vec<Lookup> = (0..MANY)
        .map(|_| (random.next().cast_signed(), bytes(random, 16)))
        .collect();
    let gone = &fresh[..100];
    let mut next = 1
        + int(
            db,
            "SELECT MAX((SELECT COALESCE(MAX(id), 0) FROM lookup_journal), (SELECT through FROM lookup_fold))",
        );
    for (lookups, removes) in [
        (&folded[..], false),
        (&fresh, false),
        (&used, false),
        (gone, true),
    ] {
        for part in lookups.chunks(20) {
            let ops: Vec<u8> = part.iter().flat_map(|one| op(one, removes)).collect();
            db.execute(
                "INSERT INTO lookup_journal (id, ops) VALUES (?1, ?2)",
                (next, ops),
            )
            .expect("stored");
            next += 1;
        }
    }
}

fn pairs(db: &Connection, sql: &str) -> Vec<Lookup> {
    let mut statement = db.prepare(sql).expect("in order");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.expect("it runs")
        .collect::<Result<_, _>>()
        .expect("look-ups")
}

/// All look-ups of a folder, in the table or the journal, that lead to no used key.
fn lookups(db: &Connection) -> BTreeSet<Lookup> {
    let mut all: BTreeSet<Lookup> = pairs(db, "SELECT hash, target FROM lookups")
        .into_iter()
        .collect();
    let mut statement = db
        .prepare("SELECT ops FROM lookup_journal ORDER BY id")
        .expect("in order");
    let rows = statement.query_map([], |row| row.get(0)).expect("it runs");
    for ops in rows {
        let ops: Vec<u8> = ops.expect("bytes");
        for op in ops.chunks(25) {
            let hash = i64::from_be_bytes(op[..8].try_into().expect("eight"));
            let lookup = (hash, op[8..24].to_vec());
            if op[24] == 0 {
                all.insert(lookup);
            } else {
                all.remove(&lookup);
            }
        }
    }
    let used: BTreeSet<Vec<u8>> = pairs(db, "SELECT 0, id FROM idempotency")
        .into_iter()
        .map(|one| one.1)
        .collect();
    all.retain(|(_, target)| !used.contains(target));
    all
}

/// Every row of a table, in the order of its key, as text.
fn dump(db: &Connection, table: &Table) -> Vec<String> {
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let newest = if table.name == "idempotency" {
        "WHERE id = (SELECT MAX(id) FROM idempotency o
                     WHERE o.key_hash = idempotency.key_hash AND o.project = idempotency.project)"
    } else {
        ""
    };
    let sql = format!(
        "SELECT {} FROM {} {newest} ORDER BY {}",
        names.join(", "),
        table.name,
        table.key.join(", ")
    );
    let mut statement = db.prepare(&sql).expect("in order");
    let rows = statement.query_map([], |row| {
        (0..names.len())
            .map(|place| row.get::<_, Value>(place))
            .collect::<Result<Vec<_>, _>>()
    });
    let rows = rows.expect("it runs");
    rows.map(|row| format!("{:?}", row.expect("a row")))
        .collect()
}

#[test]
fn every_row_of_every_table_arrives_there_and_back() {
    let Some(cluster) = cluster() else { return };
    let seed = u64::from(std::process::id());
    println!("seed {seed} {}", fresh_name("run"));
    let mut random = Seeded::new(seed);
    let store = Stopped::with_customers(20);
    let source = store.folder.path().join("data");
    fill(&open(&source), &mut random);
    let url = cluster.new_database();
    moved(store.data(), &url);
    let folder = empty_folder(&store.master_key());
    moved(&url, text(folder.path()));

    let (from, to) = (open(&source), open(folder.path()));
    for table in TABLES.iter().filter(|table| table.name != "lookups") {
        let (sent, arrived) = (dump(&from, table), dump(&to, table));
        assert!(!sent.is_empty(), "nothing of {} was moved", table.name);
        assert_eq!(sent.len(), arrived.len(), "{}", table.name);
        for (one, other) in sent.iter().zip(&arrived) {
            assert_eq!(one, other, "{}", table.name);
        }
    }
    assert_eq!(lookups(&from), lookups(&to));
    // The embedded engine finds each used key again, and no key twice.
    let used = int(&to, "SELECT COUNT(*) FROM idempotency");
    let led = "SELECT COUNT(*) FROM lookups WHERE target IN (SELECT id FROM idempotency)";
    assert_eq!(int(&to, led), used);
    let superseded = int(&from, "SELECT COUNT(*) FROM idempotency") - used;
    assert!(superseded > 10, "only {superseded} keys were used again");
}
