//! Section 6: endorsements by policy, by surname and by simulation, and their history.

use serde_json::{Value, json};

use crate::support::{Api, Mode, Server, full_customer, minimal_customer};

fn one(customer: &Value, name: &str) -> Value {
    let list = customer["endorsements"].as_array().expect("a list");
    let found = list.iter().find(|one| one["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name}: {customer}"))
        .clone()
}

fn statuses(customer: &Value) -> Vec<String> {
    let list = customer["endorsements"].as_array().expect("a list");
    let status = |one: &Value| one["status"].as_str().expect("a status").to_owned();
    list.iter().map(status).collect()
}

fn simulate(api: &Api, id: &str, name: &str, status: &str) -> crate::support::Answer {
    let path = format!("/customers/{id}/endorsements/{name}/simulate");
    api.post(&path, &json!({ "status": status }))
}

#[test]
fn a_live_customer_with_little_is_told_what_is_missing() {
    let api = Server::shared().project(Mode::Live);
    let made = api.create(&minimal_customer()).json();
    assert_eq!(statuses(&made), ["INACTIVE", "INACTIVE", "INACTIVE"]);
    let basic = one(&made, "basic");
    let missing = basic["requirements"]["missing"].as_array().expect("a list");
    for asked in [
        "firstName|lastName",
        "email|phone",
        "signedAgreement",
        "residentialAddress.country",
    ] {
        assert!(missing.contains(&json!(asked)), "{basic}");
    }
    let usd = one(&made, "usd");
    assert!(
        usd["requirements"]["missing"]
            .as_array()
            .is_some_and(|list| list.contains(&json!(
                "identifyingInformation.ssn|identifyingInformation.itin"
            )))
    );
}

#[test]
fn a_live_customer_with_everything_waits_for_a_person() {
    let api = Server::shared().project(Mode::Live);
    let made = api.create(&full_customer()).json();
    assert_eq!(statuses(&made), ["PENDING", "PENDING", "PENDING"]);
    let usd = one(&made, "usd");
    assert_eq!(usd["requirements"]["missing"], json!([]));
    assert_eq!(
        usd["requirements"]["pending"],
        json!(["geoCheck", "sanctionsScreening", "identityVerification"])
    );
}

#[test]
fn a_patch_fills_what_is_missing_and_a_refused_country_is_an_issue() {
    let api = Server::shared().project(Mode::Live);
    let id = api.create(&minimal_customer()).id();
    let mut rest = full_customer();
    rest.as_object_mut().expect("an object").remove("type");
    let filled = api.change(&id, &rest).wants(200).json();
    assert_eq!(statuses(&filled), ["PENDING", "PENDING", "PENDING"]);
    let refused = api
        .change(&id, &json!({ "nationality": "KP" }))
        .wants(200)
        .json();
    assert_eq!(statuses(&refused), ["ISSUES", "ISSUES", "ISSUES"]);
    let basic = one(&refused, "basic");
    assert_eq!(basic["requirements"]["issues"], json!(["geoCheck"]));
    assert_eq!(
        basic["rejectionReasons"].as_array().map(Vec::len),
        Some(1),
        "{basic}"
    );
    let mended = api
        .change(&id, &json!({ "nationality": "US" }))
        .wants(200)
        .json();
    assert_eq!(statuses(&mended), ["PENDING", "PENDING", "PENDING"]);
}

#[test]
fn somebody_under_age_has_an_issue() {
    let api = Server::shared().project(Mode::Live);
    let mut body = full_customer();
    body["birthDate"] = json!("2020-01-01");
    let made = api.create(&body).json();
    let basic = one(&made, "basic");
    assert_eq!(basic["status"], "ISSUES");
    assert_eq!(basic["requirements"]["issues"], json!(["minimumAge"]));
}

#[test]
fn a_surname_leads_to_its_status_in_any_case() {
    let api = Server::shared().sandbox();
    for (surname, status) in [
        ("Pending", "PENDING"),
        ("ISSUES", "ISSUES"),
        ("rejected", "REJECTED"),
        ("Revoked", "REVOKED_ISSUES"),
        ("offBoarded", "OFFBOARDED"),
        ("Smith", "ACTIVE"),
    ] {
        let made = api.create(&json!({ "type": "individual", "lastName": surname }));
        assert_eq!(statuses(&made.json()), [status; 3], "{made}");
        assert_eq!(api.read(&made.id()).json(), made.json());
    }
}

