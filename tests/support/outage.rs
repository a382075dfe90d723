//! The outage oracle: clients create, change and read all along, a fault comes and passes, and
//! from a moment after it not one request may be refused; in the end each wish made one customer.

use std::thread;
use std::time::Duration;

use super::api::Api;
use super::clients::{Made, Seen, Spread, check_each_exactly_once, run_clients};
use super::random::Seeded;

/// How long after a fault has passed something may still be refused.
const GRACE: Duration = Duration::from_secs(2);

/// How long is looked whether something is refused after that.
const LOOK: Duration = Duration::from_secs(2);

/// Seconds that faults last, unless `OMS_OUTAGE_SECONDS` says otherwise.
const LENGTHS: &str = "0.1,1,3";

/// How long faults last, one after the other.
pub fn outage_lengths() -> Vec<Duration> {
    let text = std::env::var("OMS_OUTAGE_SECONDS").unwrap_or_else(|_| LENGTHS.to_owned());
    let seconds = text.split(',').map(|one| one.parse().expect("seconds"));
    seconds.map(Duration::from_secs_f64).collect()
}

/// Something that befalls a server, and has passed when this returns.
pub type Fault<'a> = Box<dyn FnMut(&Seen) + 'a>;

/// Has so many clients ask while faults come and pass, one after the other.
pub fn watch_outages(
    clients: usize,
    api: &Api,
    spread: &Spread,
    random: &mut Seeded,
    faults: &mut [Fault<'_>],
) -> Vec<Made> {
    let made = run_clients(clients, api, spread, random, |seen, _| {
        for fault in faults {
            seen.wait_for_more(clients);
            let before = seen.refused();
            fault(seen);
            println!("{} were refused or broke off", seen.refused() - before);
            thread::sleep(GRACE);
            seen.nothing_is_refused(LOOK, 2 * clients);
            for base in spread.all() {
                let ready = api.at(&base).call_as_written("GET", "/readyz");
                ready.send().wants(200);
            }
        }
    });
    check_each_exactly_once(&api.at(&spread.next()), &made);
    made
}
