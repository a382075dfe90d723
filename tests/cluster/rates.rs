//! Limits that several servers keep together.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{Api, Client, Mode, Stopwatch, eventually};

const PER_S: u32 = 5;
const BURST: u32 = 10;
const SERVERS: u32 = 3;

/// Asks until so much time is over, and gives how many were allowed.
fn ask(api: &Api, limit: Duration) -> u32 {
    let (watch, mut allowed) = (Stopwatch::start(), 0);
    while watch.elapsed() < limit {
        let answer = api.get("/customers?limit=1");
        if answer.status == 200 {
            allowed += 1;
        } else {
            answer.problem(429, "tooManyRequests");
        }
        thread::sleep(Duration::from_millis(15));
    }
    allowed
}

#[test]
fn what_three_servers_let_through_is_one_limit() {
    let Some(cluster) = cluster() else { return };
    let settings = [
        ("OMS_RATE_LIMIT_PER_KEY_PER_S", "5"),
        ("OMS_RATE_LIMIT_PER_KEY_BURST", "10"),
    ];
    let fleet = Fleet::start(&cluster.new_database(), 3, &settings);
    let api = fleet.sandbox();
    let watch = Stopwatch::start();
    let allowed: u32 = thread::scope(|scope| {
        let asking: Vec<_> = fleet
            .living()
            .map(|server| {
                let there = api.at(&server.base);
                scope.spawn(move || ask(&there, Duration::from_secs(12)))
            })
            .collect();
        asking
            .into_iter()
            .map(|one| one.join().expect("every answer is allowed or refused"))
            .sum()
    });
    let seconds = u32::try_from(watch.elapsed().as_secs()).expect("not that long") + 1;
    println!("{allowed} in {seconds} s");
    // At once each server knows only its own bucket; what that was too much is owed later.
    // Five seconds of each are what may not be told yet on a busy machine.
    let most = PER_S * seconds + SERVERS * BURST + SERVERS * PER_S * 5;
    assert!(allowed <= most, "{allowed} in {seconds} s, at most {most}");
    // Without a word from each other it would have been three times the limit.
    assert!(most < SERVERS * (PER_S * 12 + BURST), "nothing was tested");
    // Who was refused is served again.
    eventually(Duration::from_mins(1), "the bucket fills again", || {
        (api.get("/customers?limit=1").status == 200).then_some(())
    });
}

#[test]
fn sign_ins_that_fail_at_one_server_count_at_the_others() {
    let Some(cluster) = cluster() else { return };
    let settings = [("OMS_AUTH_FAILURES_PER_MINUTE", "3")];
    let fleet = Fleet::start(&cluster.new_database(), 3, &settings);
    let key = fleet.key(Mode::Sandbox);
    let sign_in = |base: &str, secret: &str| {
        Client::new()
            .call("POST", &format!("{base}/v0.9/auth/token"))
            .json(&json!({"apiKey": key.api_key, "apiSecret": secret}))
            .send()
    };
    let [first, others @ ..] = &fleet.living().collect::<Vec<_>>()[..] else {
        panic!("there are three");
    };
    for _ in 0..3 {
        sign_in(&first.base, "guess").problem(401, "credentialsInvalid");
    }
    for other in others {
        eventually(Duration::from_secs(50), "the others have heard", || {
            let answer = sign_in(&other.base, &key.api_secret);
            (answer.status != 200).then(|| answer.problem(429, "tooManyRequests"))
        });
    }
}
