//! The outage oracle: clients create and read all along, a fault comes and passes, and from a
//! moment after it not one request may be refused; in the end each wish made one customer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::api::{Api, fresh_name};
use super::http::{Answer, Call};
use super::random::Seeded;
use super::sample::full_customer;
use super::wait::{Deadline, eventually};

/// How long after a fault has passed something may still be refused.
const GRACE: Duration = Duration::from_secs(2);

/// How long is looked whether something is refused after that.
const LOOK: Duration = Duration::from_secs(2);

/// How long a request may be repeated.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);

/// Clients, and what they have seen.
pub struct Outage {
    /// The servers, each asked in turn.
    servers: Vec<Api>,
    clients: usize,
    /// Rises when a fault comes and when it has passed for good: even while one may be felt.
    phase: AtomicUsize,
    over: AtomicBool,
    failed: AtomicBool,
    /// Writes that were acknowledged.
    acknowledged: AtomicUsize,
    /// Requests that were refused or broke off, at whatever time.
    refused: AtomicUsize,
    /// Requests since the fault has passed for good.
    looked_at: AtomicUsize,
}

/// A customer that was asked for, and the answer.
struct Made {
    key: String,
    answer: Answer,
}

/// Something that befalls a server, and has passed when this returns.
pub type Fault<'a> = Box<dyn FnMut(&Outage) + 'a>;

impl Outage {
    /// So many clients of these servers.
    pub fn new(servers: Vec<Api>, clients: usize) -> Self {
        Self {
            servers,
            clients,
            phase: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            looked_at: AtomicUsize::new(0),
        }
    }

    /// Has the clients ask while faults come and pass, one after the other. Each is given the
    /// oracle and returns when it has passed.
    pub fn watch(&self, random: &mut Seeded, faults: &mut [Fault<'_>]) {
        let seeds: Vec<_> = (0..self.clients)
            .map(|_| Seeded::new(random.next()))
            .collect();
        let made: Vec<Made> = thread::scope(|scope| {
            let clients: Vec<_> = seeds
                .into_iter()
                .enumerate()
                .map(|(place, seed)| scope.spawn(move || self.ask(place, seed)))
                .collect();
            let over = Over(self);
            for fault in faults {
                self.wait_for_more(self.clients);
                fault(self);
                thread::sleep(GRACE);
                self.phase.fetch_add(1, Ordering::SeqCst);
                let before = self.looked_at.load(Ordering::SeqCst);
                thread::sleep(LOOK);
                self.check_ready();
                self.wait("each client is answered", || {
                    self.looked_at.load(Ordering::SeqCst) >= before + 2 * self.clients
                });
                self.phase.fetch_add(1, Ordering::SeqCst);
            }
            drop(over);
            let made = clients.into_iter().map(thread::ScopedJoinHandle::join);
            made.flat_map(|made| made.expect("a client sees only what it may see"))
                .collect()
        });
        self.check_each_exactly_once(&made);
    }

    /// Waits until so many more writes are acknowledged.
    #[track_caller]
    pub fn wait_for_more(&self, count: usize) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        self.wait("so many more writes are acknowledged", || {
            self.acknowledged.load(Ordering::SeqCst) >= before + count
        });
    }

    /// Requests that were refused or broke off so far.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        eventually(PATIENCE, what, || {
            let failed = self.failed.load(Ordering::SeqCst);
            assert!(!failed, "a client saw what it may not see");
            is_so().then_some(())
        });
    }

    fn check_ready(&self) {
        for server in &self.servers {
            server.call_as_written("GET", "/readyz").send().wants(200);
        }
    }

    fn ask(&self, place: usize, mut random: Seeded) -> Vec<Made> {
        // Each with connections of its own.
        let servers: Vec<_> = self.servers.iter().map(|api| api.at(&api.base)).collect();
        let failing = Failing(self);
        let mut made: Vec<Made> = Vec::new();
        while !self.over.load(Ordering::SeqCst) {
            let key = fresh_name("wish");
            let mut body = full_customer();
            body["externalId"] = json!(key);
            if random.between(0, 4) > 0 {
                body["endorsements"] = json!([]);
            }
            let turn = place + made.len();
            let answer = self.until(&servers, turn, 201, |api| {
                api.call("POST", "/customers")
                    .header("idempotency-key", key.as_str())
                    .json(&body)
            });
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
            let path = format!("/customers/{}", answer.id());
            let read = self.until(&servers, turn + 1, 200, |api| api.call("GET", &path));
            assert_eq!(read.body, answer.body, "acknowledged, and read otherwise");
            made.push(Made { key, answer });
        }
        drop(failing);
        made
    }

    /// Sends a request until it is answered as wanted; one that began when the fault had passed,
    /// and ended before the next, must be at once.
    fn until(
        &self,
        servers: &[Api],
        turn: usize,
        wanted: u16,
        call: impl Fn(&Api) -> Call,
    ) -> Answer {
        let deadline = Deadline::after(PATIENCE);
        let mut servers = servers.iter().cycle().skip(turn % servers.len());
        loop {
            let phase = self.phase.load(Ordering::SeqCst);
            let api = servers.next().expect("there is a server");
            let outcome = call(api).try_send();
            let is_well = phase % 2 == 1 && phase == self.phase.load(Ordering::SeqCst);
            if is_well {
                self.looked_at.fetch_add(1, Ordering::SeqCst);
            }
            let said = match outcome {
                Ok(answer) if answer.status == wanted => return answer,
                Ok(answer) if [409, 503].contains(&answer.status) => answer.to_string(),
                Ok(answer) => panic!("{answer}"),
                Err(broken) => broken,
            };
            assert!(!is_well, "refused after the fault had passed: {said}");
            self.refused.fetch_add(1, Ordering::SeqCst);
            let failed = self.failed.load(Ordering::SeqCst);
            assert!(!failed && !deadline.is_over(), "never answered: {said}");
            thread::sleep(PAUSE);
        }
    }

    fn check_each_exactly_once(&self, made: &[Made]) {
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        for customer in self.servers[0].all_customers() {
            let text = |name: &str| customer[name].as_str().expect("a text").to_owned();
            found
                .entry(text("externalId"))
                .or_default()
                .push(text("id"));
        }
        for one in made {
            let ids = found.remove(&one.key);
            assert_eq!(ids, Some(vec![one.answer.id()]), "key {}", one.key);
        }
        assert!(found.is_empty(), "nobody asked for these: {found:?}");
    }
}

/// Ends the clients however the watching ends.
struct Over<'a>(&'a Outage);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

/// Tells the others when a client panics.
struct Failing<'a>(&'a Outage);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed.store(true, Ordering::SeqCst);
        }
    }
}
