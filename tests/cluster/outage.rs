//! The database is lost for a while and comes back: from two seconds after it not one request
//! is refused, nothing acknowledged is lost and nothing is doubled.
//!
//! `OMS_OUTAGE_SECONDS` names the outages of the longer run, with commas.

use std::thread;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::support::{Cluster, Fault, Seeded, name_of, outage_lengths, watch_outages};
use crate::{cluster, seed, start};

const CLIENTS: usize = 24;
const SERVERS: usize = 2;

/// How often every connection is ended.
const ENDINGS: usize = 3;

/// Connections of a server that write; a start and an outage leave a row in `writers` for each.
const CONNECTIONS: usize = 4;

/// Runs of the command line that may have written.
const COMMANDS: usize = 4;

/// Clients of two servers while faults come and pass; nothing is wrong afterwards.
fn watch(cluster: &Cluster, url: &str, faults: &mut [Fault<'_>]) {
    let fleet = Fleet::start(url, SERVERS, &[]);
    let api = fleet.sandbox();
    let begun = SERVERS * (1 + faults.len());
    watch_outages(
        CLIENTS,
        &api,
        &fleet.spread,
        &mut Seeded::new(seed()),
        faults,
    );
    for command in [&["audit", "verify"][..], &["doctor"]] {
        let whole = fleet.run(command);
        assert!(whole.status.success(), "{command:?}: {whole:?}");
    }
    let writers = cluster.sql(name_of(url), "SELECT COUNT(*) FROM writers");
    let writers: usize = writers.expect("it answers").parse().expect("a number");
    // Each command has some as well.
    let most = CONNECTIONS * (begun + COMMANDS);
    assert!(writers <= most, "{writers} writers, and {most} connections");
}

#[test]
fn two_seconds_after_a_database_that_was_killed_is_back_not_one_request_is_refused() {
    let Some(cluster) = start(&[], &[]) else {
        return;
    };
    let kill = |away: Duration| -> Fault<'_> {
        let cluster = &cluster;
        Box::new(move |_| {
            cluster.kill();
            thread::sleep(away);
            cluster.start_again();
        })
    };
    let mut faults: Vec<_> = outage_lengths().into_iter().map(kill).collect();
    watch(&cluster, &cluster.new_database(), &mut faults);
}

#[test]
fn two_seconds_after_a_database_that_stood_still_goes_on_not_one_request_is_refused() {
    let Some(cluster) = start(&[], &[]) else {
        return;
    };
    let stand_still = |away: Duration| -> Fault<'_> {
        let cluster = &cluster;
        Box::new(move |_| {
            cluster.stand_still();
            thread::sleep(away);
            cluster.go_on();
        })
    };
    let mut faults: Vec<_> = outage_lengths().into_iter().map(stand_still).collect();
    watch(&cluster, &cluster.new_database(), &mut faults);
}

#[test]
fn two_seconds_after_every_connection_was_ended_not_one_request_is_refused() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let mut faults: Vec<Fault<'_>> = (0..ENDINGS)
        .map(|_| -> Fault<'_> { Box::new(|_| cluster.end_connections(name_of(&url))) })
        .collect();
    watch(cluster, &url, &mut faults);
}
