//! SIGKILL under load, one server after the other, at random moments.

use std::thread;
use std::time::Duration;

use crate::check::check;
use crate::fleet::Fleet;
use crate::load;
use crate::support::Seeded;
use crate::{cluster, number, seed};

const SERVERS: usize = 3;
const DEFAULT_ROUNDS: u64 = 6;

#[test]
fn of_three_servers_that_are_killed_at_random_none_loses_or_doubles_anything() {
    let Some(cluster) = cluster() else { return };
    let rounds = number("OMS_CLUSTER_ROUNDS", DEFAULT_ROUNDS);
    let mut random = Seeded::new(seed());
    let mut fleet = Fleet::start(&cluster.new_database(), SERVERS, &[]);
    let api = fleet.sandbox();
    let spread = fleet.spread.clone();
    let made = load::run(&api, &spread, &mut random, |seen, random| {
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
            seen.wait_for_more(some(random));
            fleet.replace(victim);
        }
        seen.wait_for_more(20);
    });
    println!("{} customers", made.len());
    check(&fleet, &api, &made);
}
