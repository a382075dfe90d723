//! Clients that ask one server after the other, and repeat every request with its key until
//! it is answered; while all is well, the first answer must be the one that is wanted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::{Api, fresh_name};
use super::http::{Answer, Call};
use super::random::Seeded;
use super::sample::full_customer;
use super::wait::{Deadline, eventually};

/// How long a request may be repeated; far more than any fault of the tests lasts.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);

/// Where servers listen, as one who spreads requests over them knows it.
#[derive(Clone, Default)]
pub struct Spread(Arc<(Mutex<Vec<String>>, AtomicUsize)>);

impl Spread {
    /// Over one server.
    pub fn over(base: &str) -> Self {
        let spread = Self::default();
        spread.set(0, base);
        spread
    }

    /// The next one in turn, dead or alive.
    pub fn next(&self) -> String {
        let turn = self.0.1.fetch_add(1, Ordering::SeqCst);
        let addresses = self.all();
        addresses[turn % addresses.len()].clone()
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().expect("no panic holds this").clone()
    }

    /// A server in the place of another one, or one more.
    pub fn set(&self, place: usize, base: &str) {
        let mut addresses = self.0.0.lock().expect("no panic holds this");
        if place < addresses.len() {
            base.clone_into(&mut addresses[place]);
        } else {
            addresses.push(base.to_owned());
        }
    }
}

/// A customer that a client made, and what it was told in the end.
pub struct Made {
    pub key: String,
    /// What was sent.
    pub body: Value,
    /// The answer to the POST.
    pub first: Answer,
    /// The customer as the last answer showed it.
    pub last: Value,
    /// How often it was changed.
    pub changes: usize,
}

/// What the clients have seen so far.
#[derive(Default)]
pub struct Seen {
    /// Writes that were acknowledged.
    acknowledged: AtomicUsize,
    /// Answers that said 503.
    unavailable: AtomicUsize,
    /// Requests that got no answer, because nobody listened or the connection broke.
    broken: AtomicUsize,
    /// Odd while nothing may be refused.
    wellness: AtomicUsize,
    /// Requests that were answered as wanted then.
    looked_at: AtomicUsize,
    over: AtomicBool,
    failed: AtomicBool,
}

impl Seen {
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub fn unavailable(&self) -> usize {
        self.unavailable.load(Ordering::SeqCst)
    }

    /// Requests that were refused or broke off.
    pub fn refused(&self) -> usize {
        self.unavailable() + self.broken.load(Ordering::SeqCst)
    }

    /// Waits until so many more writes are acknowledged.
    #[track_caller]
    pub fn wait_for_more(&self, count: usize) {
        let before = self.acknowledged();
        self.wait("so many more writes are acknowledged", || {
            self.acknowledged() >= before + count
        });
    }

    /// Waits until so many requests were told to come again.
    #[track_caller]
    pub fn wait_for_unavailable(&self, count: usize) {
        self.wait("so many are told to come again", || {
            self.unavailable() >= count
        });
    }

    /// Waits until one more request got no answer.
    #[track_caller]
    pub fn wait_for_broken(&self) {
        let before = self.broken.load(Ordering::SeqCst);
        self.wait("a request gets no answer", || {
            self.broken.load(Ordering::SeqCst) > before
        });
    }

    /// Looks for a while, and for so many requests, that nothing is refused.
    #[track_caller]
    pub fn nothing_is_refused(&self, length: Duration, requests: usize) {
        let before = self.looked_at.load(Ordering::SeqCst);
        self.wellness.fetch_add(1, Ordering::SeqCst);
        thread::sleep(length);
        self.wait("so many are answered", || {
            self.looked_at.load(Ordering::SeqCst) >= before + requests
        });
        self.wellness.fetch_add(1, Ordering::SeqCst);
    }

    #[track_caller]
    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        eventually(PATIENCE, what, || {
            let failed = self.failed.load(Ordering::SeqCst);
            assert!(!failed, "a client saw what it may not see");
            is_so().then_some(())
        });
    }
}

/// One client.
struct Asking<'a> {
    api: &'a Api,
    spread: &'a Spread,
    seen: &'a Seen,
    /// With their open connections.
    servers: HashMap<String, Api>,
}

/// Runs clients while `during` does what it does; gives what they made.
pub fn run_clients(
    clients: usize,
    api: &Api,
    spread: &Spread,
    random: &mut Seeded,
    during: impl FnOnce(&Seen, &mut Seeded),
) -> Vec<Made> {
    let seen = Seen::default();
    let seeds: Vec<Seeded> = (0..clients).map(|_| Seeded::new(random.next())).collect();
    thread::scope(|scope| {
        let clients: Vec<_> = seeds
            .into_iter()
            .map(|seed| {
                let asking = Asking {
                    api,
                    spread,
                    seen: &seen,
                    servers: HashMap::new(),
                };
                scope.spawn(move || asking.run(seed))
            })
            .collect();
        // However it ends, or the clients would go on for ever.
        let over = Over(&seen);
        during(&seen, random);
        drop(over);
        let made = clients.into_iter().map(thread::ScopedJoinHandle::join);
        made.flat_map(|made| made.expect("a client sees only what it may see"))
            .collect()
    })
}

