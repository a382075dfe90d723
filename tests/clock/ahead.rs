//! A clock that is days ahead for a while.

use serde_json::{Value, json};

use crate::machine::{A_WHILE, DAY_S, Machine, SETTLING_S, again, is_right, right_now, swept};
use crate::receiver::{Act, Receiver};
use crate::support::{Api, Server, eventually, full_customer, ids, minimal_customer};

/// As far as the clock is ahead here.
const TEN_DAYS_S: i64 = 10 * DAY_S;

/// Idempotency keys are kept for as short as they may be.
const RETENTION: (&str, &str) = ("OMS_IDEMPOTENCY_RETENTION_H", "24");

fn keyed(api: &Api, key: &str) -> String {
    api.post_keyed("/customers", key, &minimal_customer())
        .wants(201)
        .id()
}

fn expired(api: &Api, id: &str) {
    let refused = api.get(&format!("/customers/{id}"));
    refused.problem(401, "tokenExpired");
}

#[test]
fn ten_days_ahead_and_back_no_key_is_forgotten_until_the_clock_has_stood_there() {
    let machine = Machine::new(&[RETENTION]);
    let server = machine.start();
    let api = server.sandbox();
    let made = keyed(&api, "once");
    machine.set(TEN_DAYS_S, 0);
    // A token is good by the wall clock, for as long as that is ahead.
    expired(&api, &made);
    let there = again(&server, &api);
    assert_eq!(keyed(&there, "once"), made);
    swept(&server);
    assert_eq!(keyed(&there, "once"), made);
    machine.set(0, 0);
    swept(&server);
    assert_eq!(keyed(&api, "once"), made);
    // What stays there is believed.
    machine.set(TEN_DAYS_S, 0);
    swept(&server);
    machine.set(TEN_DAYS_S, SETTLING_S);
    swept(&server);
    let there = again(&server, &api);
    assert_ne!(keyed(&there, "once"), made);
}

#[test]
fn a_server_that_starts_while_the_clock_is_ahead_forgets_nothing_either() {
    let machine = Machine::new(&[RETENTION]);
    let server = machine.start();
    let api = server.sandbox();
    let made = keyed(&api, "once");
    machine.set(TEN_DAYS_S, 0);
    let server = machine.restart(server);
    swept(&server);
    assert_eq!(keyed(&again(&server, &api), "once"), made);
    // Its successor knows no better, and it still is no reason.
    let server = machine.restart(server);
    swept(&server);
    machine.set(0, 0);
    let server = machine.restart(server);
    swept(&server);
    assert_eq!(keyed(&again(&server, &api), "once"), made);
    // Of a clock that has stood there since the start, everything is believed in the end.
    machine.set(TEN_DAYS_S, 0);
    let server = machine.restart(server);
    swept(&server);
    machine.set(TEN_DAYS_S, SETTLING_S);
    swept(&server);
    assert_ne!(keyed(&again(&server, &api), "once"), made);
}

/// Ids of a page in its order.
fn listed(api: &Api, query: &str) -> Vec<String> {
    ids(&api.get(&format!("/customers{query}")).wants(200))
}

/// Resources of the events of a page in its order, each once.
fn resources(api: &Api, query: &str) -> Vec<String> {
    let page = api.get(&format!("/events{query}")).wants(200).json();
    let events = page["data"].as_array().expect("a list").clone();
    let id = |event: &Value| event["resourceId"].as_str().expect("an id").to_owned();
    let mut all: Vec<_> = events.iter().map(id).collect();
    all.dedup();
    all
}

/// What is made after a clock was ahead has ids behind those of then, and the right time.
#[test]
fn what_is_made_after_a_clock_was_ahead_says_when_it_was_made() {
    let machine = Machine::new(&[]);
    let server = machine.start();
    let (api, receiver) = (server.sandbox(), Receiver::always(Act::Answer(200)));
    let before = api.create(&minimal_customer()).id();
    machine.set(TEN_DAYS_S, 0);
    let then = again(&server, &api).create(&minimal_customer());
    assert!(!is_right(&then.json()["createdAt"]), "{then}");
    machine.set(0, 0);
    check_right_times(&server, &api, &receiver, [&before, &then.id()]);
    let server = machine.restart(server);
    let api = again(&server, &api);
    let later = api.create(&minimal_customer());
    assert!(is_right(&later.json()["createdAt"]), "{later}");
    assert!(later.id() > then.id());
    check_doctor(&machine, &server);
}