#[test]
fn a_mended_surname_is_active() {
    let api = Server::shared().sandbox();
    let id = api
        .create(&json!({ "type": "individual", "lastName": "Issues" }))
        .id();
    let mended = api
        .change(&id, &json!({ "lastName": "Smith" }))
        .wants(200)
        .json();
    assert_eq!(statuses(&mended), ["ACTIVE"; 3]);
    let history = api
        .get(&format!("/customers/{id}/endorsements/usd/history"))
        .wants(200);
    let steps: Vec<_> = history.json()["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["from"].clone(), one["to"].clone()))
        .collect();
    let step = |from: Value, to: &str| (from, json!(to));
    assert_eq!(
        steps,
        [
            step(json!("PENDING"), "ACTIVE"),
            step(json!("ISSUES"), "PENDING"),
            step(Value::Null, "ISSUES")
        ]
    );
}

#[test]
fn simulation_drives_allowed_transitions_only() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    let problem = simulate(&api, &id, "usd", "PENDING").problem(409, "transitionNotAllowed");
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("REVOKED_ISSUES, OFFBOARDED"), "{detail}");
    for status in [
        "REVOKED_ISSUES",
        "PENDING",
        "ISSUES",
        "PENDING",
        "REJECTED",
        "PENDING",
        "ACTIVE",
        "OFFBOARDED",
    ] {
        let answer = simulate(&api, &id, "usd", status).wants(200);
        assert_eq!(one(&answer.json(), "usd")["status"], status);
        assert_eq!(api.read(&id).json(), answer.json());
    }
    simulate(&api, &id, "usd", "PENDING").problem(409, "transitionNotAllowed");
    simulate(&api, &id, "eur", "PENDING").problem(404, "notFound");
    simulate(&api, &id, "usd", "GOOD").field_error("/status", "valueInvalid");
}

#[test]
fn what_hangs_on_basic_goes_with_it() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    let taken = simulate(&api, &id, "basic", "REVOKED_ISSUES")
        .wants(200)
        .json();
    assert_eq!(statuses(&taken), ["REVOKED_ISSUES"; 3]);
    simulate(&api, &id, "usd", "PENDING").wants(200);
    let problem = simulate(&api, &id, "usd", "ACTIVE").problem(409, "transitionNotAllowed");
    assert!(
        !problem["detail"]
            .as_str()
            .expect("text")
            .contains("become ACTIVE")
    );
}

/// Every step of a customer's endorsements in the order in which they happened.
fn steps(api: &Api, id: &str) -> Vec<(String, String)> {
    let mut steps = Vec::new();
    for name in ["basic", "cryptoCustody", "usd"] {
        let history = api.get(&format!("/customers/{id}/endorsements/{name}/history"));
        for step in history.wants(200).json()["data"]
            .as_array()
            .expect("a list")
        {
            let sequence = step["sequence"].as_i64().expect("a number");
            let to = step["to"].as_str().expect("a status").to_owned();
            steps.push((sequence, (name.to_owned(), to)));
        }
    }
    steps.sort();
    steps.into_iter().map(|(_, step)| step).collect()
}

#[test]
fn nothing_is_granted_while_basic_is_not_even_on_its_way() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    simulate(&api, &id, "basic", "OFFBOARDED").wants(200);
    api.change(&id, &json!({ "lastName": "Lovelace" }))
        .wants(200);
    let revoked = json!({ "lastName": "Revoked" });
    let told = api.change(&id, &revoked).wants(200).json();
    // Only what was granted can be taken back.
    assert_eq!(statuses(&told), ["OFFBOARDED", "PENDING", "PENDING"]);
    let granted = steps(&api, &id).into_iter().skip(3);
    assert_eq!(granted.filter(|(_, to)| to == "ACTIVE").count(), 0);

    let pending = json!({ "type": "individual", "lastName": "Pending" });
    let id = api.create(&pending).id();
    let told = api.change(&id, &revoked).wants(200).json();
    assert_eq!(statuses(&told), ["REVOKED_ISSUES"; 3]);
    let mut basic = String::new();
    for (name, to) in steps(&api, &id) {
        if name == "basic" {
            basic = to;
        } else {
            assert!(
                to != "ACTIVE" || basic == to,
                "{name} while basic is {basic}"
            );
        }
    }
}

#[test]
fn simulation_gives_the_reasons_it_was_given() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    let reasons = json!([{ "developerReason": "blurred", "reason": "Please send it again." }]);
    let body = json!({ "status": "REVOKED_ISSUES", "rejectionReasons": reasons });
    let answer = api
        .post(&format!("/customers/{id}/endorsements/usd/simulate"), &body)
        .wants(200);
    assert_eq!(one(&answer.json(), "usd")["rejectionReasons"], reasons);
}

#[test]
fn live_endorsements_are_not_simulated() {
    let api = Server::shared().project(Mode::Live);
    let id = api.create(&full_customer()).id();
    simulate(&api, &id, "usd", "ACTIVE").problem(404, "notFound");
}

#[test]
fn a_history_is_paged() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    for status in ["REVOKED_ISSUES", "PENDING", "ACTIVE"] {
        simulate(&api, &id, "usd", status).wants(200);
    }
    let path = format!("/customers/{id}/endorsements/usd/history");
    let whole = api.get(&path).wants(200).json();
    assert_eq!(whole["data"].as_array().map(Vec::len), Some(4));
    assert_eq!(whole["data"][0]["actor"], api.key.api_key);
    let first = api.get(&format!("{path}?limit=3")).wants(200);
    assert_eq!(first.json()["hasMore"], true);
    let rest = api
        .get(&format!("{path}?cursor={}", first.text_at("/cursor")))
        .wants(200)
        .json();
    assert_eq!(rest["data"][0], whole["data"][3]);
    assert_eq!(
        (&rest["hasMore"], &rest["cursor"]),
        (&json!(false), &Value::Null)
    );
    api.get(&format!("{path}?cursor=abc"))
        .problem(400, "queryInvalid");
    api.get(&format!("{path}?limit=0"))
        .problem(400, "queryInvalid");
}