struct Over<'a>(&'a Seen);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.seen.failed.store(true, Ordering::SeqCst);
        }
    }
}

impl Asking<'_> {
    fn run(mut self, mut random: Seeded) -> Vec<Made> {
        let mut made = Vec::new();
        while !self.seen.over.load(Ordering::SeqCst) {
            let mut one = self.create(&mut random);
            if random.between(0, 3) == 0 {
                self.change(&mut one);
            }
            let path = format!("/customers/{}", one.first.id());
            let read = self.until(200, |api| api.call("GET", &path));
            assert_eq!(read.json(), one.last, "acknowledged, and read otherwise");
            made.push(one);
        }
        made
    }

    fn create(&mut self, random: &mut Seeded) -> Made {
        let key = fresh_name("wish");
        let mut body = full_customer();
        body["externalId"] = json!(key);
        if random.between(0, 4) > 0 {
            body["endorsements"] = json!([]);
        }
        let first = self.until(201, |api| {
            keyed(api, "POST", "/customers", &key).json(&body)
        });
        self.seen.acknowledged.fetch_add(1, Ordering::SeqCst);
        Made {
            key,
            body,
            last: first.json(),
            first,
            changes: 0,
        }
    }

    fn change(&mut self, one: &mut Made) {
        let path = format!("/customers/{}", one.first.id());
        let (key, body) = (fresh_name("change"), json!({"metadata": {"step": 1}}));
        let answer = self.until(200, |api| keyed(api, "PATCH", &path, &key).json(&body));
        self.seen.acknowledged.fetch_add(1, Ordering::SeqCst);
        one.last = answer.json();
        one.changes += 1;
    }

    /// Sends a request to one server after the other until one answers as wanted. Meanwhile
    /// only three things may happen: a connection breaks, the store is away, or the first
    /// request of this key still runs. None of them to a request that began and ended while
    /// all was well.
    fn until(&mut self, wanted: u16, call: impl Fn(&Api) -> Call) -> Answer {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let base = self.spread.next();
            let api = self
                .servers
                .entry(base)
                .or_insert_with_key(|base| self.api.at(base));
            let before = self.seen.wellness.load(Ordering::SeqCst);
            let outcome = call(api).try_send();
            let after = self.seen.wellness.load(Ordering::SeqCst);
            let is_well = before == after && after % 2 == 1;
            let refused = match outcome {
                Ok(answer) if answer.status == wanted => {
                    self.seen
                        .looked_at
                        .fetch_add(usize::from(is_well), Ordering::SeqCst);
                    return answer;
                }
                Ok(answer) => {
                    self.check_later(&answer);
                    answer.to_string()
                }
                Err(broken) => {
                    self.seen.broken.fetch_add(1, Ordering::SeqCst);
                    broken
                }
            };
            assert!(!is_well, "refused although all is well: {refused}");
            let failed = self.seen.failed.load(Ordering::SeqCst);
            assert!(!failed && !deadline.is_over(), "never answered: {refused}");
            thread::sleep(PAUSE);
        }
    }

    fn check_later(&self, answer: &Answer) {
        if answer.status == 409 {
            answer.problem(409, "idempotencyInProgress");
            check_retry_after(answer);
        } else {
            check_told_to_come_again(answer);
            self.seen.unavailable.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The store is away, and the answer says when to come again.
#[track_caller]
pub fn check_told_to_come_again(answer: &Answer) {
    answer.problem(503, "serviceUnavailable");
    check_retry_after(answer);
}

#[track_caller]
fn check_retry_after(answer: &Answer) {
    let wait = answer.wants_header("retry-after").parse();
    assert!(
        wait.is_ok_and(|wait: u32| (1..=60).contains(&wait)),
        "{answer}"
    );
}

/// A call with a key.
pub fn keyed(api: &Api, method: &str, path: &str, key: &str) -> Call {
    api.call(method, path).header("idempotency-key", key)
}

/// Each wish made exactly one customer, which reads as the last answer said.
#[track_caller]
pub fn check_each_exactly_once(api: &Api, made: &[Made]) {
    let mut found: HashMap<String, Vec<Value>> = HashMap::new();
    for customer in api.all_customers() {
        let key = customer["externalId"].as_str().expect("each has one");
        found.entry(key.to_owned()).or_default().push(customer);
    }
    for one in made {
        let customers = found.remove(&one.key).unwrap_or_default();
        assert_eq!(
            customers,
            std::slice::from_ref(&one.last),
            "key {}",
            one.key
        );
    }
    assert!(found.is_empty(), "nobody asked for these: {found:#?}");
}
