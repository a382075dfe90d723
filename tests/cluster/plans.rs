//! That those who write do not stand in each other's way without need.

use std::time::Duration;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{Cluster, eventually, minimal_customer, name_of};

/// Looks at a whole table that are somebody else's, as the signing of checkpoints is.
const OTHERS: u64 = 20;

/// How often `writers` was read whole, and how often by its key.
fn scans(cluster: &Cluster, name: &str) -> (u64, u64) {
    let sql = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'writers'";
    let found = cluster.sql(name, sql).expect("it answers");
    let (whole, by_key) = found.split_once('|').expect("two columns");
    let number = |text: &str| text.parse().expect("a number");
    (number(whole), number(by_key))
}

/// A table of one page is cheaper read whole, and whoever did so while it wrote is in the way
/// of everybody else who writes to it.
#[test]
fn small_tables_are_not_read_whole_by_those_who_write() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 2, &[]);
    let api = fleet.sandbox();
    let apis: Vec<_> = fleet.living().map(|server| api.at(&server.base)).collect();
    let make = |count: usize| {
        for place in 0..count {
            apis[place % apis.len()].create(&minimal_customer());
        }
    };
    make(20);
    // As the server itself leaves it after a quiet hour.
    for sql in ["VACUUM FULL writers", "VACUUM ANALYZE"] {
        cluster.sql(name, sql).expect("it is done");
    }
    // What was planned before is planned again.
    let (mut whole, mut by_key) = scans(cluster, name);
    eventually(Duration::from_mins(1), "plans are made anew", || {
        make(10);
        let now = scans(cluster, name);
        let quiet = now.0 == whole && now.1 > by_key;
        (whole, by_key) = now;
        quiet.then_some(())
    });
    make(200);
    let counted = eventually(Duration::from_mins(1), "it is counted", || {
        let now = scans(cluster, name);
        (now.1 + now.0 >= whole + by_key + 150).then_some(now)
    });
    assert!(
        counted.0 - whole < OTHERS,
        "before {whole} and {by_key}, then {counted:?}"
    );
}
