//! Several servers on one database, as processes that are killed, and a database that goes
//! away: exactly once, nothing acknowledged is lost. They need PostgreSQL, and say so where
//! there is none.
//!
//! `OMS_CLUSTER_SEED` repeats a run; `OMS_CLUSTER_ROUNDS` makes the one that kills longer.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod conflicts;
#[path = "../tidy/dialect.rs"]
mod dialect;
mod failover;
mod fleet;
mod full;
mod hearing;
mod jobs;
mod kill;
mod outage;
mod patience;
mod plans;
mod rates;
mod reads;
#[path = "../webhooks/receiver.rs"]
mod receiver;
mod shared;
mod spread;
mod starting;
mod statements;
mod tls;
mod way;
mod writers;

use std::io::Write;
use std::sync::OnceLock;

use support::{Cluster, number_from_environment};

/// The server of the tests that leave it alone; `None`, and a word about it, where the machine
/// has no PostgreSQL.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| start(&[], &[])).as_ref()
}

/// Clients of the tests that have servers die under them.
const CLIENTS: usize = 6;

/// A server of a test's own.
fn start(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Option<Cluster> {
    let cluster = Cluster::start_with(files, settings);
    if cluster.is_none() {
        // Not by a macro, whose words nobody sees when a test goes well.
        let words = b"\nNOT RUN: no PostgreSQL is installed (apt-get install postgresql); \
                      nothing was tested of several servers\n";
        std::io::stderr()
            .write_all(words)
            .expect("there is an error stream");
    }
    cluster
}

/// The seed of a test, printed so that it can be run again.
fn seed() -> u64 {
    let seed = number_from_environment("OMS_CLUSTER_SEED");
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("OMS_CLUSTER_SEED={seed}");
    seed
}
