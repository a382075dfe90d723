//! Section 5: `PATCH /customers/{customerId}`, after RFC 7396.

use serde_json::{Map, Value, json};

use crate::support::{Api, InProcess, Mode, Server, full_customer, minimal_customer, send_at_once};

/// A new customer with every field given, changed once; what it was and what it is.
#[track_caller]
fn changed(api: &Api, patch: &Value) -> (Value, Value) {
    let made = api.create(&full_customer());
    let answer = api.change(&made.id(), patch).wants(200);
    assert_eq!(api.read(&made.id()).json(), answer.json(), "{answer}");
    (made.json(), answer.json())
}

#[test]
fn what_is_absent_is_kept_and_what_is_given_is_set() {
    let (mut before, after) = changed(
        &Server::shared().sandbox(),
        &json!({ "lastName": "King", "email": "king@example.com" }),
    );
    before["lastName"] = json!("King");
    before["email"] = json!("king@example.com");
    before["updatedAt"] = after["updatedAt"].clone();
    assert_eq!(after, before);
}

#[test]
fn every_field_but_type_can_be_given_later() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let mut patch = full_customer();
    patch.as_object_mut().expect("an object").remove("type");
    let answer = api.change(&made.id(), &patch).wants(200);
    for name in [
        "firstName",
        "middleName",
        "lastName",
        "email",
        "phone",
        "nationality",
        "externalId",
        "signedAgreement",
        "metadata",
    ] {
        assert_eq!(answer.json()[name], patch[name], "{name}: {answer}");
    }
}

#[test]
fn type_cannot_be_changed() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    api.change(&id, &json!({ "type": "individual" }))
        .field_error("/type", "immutable");
}

