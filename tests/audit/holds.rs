//! What must be kept is not erased.

use serde_json::json;

use crate::support::{InProcess, Server, full_customer};
use crate::{check_whole, exported, on};

#[test]
fn a_held_customer_is_not_erased_until_the_hold_is_lifted() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let hold = [
        "customers",
        "hold",
        &id,
        "--until",
        "2999-01-31",
        "--reason",
        "court",
    ];
    let held = on(&server, &hold);
    assert!(held.status.success(), "{held:?}");
    let path = format!("/customers/{id}/erase");
    let problem = api
        .post(&path, &json!({ "reason": "asked" }))
        .problem(409, "customerOnHold");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("2999-01-31"), "{detail}");
    let erase = ["customers", "erase", &id, "--reason", "asked"];
    assert!(!on(&server, &erase).status.success());
    assert_eq!(api.read(&id).json()["firstName"], "Ada");
    let lift = ["customers", "hold", &id, "--lift", "--reason", "closed"];
    assert!(on(&server, &lift).status.success());
    assert!(
        !on(&server, &lift).status.success(),
        "there is none any more"
    );
    assert!(on(&server, &erase).status.success());
    check_whole(&server);
    let log = exported(&server, &[]);
    let reason = |kind: &str| {
        let row = log.iter().find(|row| row["what"][0] == kind);
        row.map(|row| row["events"][0]["reason"].clone())
    };
    assert_eq!(reason("customer.held"), Some(json!("court")));
    assert_eq!(reason("customer.released"), Some(json!("closed")));
    assert_eq!(reason("customer.erased"), Some(json!("asked")));
}

#[test]
fn no_customer_is_erased_before_the_retention_is_over() {
    let server = InProcess::start(|config| config.retention_days = 30);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let path = format!("/customers/{id}/erase");
    let body = json!({ "reason": "asked" });
    let problem = api.post(&path, &body).problem(409, "customerOnHold");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("2027-02-14"), "{detail}");
    server.advance(30 * 86_400);
    let api = server.connect(&api.key);
    api.post(&path, &body).wants(200);
}
