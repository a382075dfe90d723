//! Many clients, one idempotency key.

use serde_json::{Value, json};

use crate::support::{Answer, Api, Server, fresh_name, full_customer, send_at_once};

const CLIENTS: usize = 24;
const ROUNDS: usize = 5;

/// Every client sends its body with the same key at the same moment.
fn race(api: &Api, key: &str, body: impl Fn(usize) -> Value) -> Vec<Answer> {
    let call = |client| {
        api.call("POST", "/customers")
            .header("idempotency-key", key)
            .json(&body(client))
    };
    send_at_once((0..CLIENTS).map(call).collect())
}

fn check_in_progress(answer: &Answer) {
    answer.problem(409, "idempotencyInProgress");
    let wait: u64 = answer
        .wants_header("retry-after")
        .parse()
        .expect("whole seconds");
    assert!((1..=60).contains(&wait), "{answer}");
}

#[test]
fn twenty_four_clients_with_one_key_make_exactly_one_customer() {
    for _ in 0..ROUNDS {
        let api = Server::shared().sandbox();
        let key = fresh_name("race");
        let answers = race(&api, &key, |_| full_customer());
        let made: Vec<&Answer> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .collect();
        let first: Vec<&&Answer> = made
            .iter()
            .filter(|answer| answer.header("idempotent-replayed").is_none())
            .collect();
        assert_eq!(first.len(), 1, "one is the first: {made:#?}");
        for answer in &answers {
            match answer.status {
                201 => assert_eq!(answer.body, first[0].body, "{answer}\n\nfirst {}", first[0]),
                _ => check_in_progress(answer),
            }
        }
        let after = api
            .post_keyed("/customers", &key, &full_customer())
            .wants(201);
        assert_eq!(after.header("idempotent-replayed"), Some("true"), "{after}");
        assert_eq!(after.body, first[0].body, "{after}");
        assert_eq!(api.all_customers().len(), 1);
    }
}

#[test]
fn of_two_bodies_racing_on_one_key_one_wins_and_the_other_never_succeeds() {
    for _ in 0..ROUNDS {
        let api = Server::shared().sandbox();
        let key = fresh_name("race");
        let body = |client: usize| json!({ "type": "individual", "externalId": format!("side-{}", client % 2) });
        let answers = race(&api, &key, body);
        let customers = api.all_customers();
        assert_eq!(customers.len(), 1, "{customers:#?}");
        let winner = customers[0]["externalId"]
            .as_str()
            .expect("one of the two")
            .to_owned();
        for (client, answer) in answers.iter().enumerate() {
            let won = format!("side-{}", client % 2) == winner;
            match answer.status {
                201 => {
                    assert!(won, "the wrong body succeeded: {answer}");
                    assert_eq!(answer.id(), customers[0]["id"], "{answer}");
                }
                409 => check_in_progress(answer),
                _ => {
                    assert!(!won, "the winner was refused: {answer}");
                    let problem = answer.problem(422, "idempotencyKeyReused");
                    // While the winner still runs there is nothing yet to name.
                    let named = &problem["resourceId"];
                    assert!(named.is_null() || *named == customers[0]["id"], "{answer}");
                }
            }
        }
        assert!(
            answers.iter().any(|answer| answer.status == 201),
            "{answers:#?}"
        );
        for client in [0, 1] {
            let after = api.post_keyed("/customers", &key, &body(client));
            if format!("side-{client}") == winner {
                assert_eq!(after.header("idempotent-replayed"), Some("true"), "{after}");
                assert_eq!(after.id(), customers[0]["id"], "{after}");
            } else {
                let problem = after.problem(422, "idempotencyKeyReused");
                assert_eq!(problem["resourceId"], customers[0]["id"], "{after}");
            }
        }
    }
}
