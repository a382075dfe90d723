//! Section 5: the table of request fields. What checks a field, and `type`, `endorsements`, `signedAgreement`.

use serde_json::{Value, json};

use crate::support::{Answer, Api, Server};

/// A customer with one field given.
pub fn with(field: &str, value: &Value) -> Value {
    let mut body = json!({ "type": "individual" });
    body[field] = value.clone();
    body
}

/// Each value is taken on POST and on PATCH; the customers that were made.
#[track_caller]
pub fn accepts(field: &str, values: impl IntoIterator<Item = Value>) -> Vec<Answer> {
    let api = Server::shared().sandbox();
    let made = values
        .into_iter()
        .map(|value| accept(&api, field, &value))
        .collect::<Vec<_>>();
    assert!(!made.is_empty());
    made
}

#[track_caller]
fn accept(api: &Api, field: &str, value: &Value) -> Answer {
    let made = api.create(&with(field, value));
    let later = api.create(&json!({ "type": "individual" })).id();
    let changed = api.change(&later, &json!({ field: value })).wants(200);
    assert_eq!(changed.json()[field], made.json()[field], "{changed}");
    made
}

/// Each value is refused on POST and on PATCH with this pointer and code, and
/// with nothing else; the messages.
#[track_caller]
pub fn refuses(
    field: &str,
    pointer: &str,
    code: &str,
    values: impl IntoIterator<Item = Value>,
) -> Vec<String> {
    let api = Server::shared().sandbox();
    let id = api.create(&json!({ "type": "individual" })).id();
    let mut messages = Vec::new();
    for value in values {
        for answer in [
            api.post("/customers", &with(field, &value)),
            api.change(&id, &json!({ field: value })),
        ] {
            messages.push(answer.field_error(pointer, code));
            let errors = answer.json()["errors"].clone();
            assert_eq!(
                errors.as_array().map(Vec::len),
                Some(1),
                "{value}: {answer}"
            );
        }
    }
    assert!(!messages.is_empty());
    assert_eq!(api.listed(""), [id], "nothing was stored");
    messages
}

/// Texts as JSON values.
pub fn texts<const N: usize>(values: [&str; N]) -> [Value; N] {
    values.map(|text| json!(text))
}

#[test]
fn type_is_required_and_one_of_those_known() {
    let api = Server::shared().sandbox();
    api.post("/customers", &json!({}))
        .field_error("/type", "required");
    for value in ["business", "Individual", ""] {
        let answer = api.post("/customers", &json!({ "type": value }));
        let message = answer.field_error("/type", "valueInvalid");
        assert!(message.contains("individual"), "{answer}");
    }
    for value in [json!(1), json!(true), json!(["individual"]), json!({})] {
        api.post("/customers", &json!({ "type": value }))
            .field_error("/type", "typeInvalid");
    }
}

#[test]
fn a_text_field_takes_text_only() {
    for field in [
        "firstName",
        "middleName",
        "lastName",
        "email",
        "phone",
        "birthDate",
        "nationality",
        "ipAddress",
        "externalId",
    ] {
        let values = [
            json!(1),
            json!(true),
            json!(["x"]),
            json!({ "x": 1 }),
            json!(19_900_515),
        ];
        refuses(field, &format!("/{field}"), "typeInvalid", values);
    }
}

#[test]
fn the_agreement_is_a_boolean() {
    let values = [json!("true"), json!(1), json!(0), json!("yes"), json!([])];
    refuses("signedAgreement", "/signedAgreement", "typeInvalid", values);
    let made = accepts("signedAgreement", [json!(true), json!(false)]);
    assert_eq!(made[0].json()["signedAgreement"], true);
    assert_eq!(made[1].json()["signedAgreement"], false);
}

#[test]
fn endorsements_are_a_list_of_those_known() {
    refuses(
        "endorsements",
        "/endorsements",
        "typeInvalid",
        [json!("usd"), json!({ "usd": true }), json!(1)],
    );
    refuses(
        "endorsements",
        "/endorsements/0",
        "typeInvalid",
        [json!([1]), json!([null]), json!([{ "name": "usd" }])],
    );
    let unknown = [
        json!(["basic", "eur"]),
        json!(["usd", "USD"]),
        json!(["usd", ""]),
    ];
    let messages = refuses("endorsements", "/endorsements/1", "valueInvalid", unknown);
    for message in messages {
        for name in ["basic", "cryptoCustody", "usd"] {
            assert!(message.contains(name), "{message}");
        }
    }
}
