//! Section 5: `POST /customers` and the customer object.

use serde_json::{Value, json};

use crate::support::{Mode, Server, full_customer, minimal_customer};

/// The customer with what differs from run to run replaced, after a look at its form.
#[track_caller]
fn redacted(customer: &Value) -> Value {
    let mut customer = customer.clone();
    for (name, mark) in [("id", "cst_"), ("createdAt", "20"), ("updatedAt", "20")] {
        let text = customer[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {customer}"));
        assert!(text.starts_with(mark), "{name}: {customer}");
        customer[name] = json!(format!("[{name}]"));
    }
    if customer["signedAgreementAt"].is_string() {
        customer["signedAgreementAt"] = json!("[signedAgreementAt]");
    }
    customer
}

fn endorsement(name: &str, status: &str) -> Value {
    json!({
        "name": name,
        "status": status,
        "rejectionReasons": [],
        "requirements": { "complete": [], "pending": [], "missing": [], "issues": [] },
    })
}

/// Names and statuses of the endorsements of a customer, in their order.
#[track_caller]
fn endorsements(customer: &Value) -> Vec<(String, String)> {
    let list = customer["endorsements"]
        .as_array()
        .unwrap_or_else(|| panic!("{customer}"));
    let text = |one: &Value, name: &str| one[name].as_str().expect("a text").to_owned();
    list.iter()
        .map(|one| (text(one, "name"), text(one, "status")))
        .collect()
}

fn all(names: &[&str], status: &str) -> Vec<(String, String)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), status.to_owned()))
        .collect()
}

#[test]
fn only_type_is_required_and_the_rest_has_defaults() {
    let answer = Server::shared().sandbox().create(&minimal_customer());
    let expected = json!({
        "id": "[id]", "object": "customer", "type": "individual",
        "firstName": null, "middleName": null, "lastName": null, "email": null, "phone": null,
        "nationality": null, "externalId": null,
        "status": "active", "signedAgreement": false, "signedAgreementAt": null,
        "wallets": [],
        "endorsements": [
            endorsement("basic", "ACTIVE"),
            endorsement("cryptoCustody", "ACTIVE"),
            endorsement("usd", "ACTIVE"),
        ],
        "metadata": {},
        "createdAt": "[createdAt]", "updatedAt": "[updatedAt]",
    });
    assert_eq!(redacted(&answer.json()), expected, "{answer}");
}

#[test]
fn everything_given_comes_back_but_the_write_only_fields() {
    let answer = Server::shared().sandbox().create(&full_customer());
    let expected = json!({
        "id": "[id]", "object": "customer", "type": "individual",
        "firstName": "Ada", "middleName": "Mary", "lastName": "Lovelace",
        "email": "ada@example.com", "phone": "+14155552671",
        "nationality": "US", "externalId": "user-1842",
        "status": "active", "signedAgreement": true, "signedAgreementAt": "[signedAgreementAt]",
        "wallets": [],
        "endorsements": [
            endorsement("basic", "ACTIVE"),
            endorsement("cryptoCustody", "ACTIVE"),
            endorsement("usd", "ACTIVE"),
        ],
        "metadata": { "plan": "gold", "seats": 3, "trial": false },
        "createdAt": "[createdAt]", "updatedAt": "[updatedAt]",
    });
    assert_eq!(redacted(&answer.json()), expected, "{answer}");
}

#[test]
fn the_agreement_is_stamped_when_it_is_signed() {
    let api = Server::shared().sandbox();
    let signed = api.create(&json!({ "type": "individual", "signedAgreement": true }));
    assert_eq!(
        signed.text_at("/signedAgreementAt"),
        signed.text_at("/createdAt"),
        "{signed}"
    );
    let unsigned = api.create(&json!({ "type": "individual", "signedAgreement": false }));
    assert_eq!(
        unsigned.json()["signedAgreementAt"],
        json!(null),
        "{unsigned}"
    );
}

#[test]
fn null_for_an_optional_field_is_as_if_it_were_absent() {
    let api = Server::shared().sandbox();
    let mut body = full_customer();
    for (name, value) in body.as_object_mut().expect("an object") {
        if name != "type" {
            *value = json!(null);
        }
    }
    let nulls = redacted(&api.create(&body).json());
    assert_eq!(nulls, redacted(&api.create(&minimal_customer()).json()));
}

