//! The database is lost with its machine, and its replica takes over.

use std::time::Duration;

use crate::check::check;
use crate::fleet::Fleet;
use crate::support::{Cluster, Seeded, eventually, run_clients};
use crate::{CLIENTS, seed, start};

const A_WHILE: Duration = Duration::from_mins(2);

/// Has every commit wait for the replica.
fn wait_for_replica(primary: &Cluster) {
    let set = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    primary.sql("postgres", set).expect("it can be set");
    let reload = "SELECT pg_reload_conf()";
    primary.sql("postgres", reload).expect("it reads it again");
    eventually(A_WHILE, "the replica is synchronous", || {
        let state = "SELECT sync_state FROM pg_stat_replication";
        let state = primary.sql("postgres", state).expect("it answers");
        (state == "sync").then_some(())
    });
}

#[test]
fn when_a_replica_takes_over_nothing_acknowledged_is_lost() {
    let Some(primary) = start(&[], &[]) else {
        return;
    };
    let mut random = Seeded::new(seed());
    let url = primary.new_database();
    let replica = primary.standby();
    wait_for_replica(&primary);
    // As libpq writes it: both, the first of which takes writes.
    let both = format!("{},{}", primary.address(), replica.address());
    let url = url.replace(&primary.address(), &both) + "?target_session_attrs=read-write";
    let fleet = Fleet::start(&url, 3, &[]);
    let api = fleet.sandbox();
    let made = run_clients(CLIENTS, &api, &fleet.spread, &mut random, |seen, random| {
        let some = random.between(50, 150);
        seen.wait_for_more(usize::try_from(some).expect("few"));
        // A busy machine may have refused some already.
        let before = seen.unavailable();
        drop(primary);
        seen.wait_for_unavailable(before + 30);
        for server in fleet.living() {
            let ready = server.call("GET", "/readyz").send();
            ready.problem(503, "serviceUnavailable");
            server.call("GET", "/healthz").send().wants(200);
        }
        let promoted = replica.sql("postgres", "SELECT pg_promote()");
        assert_eq!(promoted.as_deref(), Ok("t"));
        seen.wait_for_more(100);
    });
    println!("{} customers", made.len());
    check(&fleet, &api, &made);
}
