//! Servers that start on a database: all at once, and with another version of its schema.

use serde_json::json;

use crate::check::check;
use crate::fleet::Fleet;
use crate::support::{Cluster, Seeded, eventually, full_customer, name_of, run_clients};
use crate::{CLIENTS, cluster, seed};

use std::time::Duration;

const A_WHILE: Duration = Duration::from_mins(2);

#[test]
fn servers_that_start_at_once_on_an_empty_database_all_come_up() {
    let Some(cluster) = cluster() else { return };
    let mut fleet = Fleet::prepare(&cluster.new_database(), &[]);
    fleet.add(3);
    let api = fleet.sandbox();
    for server in fleet.living() {
        let made = api.at(&server.base).create(&full_customer());
        for other in fleet.living() {
            assert_eq!(api.at(&other.base).read(&made.id()).body, made.body);
        }
    }
    let printed = fleet.living().flat_map(crate::support::Server::printed);
    let keys = printed.filter(|line| line.contains("sk_sdbx_")).count();
    let all = fleet.run(&["keys", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&all.stdout).expect("JSON");
    // One that was made for whoever starts first, and that of the client.
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{}", all.stdout);
    assert!(keys >= 1, "whoever made it says so");
    fleet.check_audit();
}

/// A step of a version to come, which only adds.
fn expand(cluster: &Cluster, url: &str) {
    let name = name_of(url);
    for sql in [
        "ALTER TABLE customers ADD COLUMN IF NOT EXISTS later TEXT NOT NULL DEFAULT 'none'",
        "ALTER TABLE events ADD COLUMN IF NOT EXISTS later BIGINT",
        "ALTER TABLE idempotency ADD COLUMN IF NOT EXISTS later BIGINT NOT NULL DEFAULT 0",
        "CREATE TABLE IF NOT EXISTS later (id BIGINT PRIMARY KEY)",
        "INSERT INTO schema_steps (part, number) VALUES ('data', 99)",
    ] {
        eventually(A_WHILE, sql, || cluster.sql(name, sql).ok());
    }
}

fn check_refused(fleet: &Fleet) {
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--operator-listen",
        "127.0.0.1:0",
    ];
    for command in [&serve[..], &["migrate"], &["keys", "list"]] {
        let refused = fleet.run(command);
        assert!(!refused.status.success(), "{refused:?}");
        for words in ["schema 99", "run a newer oms"] {
            assert!(refused.stderr.contains(words), "{refused:?}");
        }
    }
}

#[test]
fn servers_go_on_while_a_newer_version_adds_to_the_schema() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let mut fleet = Fleet::start(&url, 2, &[]);
    let api = fleet.sandbox();
    let mut random = Seeded::new(seed());
    let spread = fleet.spread.clone();
    let made = run_clients(CLIENTS, &api, &spread, &mut random, |seen, _| {
        seen.wait_for_more(30);
        expand(cluster, &url);
        seen.wait_for_more(60);
    });
    for server in fleet.living() {
        let there = api.at(&server.base);
        there.change(&made[0].first.id(), &json!({})).wants(200);
    }
    check_refused(&fleet);
    // Back to what this version knows, so that its own commands can tell that all is well.
    let name = name_of(&url);
    let back = "DELETE FROM schema_steps WHERE number = 99";
    cluster.sql(name, back).expect("it is done");
    fleet.kill(0);
    fleet.replace(0);
    check(&fleet, &api, &made);
}
