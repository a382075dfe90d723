//! The database's disk is full: writes are refused and nothing else, /readyz says so, and with
//! room all goes on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::start;
use crate::support::{eventually, fresh_name};

const A_WHILE: Duration = Duration::from_mins(1);

/// Of which each takes a few pages.
fn large_customer(external: &str) -> Value {
    let metadata: serde_json::Map<_, _> = (0..20)
        .map(|number| (format!("key{number}"), json!(fresh_name("x").repeat(30))))
        .collect();
    json!({ "type": "individual", "externalId": external, "metadata": metadata })
}

#[test]
fn a_database_without_room_is_told_of_and_with_room_nothing_is_lost() {
    let Some(cluster) = start(&[], &[]) else {
        return;
    };
    let Some((url, disk)) = cluster.database_on_small_disk(48) else {
        return;
    };
    let fleet = Fleet::start(&url, 1, &[]);
    let server = fleet.living().next().expect("it lives");
    let api = fleet.sandbox();
    let create = |key: &str| api.post_keyed("/customers", key, &large_customer(key));
    let mut made = vec![create(&fresh_name("before")).wants(201).id()];
    let is_ready = || server.operator_call("GET", "/readyz").send();
    eventually(A_WHILE, "it is ready", || {
        (is_ready().status == 200).then_some(())
    });
    disk.take_the_rest();
    let mut refused = Vec::new();
    eventually(A_WHILE, "creates are refused, and it is not ready", || {
        let key = fresh_name("full");
        let answer = create(&key);
        if answer.status == 201 {
            made.push(answer.id());
            return None;
        }
        refused.push(key);
        let told = [answer.problem(503, "serviceUnavailable"), {
            let ready = is_ready();
            if ready.status == 200 {
                return None;
            }
            ready.problem(503, "serviceUnavailable")
        }];
        let is_full = |told: &Value| {
            told["detail"]
                .as_str()
                .is_some_and(|it| it.contains("full"))
        };
        told.iter().all(is_full).then_some(())
    });
    assert_eq!(api.all_customers().len(), made.len(), "reads go on");
    disk.make_room();
    eventually(A_WHILE, "it is ready again", || {
        (is_ready().status == 200).then_some(())
    });
    for key in &refused {
        made.push(create(key).wants(201).id());
    }
    let mut there: Vec<String> = api
        .all_customers()
        .iter()
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect();
    there.sort_unstable();
    made.sort_unstable();
    assert_eq!(there, made);
    for command in [&["audit", "verify"][..], &["doctor"]] {
        let whole = fleet.run(command);
        assert!(whole.status.success(), "{command:?}: {whole:?}");
    }
}
