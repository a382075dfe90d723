//! Section 6: what only a sandbox has.

use serde_json::json;

use crate::support::{InProcess, Mode, Server, fresh_name, full_customer, minimal_customer};

#[test]
fn every_trigger_has_a_scenario() {
    let api = Server::shared().sandbox();
    let text = api.get("/sandbox/scenarios").wants(200).text();
    for word in [
        "Pending",
        "Issues",
        "Rejected",
        "Revoked",
        "Offboarded",
        "simulate",
        "clock",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn the_clock_of_one_project_moves_on() {
    let server = InProcess::start(|_| ());
    let (api, other) = (server.sandbox(), server.sandbox());
    let id = api.create(&minimal_customer()).id();
    let moved = api
        .post("/sandbox/clock", &json!({ "advance": "P1D" }))
        .wants(200)
        .json();
    assert_eq!(moved["offsetSeconds"], 86_400);
    assert_eq!(moved["now"], "2027-01-16T08:00:00.000Z");
    let signed = api
        .change(&id, &json!({ "signedAgreement": true }))
        .wants(200);
    assert_eq!(
        signed.text_at("/signedAgreementAt"),
        "2027-01-16T08:00:00.000Z"
    );
    assert_eq!(signed.text_at("/createdAt"), server.now());
    let again = api
        .post("/sandbox/clock", &json!({ "advance": "PT1H" }))
        .wants(200)
        .json();
    assert_eq!(again["offsetSeconds"], 90_000);
    let elsewhere = other.create(&minimal_customer());
    assert_eq!(elsewhere.text_at("/updatedAt"), server.now());
    for bad in ["-P1D", "1 day", "P0D", "P20Y", "tomorrow", ""] {
        let answer = api.post("/sandbox/clock", &json!({ "advance": bad }));
        answer.field_error("/advance", "valueInvalid");
    }
}

#[test]
fn live_time_is_not_moved() {
    let api = Server::shared().project(Mode::Live);
    api.post("/sandbox/clock", &json!({ "advance": "P1D" }))
        .problem(404, "notFound");
}

#[test]
fn a_sandbox_can_follow_the_policy() {
    let server = Server::shared();
    let project = fresh_name("project");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    let set = server.run(&[
        "projects",
        "set",
        &project,
        "--mode",
        "sandbox",
        "--verification",
        "policy",
    ]);
    assert!(set.status.success(), "{set:?}");
    let made = api.create(&full_customer());
    assert_eq!(
        made.json()["endorsements"][0]["status"],
        "PENDING",
        "{made}"
    );
    let simulated = api.post(
        &format!("/customers/{}/endorsements/basic/simulate", made.id()),
        &json!({ "status": "ACTIVE" }),
    );
    assert_eq!(
        simulated.wants(200).json()["endorsements"][0]["status"],
        "ACTIVE"
    );
    let set = server.run(&[
        "projects",
        "set",
        &project,
        "--mode",
        "sandbox",
        "--verification",
        "auto",
    ]);
    assert!(set.status.success(), "{set:?}");
    assert_eq!(
        api.create(&full_customer()).json()["endorsements"][2]["status"],
        "ACTIVE"
    );
}
