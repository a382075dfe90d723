//! Webhooks under load: deliveries a second to a receiver of this machine, and what a
//! million waiting deliveries cost those who create customers. `cargo bench --bench webhooks`.

#[path = "../../tests/webhooks/receiver.rs"]
mod receiver;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::time::Duration;

use receiver::{Act, Receiver};
use serde_json::json;
use support::{Api, Server, Stopwatch, eventually, full_customer};

/// Threads that create.
const CREATORS: usize = 16;

/// Customers behind the deliveries of the first measurement; each is four events.
const DELIVERED: usize = 5_000;

/// Customers behind the waiting deliveries: four events each for ten webhooks.
const WAITING: usize = 25_000;

/// Creates of one round.
const ROUND: usize = 10_000;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    deliveries();
    waiting();
}

/// Creates so many customers and gives the rate.
fn create(api: &Api, count: usize) -> f64 {
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for _ in 0..CREATORS {
            let api = api.at(&api.base);
            scope.spawn(move || {
                for _ in 0..count / CREATORS {
                    api.create(&full_customer());
                }
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let count = (count / CREATORS * CREATORS) as f64;
    count / watch.elapsed().as_secs_f64()
}

fn deliveries() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    let made = api
        .post("/webhooks", &json!({"url": receiver.url()}))
        .wants(201);
    let path = format!("/webhooks/{}", made.id());
    api.patch(&path, &json!({"enabled": false})).wants(200);
    create(&api, DELIVERED);
    let wanted = DELIVERED / CREATORS * CREATORS * 4;
    let watch = Stopwatch::start();
    api.patch(&path, &json!({"enabled": true})).wants(200);
    eventually(Duration::from_mins(1), "all are delivered", || {
        std::thread::sleep(Duration::from_millis(20));
        (receiver.count() >= wanted).then_some(())
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = wanted as f64 / watch.elapsed().as_secs_f64();
    println!("deliveries: {wanted} to one receiver, {rate:.0} a second");
}

fn waiting() {
    let (free, loaded) = (Server::start(&[]), Server::start(&[]));
    let (none, million) = (free.sandbox(), loaded.sandbox());
    for _ in 0..10 {
        // Nobody listens there.
        let body = json!({"url": "http://127.0.0.1:9/hooks"});
        million.post("/webhooks", &body).wants(201);
    }
    create(&none, WAITING);
    let before = memory(&free);
    create(&million, WAITING);
    println!(
        "memory: {before} with no webhook, {} with {} waiting deliveries",
        memory(&loaded),
        WAITING / CREATORS * CREATORS * 4 * 10
    );
    for round in 1..=3 {
        let (one, other) = (create(&none, ROUND), create(&million, ROUND));
        println!(
            "round {round}: {one:.0} creates a second without, {other:.0} with them ({:+.1} %)",
            (other / one - 1.0) * 100.0
        );
    }
    println!(
        "memory at the end: {} and {}",
        memory(&free),
        memory(&loaded)
    );
}

/// What a process holds in memory, as the kernel counts it.
fn memory(server: &Server) -> String {
    let path = format!("/proc/{}/status", server.process());
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("unknown").trim().to_owned()
}
