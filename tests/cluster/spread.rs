//! That what is new does not go to one place, which would be one hot range of an engine that
//! splits tables by their keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use serde_json::json;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{Folder, Mode, full_customer, name_of};

const CUSTOMERS: usize = 400;

/// Three bits that lead a key.
const PLACES: usize = 8;

/// What leads the key of each table and index that a create writes to, as three bits.
const LEADING: [(&str, &str); 8] = [
    ("customers", "SELECT bucket FROM customers"),
    (
        "idempotency by key",
        "SELECT get_byte(key_hash, 0) >> 5 FROM idempotency",
    ),
    ("idempotency by age", "SELECT bucket FROM idempotency"),
    ("events by time", "SELECT bucket FROM events"),
    ("events of a resource", "SELECT resource_bucket FROM events"),
    ("events by writer", "SELECT writer FROM events"),
    (
        "lookups",
        "SELECT DISTINCT hash >> 61 & 7, hash FROM lookups",
    ),
    ("data keys", "SELECT id >> 60 & 7 FROM keys.data_keys"),
];

/// What goes to a place by chance a few times only: each connection keeps its own, and so does
/// each batch of data keys.
const FEW: [&str; 2] = ["events by writer", "data keys"];

#[test]
fn what_is_new_goes_to_every_place() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let sql = |sql: &str| cluster.sql(name_of(&url), sql).expect("it runs");
    let fleet = Fleet::start(&url, 3, &[]);
    let api = fleet.sandbox();
    for number in 0..CUSTOMERS {
        let mut body = full_customer();
        body["email"] = json!(format!("{number}@example.com"));
        api.at(&fleet.spread.next()).create(&body);
    }
    for (what, leading) in LEADING {
        let counted = sql(&format!(
            "SELECT place, COUNT(*) FROM ({leading}) AS every (place) GROUP BY place ORDER BY place"
        ));
        println!("{what}: {}", counted.replace('\n', ", "));
        let counts: BTreeMap<i64, usize> = counted
            .lines()
            .filter_map(|line| line.split_once('|'))
            .map(|(place, count)| {
                (
                    place.parse().expect("a number"),
                    count.parse().expect("one"),
                )
            })
            .collect();
        let rows: usize = counts.values().sum();
        assert!(rows >= CUSTOMERS, "{what}: {rows} rows");
        if FEW.contains(&what) {
            assert!(counts.len() > 1, "{what}: {counts:?}");
            continue;
        }
        assert_eq!(counts.len(), PLACES, "{what}: {counts:?}");
        // By chance an eighth each.
        let few = counts.values().filter(|count| **count * 4 * PLACES < rows);
        assert_eq!(few.count(), 0, "{what}: {counts:?}");
    }
}

#[test]
fn ids_of_one_millisecond_go_to_several_places() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let fleet = Fleet::start(&url, 1, &[]);
    fleet.key(Mode::Sandbox);
    let name = "SELECT name FROM projects WHERE mode = 'sandbox' ORDER BY id DESC LIMIT 1";
    let project = cluster.sql(name_of(&url), name).expect("it answers");
    let (folder, mut lines) = (Folder::new(), String::new());
    for number in 0..2_000 {
        let email = format!("{number}@example.com");
        writeln!(lines, r#"{{"type":"individual","email":"{email}"}}"#).expect("memory");
    }
    let file = folder.path().join("customers.jsonl");
    fs::write(&file, lines).expect("a file can be written");
    let file = file.to_str().expect("a path of plain text");
    let mut beside = 0;
    let mut apart = false;
    // On a busy machine few ids share a millisecond: then more are made.
    while beside < 20 {
        let import = [
            "customers",
            "import",
            file,
            "--project",
            &project,
            "--mode",
            "sandbox",
        ];
        let imported = fleet.run(&import);
        assert!(imported.status.success(), "{imported:?}");
        fs::write(file, fs::read_to_string(file).expect("text") + "\n").expect("written");
        let sql = "SELECT encode(substring(id FROM 1 FOR 6), 'hex'), bucket FROM customers";
        let rows = cluster.sql(name_of(&url), sql).expect("it answers");
        let mut moments: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (moment, bucket) in rows.lines().filter_map(|line| line.split_once('|')) {
            moments.entry(moment).or_default().push(bucket);
        }
        beside = moments.values().map(|buckets| buckets.len() - 1).sum();
        apart = moments
            .values()
            .any(|buckets| buckets.iter().collect::<BTreeSet<_>>().len() > 1);
    }
    println!("{beside} ids share a millisecond with an earlier one");
    assert!(apart, "all of a millisecond are in one place");
}
