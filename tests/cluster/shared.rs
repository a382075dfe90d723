//! What servers share through the database: tokens, keys, idempotency.

use std::time::Duration;

use serde_json::json;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{
    Answer, Api, Stopwatch, eventually, fresh_name, full_customer, keyed, send_at_once,
};

const CLIENTS: usize = 18;
const ROUNDS: usize = 4;

#[test]
fn a_token_of_one_server_is_good_at_the_others_at_once() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    for _ in 0..5 {
        let api = fleet.sandbox();
        for server in fleet.living() {
            let there = api.at(&server.base);
            let made = there.create(&full_customer());
            for other in fleet.living() {
                let read = api.at(&other.base).read(&made.id());
                assert_eq!(read.body, made.body);
            }
        }
    }
}

#[test]
fn a_revoked_key_is_refused_by_every_server_within_a_second() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    let mut took = Vec::new();
    // A machine that is busy with something else may be late now and then.
    for _ in 0..8 {
        let api = fleet.sandbox();
        let apis: Vec<Api> = fleet.living().map(|server| api.at(&server.base)).collect();
        for api in &apis {
            api.get("/customers").wants(200);
        }
        let revoked = fleet.run(&["keys", "revoke", &api.key.api_key]);
        assert!(revoked.status.success(), "{revoked:?}");
        let watch = Stopwatch::start();
        for api in &apis {
            eventually(Duration::from_mins(1), "the token is refused", || {
                let answer = api.get("/customers");
                (answer.status != 200).then(|| answer.problem(401, "tokenInvalid"))
            });
        }
        took.push(watch.elapsed());
        for api in &apis {
            api.get("/customers").problem(401, "tokenInvalid");
        }
        if watch.elapsed() < Duration::from_secs(1) {
            return;
        }
    }
    panic!("it took {took:?}");
}

/// Every client sends its body with the same key at the same moment, each to the next server.
fn race(fleet: &Fleet, api: &Api, key: &str, side: impl Fn(usize) -> usize) -> Vec<Answer> {
    let call = |client| {
        let name = format!("{key}-{}", side(client));
        keyed(&api.at(&fleet.spread.next()), "POST", "/customers", key)
            .json(&json!({"type": "individual", "externalId": name}))
    };
    send_at_once((0..CLIENTS).map(call).collect())
}

fn check_in_progress(answer: &Answer) {
    answer.problem(409, "idempotencyInProgress");
    answer.wants_header("retry-after");
}

#[test]
fn one_key_sent_to_every_server_at_once_makes_one_customer() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    for _ in 0..ROUNDS {
        let (api, key) = (fleet.sandbox(), fresh_name("race"));
        let answers = race(&fleet, &api, &key, |_| 0);
        let made: Vec<_> = answers.iter().filter(|one| one.status == 201).collect();
        let is_first = |one: &&&Answer| one.header("idempotent-replayed").is_none();
        let first: Vec<_> = made.iter().filter(is_first).collect();
        assert_eq!(first.len(), 1, "one is the first: {made:#?}");
        for answer in &answers {
            match answer.status {
                201 => assert_eq!(answer.body, first[0].body, "{answer}"),
                _ => check_in_progress(answer),
            }
        }
        assert_eq!(api.all_customers().len(), 1);
        // Whoever was told to come again gets it, wherever.
        for server in fleet.living() {
            let body = json!({"type": "individual", "externalId": format!("{key}-0")});
            let again = api.at(&server.base).post_keyed("/customers", &key, &body);
            assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
            assert_eq!(again.body, first[0].body, "{again}");
        }
    }
}

#[test]
fn of_two_bodies_with_one_key_at_several_servers_one_wins() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    for _ in 0..ROUNDS {
        let (api, key) = (fleet.sandbox(), fresh_name("race"));
        let side = |client: usize| client / 3 % 2;
        let answers = race(&fleet, &api, &key, side);
        let customers = api.all_customers();
        assert_eq!(customers.len(), 1, "{customers:#?}");
        for (client, answer) in answers.iter().enumerate() {
            let won = customers[0]["externalId"] == format!("{key}-{}", side(client));
            match answer.status {
                201 => assert!(won, "the wrong body succeeded: {answer}"),
                409 => check_in_progress(answer),
                _ => {
                    assert!(!won, "the winner was refused: {answer}");
                    let problem = answer.problem(422, "idempotencyKeyReused");
                    assert_eq!(problem["resourceId"], customers[0]["id"], "{answer}");
                }
            }
        }
    }
}