#[test]
fn null_clears_an_optional_field() {
    for name in [
        "firstName",
        "middleName",
        "lastName",
        "email",
        "phone",
        "nationality",
        "externalId",
    ] {
        let (mut before, after) = changed(&Server::shared().sandbox(), &json!({ name: null }));
        before[name] = json!(null);
        before["updatedAt"] = after["updatedAt"].clone();
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn null_clears_a_write_only_field() {
    let api = Server::shared().sandbox();
    for name in [
        "birthDate",
        "ipAddress",
        "residentialAddress",
        "identifyingInformation",
    ] {
        let id = api.create(&full_customer()).id();
        let clear = json!({ name: null });
        api.change(&id, &clear).wants(200);
        let live = Server::shared().project(Mode::Live);
        let id = live.create(&full_customer()).id();
        let cleared = live.change(&id, &clear).wants(200).json();
        let missing = cleared["endorsements"].to_string();
        let asked = name == "ipAddress" || missing.contains(&format!("\"{name}"));
        assert!(asked, "{name}: {cleared}");
    }
}

#[test]
fn metadata_merges_by_key() {
    let patch = json!({ "metadata": { "plan": "silver", "seats": null, "note": "new" } });
    let (_, after) = changed(&Server::shared().sandbox(), &patch);
    let expected = json!({ "plan": "silver", "trial": false, "note": "new" });
    assert_eq!(after["metadata"], expected);
}

#[test]
fn null_clears_the_whole_metadata() {
    let (_, after) = changed(&Server::shared().sandbox(), &json!({ "metadata": null }));
    assert_eq!(after["metadata"], json!({}));
}

#[test]
fn the_limits_of_metadata_hold_for_the_merged_whole() {
    let api = Server::shared().sandbox();
    let many = |from: usize, to: usize| -> Value {
        (from..to)
            .map(|n| (format!("k{n}"), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let id = api
        .create(&json!({ "type": "individual", "metadata": many(0, 40) }))
        .id();
    api.change(&id, &json!({ "metadata": many(40, 50) }))
        .wants(200);
    let answer = api.change(&id, &json!({ "metadata": many(50, 51) }));
    answer.field_error("/metadata", "metadataInvalid");
    assert_eq!(
        api.read(&id).json()["metadata"]
            .as_object()
            .map(serde_json::Map::len),
        Some(50)
    );
}

#[test]
fn the_address_merges_by_part() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    // The country stays US, so another part is still held against it.
    let answer = api.change(&id, &json!({ "residentialAddress": { "zipCode": "X" } }));
    answer.field_error("/residentialAddress/zipCode", "zipCodeInvalid");
    let answer = api.change(
        &id,
        &json!({ "residentialAddress": { "state": "Ontario" } }),
    );
    answer.field_error("/residentialAddress/state", "stateInvalid");
    let moved = json!({ "residentialAddress": { "country": "CA", "state": "Ontario", "zipCode": "K1A 0B1" } });
    api.change(&id, &moved).wants(200);
    api.change(
        &id,
        &json!({ "residentialAddress": { "zipCode": "K1A 0B2" } }),
    )
    .wants(200);
}

#[test]
fn a_part_of_the_address_is_cleared_by_null() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    api.change(&id, &json!({ "residentialAddress": { "country": null } }))
        .wants(200);
    // Without a country nothing says that the state must be one of the US.
    api.change(
        &id,
        &json!({ "residentialAddress": { "state": "Ontario" } }),
    )
    .wants(200);
}

#[test]
fn a_country_that_does_not_fit_the_kept_parts_is_refused() {
    let api = Server::shared().sandbox();
    let address = json!({ "country": "CA", "state": "Ontario", "zipCode": "K1A 0B1" });
    let id = api
        .create(&json!({ "type": "individual", "residentialAddress": address }))
        .id();
    let answer = api.change(&id, &json!({ "residentialAddress": { "country": "US" } }));
    answer.field_error("/residentialAddress/state", "stateInvalid");
    answer.field_error("/residentialAddress/zipCode", "zipCodeInvalid");
}

#[test]
fn identifying_information_is_replaced_whole() {
    let api = Server::shared().sandbox();
    let passports = |countries: &[&str]| -> Value {
        let one = |country: &&str| json!({ "type": "passport", "issuingCountry": country, "number": "X1234567" });
        json!({ "identifyingInformation": countries.iter().map(one).collect::<Vec<_>>() })
    };
    let ten = ["AT", "BE", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE"];
    let id = api.create(&minimal_customer()).id();
    api.change(&id, &passports(&ten)).wants(200);
    // Were they added, there would be eleven, or the same one twice.
    for _ in 0..2 {
        api.change(&id, &passports(&["IT"])).wants(200);
    }
    api.change(&id, &passports(&ten)).wants(200);
}

#[test]
fn endorsements_add_to_what_was_requested() {
    let api = Server::shared().sandbox();
    let id = api
        .create(&json!({ "type": "individual", "endorsements": [] }))
        .id();
    let names = |patch: Value| -> Vec<String> {
        let answer = api
            .change(&id, &json!({ "endorsements": patch }))
            .wants(200);
        let body = answer.json();
        let list = body["endorsements"].as_array().expect("a list");
        assert!(list.iter().all(|one| one["status"] == "ACTIVE"), "{answer}");
        list.iter()
            .map(|one| one["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(json!([])), [""; 0]);
    assert_eq!(names(json!(["usd"])), ["basic", "usd"]);
    assert_eq!(
        names(json!(["cryptoCustody"])),
        ["basic", "cryptoCustody", "usd"]
    );
    assert_eq!(names(json!(["basic"])), ["basic", "cryptoCustody", "usd"]);
}

#[test]
fn endorsements_added_in_live_mode_are_inactive() {
    let api = Server::shared().project(Mode::Live);
    let id = api
        .create(&json!({ "type": "individual", "endorsements": [] }))
        .id();
    let answer = api
        .change(&id, &json!({ "endorsements": ["basic"] }))
        .wants(200);
    assert_eq!(
        answer.json()["endorsements"][0]["status"],
        "INACTIVE",
        "{answer}"
    );
}

#[test]
fn the_agreement_is_stamped_once_when_it_is_signed_later() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let id = api.create(&minimal_customer()).id();
    server.advance(10);
    let signed = server.now();
    let answer = api
        .change(&id, &json!({ "signedAgreement": true }))
        .wants(200);
    assert_eq!(answer.text_at("/signedAgreementAt"), signed, "{answer}");
    server.advance(10);
    let answer = api
        .change(&id, &json!({ "signedAgreement": true, "firstName": "Ada" }))
        .wants(200);
    assert_eq!(answer.text_at("/signedAgreementAt"), signed, "{answer}");
}

#[test]
fn a_signed_agreement_cannot_be_withdrawn() {
    let api = Server::shared().sandbox();
    let made = api.create(&full_customer());
    let withdraw = json!({ "signedAgreement": false, "firstName": "Eve" });
    api.change(&made.id(), &withdraw)
        .problem(422, "agreementCannotBeWithdrawn");
    assert_eq!(api.read(&made.id()).json(), made.json());
}

#[test]
fn a_signed_agreement_is_not_cleared_by_null_either() {
    let api = Server::shared().sandbox();
    let made = api.create(&full_customer());
    api.change(&made.id(), &json!({ "signedAgreement": null }))
        .problem(422, "agreementCannotBeWithdrawn");
    assert_eq!(api.read(&made.id()).json(), made.json());
}

#[test]
fn an_agreement_not_signed_may_stay_so() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    api.change(&id, &json!({ "signedAgreement": false }))
        .wants(200);
}

#[test]
fn a_change_moves_updated_at_and_nothing_else_of_time() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let made = api.create(&full_customer());
    server.advance(60);
    let after = api
        .change(&made.id(), &json!({ "firstName": "Augusta" }))
        .wants(200);
    assert_eq!(after.text_at("/updatedAt"), server.now(), "{after}");
    for field in ["/createdAt", "/signedAgreementAt"] {
        assert_eq!(after.text_at(field), made.text_at(field), "{after}");
    }
}

#[test]
fn with_nothing_to_change_nothing_changes_updated_at_and_etag_included() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let made = api.create(&full_customer());
    server.advance(60);
    let mut same = full_customer();
    // Who names a write-only field changes something, whatever it was.
    for name in [
        "type",
        "birthDate",
        "ipAddress",
        "residentialAddress",
        "identifyingInformation",
    ] {
        same.as_object_mut().expect("an object").remove(name);
    }
    let patches = [
        json!({}),
        same,
        json!({ "metadata": {} }),
        json!({ "metadata": { "unheard": null } }),
        json!({ "lastName": " Lovelace " }),
    ];
    for patch in patches {
        let answer = api.change(&made.id(), &patch).wants(200);
        assert_eq!(answer.json(), made.json(), "{patch}");
        assert_eq!(answer.header("etag"), made.header("etag"), "{patch}");
    }
}

#[test]
fn if_match_with_the_current_etag_changes() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let tag = made.wants_header("etag");
    let call = api.call("PATCH", &format!("/customers/{}", made.id()));
    let answer = call
        .header("if-match", tag)
        .json(&json!({ "firstName": "Ada" }))
        .send()
        .wants(200);
    let now = answer.wants_header("etag");
    assert_ne!(now, tag, "{answer}");
    assert_eq!(api.read(&made.id()).wants_header("etag"), now);
}

#[test]
fn if_match_with_another_etag_is_412_and_changes_nothing() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let path = format!("/customers/{}", made.id());
    let old = made.wants_header("etag");
    let changed = api
        .change(&made.id(), &json!({ "firstName": "Ada" }))
        .wants(200);
    for tag in [
        old,
        "\"other\"",
        &format!("W/{}", changed.wants_header("etag")),
    ] {
        let call = api.call("PATCH", &path).header("if-match", tag);
        call.json(&json!({ "firstName": "Eve" }))
            .send()
            .problem(412, "preconditionFailed");
    }
    assert_eq!(api.read(&made.id()).json(), changed.json());
}

#[test]
fn an_inactive_customer_takes_no_changes() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    let inactive = api.delete(&format!("/customers/{id}")).wants(200);
    api.change(&id, &json!({ "firstName": "Eve" }))
        .problem(409, "customerInactive");
    assert_eq!(api.read(&id).json(), inactive.json());
}