fn check_right_times(server: &Server, api: &Api, receiver: &Receiver, [before, then]: [&str; 2]) {
    let webhook = api.post("/webhooks", &json!({"url": receiver.url()}));
    let webhook = webhook.wants(201);
    assert!(is_right(&webhook.json()["createdAt"]), "{webhook}");
    let made = api.create(&full_customer());
    let (id, shown) = (made.id(), made.json());
    assert!(*id > *then, "ids rise");
    for name in ["createdAt", "updatedAt", "signedAgreementAt"] {
        assert!(is_right(&shown[name]), "{name} of {shown}");
    }
    assert_eq!(api.read(&id).json(), shown);
    // It is told at once, with the right time.
    let told = receiver.wait_for(1)[0].json();
    assert_eq!(told["data"]["id"], *id);
    for name in ["createdAt", "occurredAt"] {
        assert!(is_right(&told[name]), "{name} of {told}");
    }
    let path = format!("/webhooks/{}/deliveries?status=delivered", webhook.id());
    let delivery = eventually(A_WHILE, "it is recorded", || {
        let page = api.get(&path).wants(200).json();
        page["data"].as_array()?.first().cloned()
    });
    assert!(is_right(&delivery["createdAt"]), "{delivery}");
    let history = api.get(&format!("/customers/{id}/endorsements/basic/history"));
    let history = history.wants(200).json();
    assert!(is_right(&history["data"][0]["at"]), "{history}");
    // A change of what was made then has the right time, too.
    let changed = api.change(then, &json!({"middleName": "King"})).wants(200);
    assert!(is_right(&changed.json()["updatedAt"]), "{changed}");
    check_lists(api, [&id, then, before]);
    check_log(server, &id);
}

/// Lists are in the order of ids; filters go by when something was made.
fn check_lists(api: &Api, [made, then, before]: [&str; 3]) {
    assert_eq!(listed(api, ""), [made, then, before]);
    let hour_later = right_now().plus_seconds(3600);
    let until_now = format!("?createdBefore={hour_later}");
    assert_eq!(listed(api, &until_now), [made, before]);
    assert_eq!(listed(api, &format!("{until_now}&limit=1")), [made]);
    assert_eq!(listed(api, &format!("?createdAfter={hour_later}")), [then]);
    let hour_ago = right_now().plus_seconds(-3600);
    let of_the_hour = format!("?createdAfter={hour_ago}&createdBefore={hour_later}&status=active");
    assert_eq!(listed(api, &of_the_hour), [made, before]);
    assert!(listed(api, &format!("?createdBefore={hour_ago}")).is_empty());
    let told = resources(
        api,
        &format!("?createdBefore={hour_later}&type=customer.created"),
    );
    assert_eq!(told, [made, before]);
    let told = resources(
        api,
        &format!("?createdAfter={hour_later}&type=customer.created"),
    );
    assert_eq!(told, [then]);
}

/// The audit log says when it was, is read out by that, and is whole.
fn check_log(server: &Server, made: &str) {
    let hour_later = right_now().plus_seconds(3600).to_string();
    let exported = server.run(&["audit", "export", "--to", &hour_later]);
    assert!(exported.status.success(), "{exported:?}");
    let rows = exported.stdout.lines().map(serde_json::from_str::<Value>);
    let rows: Vec<_> = rows.collect::<Result<_, _>>().expect("JSON");
    assert!(rows.iter().any(|row| row["resource"] == made), "{rows:#?}");
    assert!(rows.iter().all(|row| is_right(&row["at"])), "{rows:#?}");
    let whole = server.run(&["audit", "verify"]);
    assert!(whole.status.success(), "{whole:?}");
}

/// Ids that are ahead are no problem once the clock is right, and doctor says so; a clock that
/// is behind what a server believed is one.
fn check_doctor(machine: &Machine, server: &Server) {
    let finding = |output: crate::support::Output| {
        let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let of_clock = findings.into_iter().find(|one| one["check"] == "clock");
        of_clock.map(|one| (one["problem"] == true, one.to_string()))
    };
    swept(server);
    let (is_problem, said) = finding(machine.run(server, &["doctor", "--json"])).expect("a note");
    assert!(!is_problem, "{said}");
    assert!(
        said.contains("9 days") && said.contains("nothing to do"),
        "{said}"
    );
    machine.set(-3 * DAY_S, 0);
    let found = finding(machine.run(server, &["doctor", "--json"]));
    let (is_problem, said) = found.expect("a problem");
    assert!(is_problem && said.contains("days"), "{said}");
    machine.set(TEN_DAYS_S + 3600, 0);
    assert_eq!(finding(machine.run(server, &["doctor", "--json"])), None);
    machine.set(0, 0);
}

#[test]
fn nobody_is_erased_early_because_the_clock_is_ahead() {
    let machine = Machine::new(&[("OMS_RETENTION_DAYS", "5")]);
    let server = machine.start();
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let held = api.create(&full_customer()).id();
    let until = right_now().plus_seconds(7 * DAY_S).date().to_string();
    let hold = [
        "customers",
        "hold",
        &held,
        "--until",
        &until,
        "--reason",
        "court",
    ];
    assert!(machine.run(&server, &hold).status.success());
    machine.set(TEN_DAYS_S, 0);
    let refused = |server: &Server, id: &str| {
        let path = format!("/customers/{id}/erase");
        let erase = again(server, &api).post(&path, &json!({"reason": "asked"}));
        let problem = erase.problem(409, "customerOnHold");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains("believed"), "{detail}");
        let command = ["customers", "erase", id, "--reason", "asked"];
        let output = machine.run(server, &command);
        assert!(!output.status.success(), "{output:?}");
    };
    refused(&server, &id);
    refused(&server, &held);
    // Nor by one that starts meanwhile.
    let server = machine.restart(server);
    refused(&server, &id);
    refused(&server, &held);
    machine.set(TEN_DAYS_S, SETTLING_S);
    for id in [id, held] {
        let path = format!("/customers/{id}/erase");
        let erase = again(&server, &api).post(&path, &json!({"reason": "asked"}));
        erase.wants(200);
    }
}
