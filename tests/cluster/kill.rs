//! SIGKILL under load, one server after the other, at random moments.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::check::check;
use crate::fleet::Fleet;
use crate::receiver::{Act, Receiver};
use crate::support::{Seeded, eventually, number_from_environment, run_clients};
use crate::{CLIENTS, cluster, seed};

const A_WHILE: Duration = Duration::from_mins(3);
const SERVERS: usize = 3;
const DEFAULT_ROUNDS: u64 = 6;

#[test]
fn of_three_servers_that_are_killed_at_random_none_loses_or_doubles_anything() {
    let Some(cluster) = cluster() else { return };
    let rounds = number_from_environment("OMS_CLUSTER_ROUNDS").unwrap_or(DEFAULT_ROUNDS);
    let mut random = Seeded::new(seed());
    let mut fleet = Fleet::start(&cluster.new_database(), SERVERS, &[]);
    let (api, receiver) = (fleet.sandbox(), Receiver::always(Act::Answer(200)));
    let hook = api.post("/webhooks", &json!({"url": receiver.url()}));
    hook.wants(201);
    let spread = fleet.spread.clone();
    let made = run_clients(CLIENTS, &api, &spread, &mut random, |seen, random| {
        for round in 0..rounds {
            let some = |random: &mut Seeded| usize::try_from(random.between(5, 60)).expect("few");
            seen.wait_for_more(some(random));
            // The moment within a commit is what the seed decides.
            thread::sleep(Duration::from_micros(random.between(0, 4000)));
            let victim = fleet.any(random);
            fleet.kill(victim);
            println!(
                "round {round}: killed {victim} after {}",
                seen.acknowledged()
            );
            // Somebody counted on it.
            seen.wait_for_broken();
            seen.wait_for_more(some(random));
            fleet.replace(victim);
        }
        seen.wait_for_more(20);
    });
    println!("{} customers", made.len());
    let events = check(&fleet, &api, &made);
    // Told of twice, perhaps, by one that died before it wrote down that it had; but of all.
    eventually(A_WHILE, "every event is told", || {
        let all = receiver.received();
        let told: HashSet<_> = all
            .iter()
            .map(|one| one.json()["eventId"].clone())
            .collect();
        let missing = events.iter().filter(|event| !told.contains(*event));
        (missing.count() == 0).then_some(())
    });
}