#[test]
fn null_for_a_part_of_the_address_is_as_if_it_were_absent() {
    let api = Server::shared().sandbox();
    api.create(&json!({ "type": "individual", "residentialAddress": {
        "line1": null, "line2": null, "city": "Paris", "state": null, "country": null, "zipCode": null } }));
}

#[test]
fn null_for_type_is_refused_as_missing() {
    let api = Server::shared().sandbox();
    api.post("/customers", &json!({ "type": null }))
        .field_error("/type", "required");
}

#[test]
fn endorsements_bring_basic_and_stand_in_their_order() {
    let api = Server::shared().sandbox();
    for (requested, expected) in [
        (json!(["basic"]), &["basic"][..]),
        (json!(["usd"]), &["basic", "usd"]),
        (json!(["cryptoCustody"]), &["basic", "cryptoCustody"]),
        (
            json!(["usd", "cryptoCustody"]),
            &["basic", "cryptoCustody", "usd"],
        ),
        (
            json!(["usd", "cryptoCustody", "basic"]),
            &["basic", "cryptoCustody", "usd"],
        ),
        (json!([]), &[]),
    ] {
        let body = json!({ "type": "individual", "endorsements": requested });
        let answer = api.create(&body);
        assert_eq!(
            endorsements(&answer.json()),
            all(expected, "ACTIVE"),
            "{answer}"
        );
    }
}

#[test]
fn in_live_mode_nothing_is_active_at_once() {
    let api = Server::shared().project(Mode::Live);
    let names = ["basic", "cryptoCustody", "usd"];
    for (body, status) in [
        (minimal_customer(), "INACTIVE"),
        (full_customer(), "PENDING"),
    ] {
        let answer = api.create(&body);
        assert_eq!(
            endorsements(&answer.json()),
            all(&names, status),
            "{answer}"
        );
        assert_eq!(answer.json()["status"], "active", "{answer}");
    }
}

#[test]
fn an_endorsement_has_name_status_reasons_and_requirements() {
    let api = Server::shared().project(Mode::Live);
    let answer = api.create(&json!({ "type": "individual", "endorsements": ["basic"] }));
    let one = answer.json()["endorsements"][0].clone();
    let mut names: Vec<&String> = one
        .as_object()
        .unwrap_or_else(|| panic!("{answer}"))
        .keys()
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["name", "rejectionReasons", "requirements", "status"],
        "{answer}"
    );
    assert_eq!(one["rejectionReasons"], json!([]), "{answer}");
    for list in ["complete", "pending", "missing", "issues"] {
        assert!(one["requirements"][list].is_array(), "{list}: {answer}");
    }
}

#[test]
fn two_customers_may_share_an_external_id_and_an_email() {
    let api = Server::shared().sandbox();
    let ids = [(); 2].map(|()| api.create(&full_customer()).id());
    assert_ne!(ids[0], ids[1]);
    assert_eq!(api.listed("?externalId=user-1842").len(), 2);
}

#[test]
fn a_new_customer_has_an_etag() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let read = api.read(&made.id());
    assert_eq!(
        made.wants_header("etag"),
        read.wants_header("etag"),
        "{made}\n{read}"
    );
}

#[test]
fn names_are_kept_without_space_around_and_in_composed_form() {
    let api = Server::shared().sandbox();
    let answer = api.create(&json!({
        "type": "individual",
        "firstName": "  Ame\u{301}lie \u{a0}",
        "lastName": " O\u{2019}Brien-Ng Jr.  ",
    }));
    assert_eq!(answer.json()["firstName"], "Am\u{e9}lie", "{answer}");
    assert_eq!(
        answer.json()["lastName"],
        "O\u{2019}Brien-Ng Jr.",
        "{answer}"
    );
}

#[test]
fn numbers_in_metadata_come_back_as_they_were_sent() {
    let api = Server::shared().sandbox();
    let metadata = r#"{"big":9007199254740993,"small":-1,"half":0.5}"#;
    let text = format!(r#"{{"type":"individual","metadata":{metadata}}}"#);
    let call = api.posting("/customers", &json!({})).text(&text);
    let answer = call.send().wants(201);
    let expected: Value = serde_json::from_str(metadata).expect("JSON");
    assert_eq!(answer.json()["metadata"], expected, "{answer}");
}