#[test]
fn an_unknown_customer_is_404() {
    let api = Server::shared().sandbox();
    let answer = api.change(
        "cst_01h2xcejqtf2nbrexx3vqjhp41",
        &json!({ "firstName": "Ada" }),
    );
    answer.problem(404, "notFound");
}

#[test]
fn fields_are_held_to_the_rules_of_creation() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let answer = api.change(&made.id(), &json!({
        "birthdate": "1990-05-15", "nationality": "American", "phone": "12345", "firstName": "Ada",
    }));
    assert!(
        answer
            .field_error("/birthdate", "unknownField")
            .contains("birthDate"),
        "{answer}"
    );
    answer.field_error("/nationality", "countryInvalid");
    answer.field_error("/phone", "phoneInvalid");
    assert_eq!(api.read(&made.id()).json(), made.json());
}

#[test]
fn of_many_that_change_different_fields_at_once_each_succeeds() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let path = format!("/customers/{id}");
    let names: Vec<_> = (0..32).map(|number| format!("from-{number}")).collect();
    let call = |name: &String| {
        api.call("PATCH", &path)
            .json(&json!({ "metadata": { name: 1 } }))
    };
    for answer in send_at_once(names.iter().map(call).collect()) {
        answer.wants(200);
    }
    let kept = api.read(&id).json();
    assert_eq!(
        kept["metadata"].as_object().map(Map::len),
        Some(32),
        "{kept}"
    );
}

#[test]
fn a_number_of_metadata_in_another_spelling_changes_nothing() {
    let api = Server::shared().sandbox();
    let mut body = minimal_customer();
    body["metadata"] = json!({ "seats": 1, "share": 0.5 });
    let made = api.create(&body);
    let path = format!("/customers/{}", made.id());
    let patch = r#"{"metadata":{"seats":1.0,"share":5e-1}}"#;
    let call = api.call("PATCH", &path).body("application/json", patch);
    let answer = call.send().wants(200);
    assert_eq!(answer.json(), made.json());
}
