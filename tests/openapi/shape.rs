//! What generators and linters need of the document, looked at in the document itself; the real ones
//! judge it in `tests/conformance/clients`.

use std::collections::BTreeSet;

use oms::error::Code;
use serde_json::Value;

use crate::document;

/// Every call with its path and method; what webhooks are sent has no path.
fn calls(document: &Value) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    for section in ["paths", "webhooks"] {
        for (path, item) in document[section].as_object().expect("a section") {
            assert!(item.get("servers").is_none(), "{path} has its own servers");
            for (method, call) in item.as_object().expect("calls") {
                all.push((format!("{method} {path}"), call));
            }
        }
    }
    all
}

/// Calls with each schema-like object of the document.
fn each(value: &Value, look: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(parts) => {
            look(parts);
            for (name, part) in parts {
                if name != "example" && name != "examples" {
                    each(part, look);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, look)),
        _ => {}
    }
}

#[test]
fn every_call_has_a_name_of_its_own_that_one_would_write() {
    let document = document();
    let mut names = BTreeSet::new();
    for (call, operation) in calls(&document) {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric()) && name != name.to_lowercase(),
            "{call} is named {name}"
        );
        assert!(names.insert(name.to_owned()), "{name} stands twice");
    }
    for name in [
        "createToken",
        "createCustomer",
        "listCustomers",
        "getCustomer",
    ] {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn every_call_says_who_may_make_it_and_notifications_have_a_tag_of_their_own() {
    let document = document();
    let mut of_calls = BTreeSet::new();
    let mut open = BTreeSet::new();
    for (call, operation) in calls(&document) {
        assert!(operation["security"].is_array(), "{call}");
        if operation["security"] == serde_json::json!([]) {
            open.insert(call.clone());
        }
        let tag = operation["tags"][0].as_str().expect("a tag");
        if call.contains('/') {
            of_calls.insert(tag.to_owned());
        } else {
            assert!(!of_calls.contains(tag), "{call} has the tag {tag}");
        }
    }
    assert!(open.contains("post /auth/token") && !open.contains("post /customers"));
}

#[test]
fn a_code_of_tomorrow_breaks_no_client_of_today() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    for name in ["ErrorCode", "FieldErrorCode"] {
        assert!(schemas[name].get("enum").is_none(), "{name} is closed");
        assert!(schemas[name]["x-extensible-enum"].is_array(), "{name}");
    }
    let examples = document["components"]["examples"].as_object();
    let examples = examples.expect("examples");
    for code in Code::ALL {
        let example = &examples[code.name()]["value"];
        assert_eq!(example["message"], example["detail"], "{code:?}");
    }
}

#[test]
fn constants_are_constants_and_fields_that_may_be_null_are_there() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("some");
    let mut constants = 0;
    for (name, schema) in schemas {
        let object = &schema["properties"]["object"];
        if object.is_object() {
            assert!(object["const"].is_string(), "{name}: {object}");
            constants += 1;
        }
    }
    assert!(constants >= 9, "{constants}");
    let customer = &schemas["Customer"];
    let fields = customer["properties"].as_object().expect("fields");
    let required: BTreeSet<_> = customer["required"]
        .as_array()
        .expect("some")
        .iter()
        .map(|name| name.as_str().expect("a name"))
        .collect();
    assert!(fields.keys().all(|name| required.contains(name.as_str())));
    // A secret is in two answers only, and is no field of the others.
    let required = schemas["Webhook"]["required"].as_array().expect("some");
    assert!(!required.contains(&serde_json::json!("secret")));
    for (call, operation) in calls(&document) {
        for answer in operation["responses"].as_object().expect("some").values() {
            let media = &answer["content"]["application/json"];
            let name = media["schema"]["$ref"].as_str().unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or_default();
            let constant =
                &schemas.get(name).unwrap_or(&Value::Null)["properties"]["object"]["const"];
            if constant.is_string() {
                assert_eq!(*constant, media["example"]["object"], "{call}");
            }
        }
    }
}

#[test]
fn patterns_are_read_alike_by_every_engine_and_lists_say_of_what() {
    let mut patterns = 0;
    each(&document(), &mut |schema| {
        if let Some(Value::String(pattern)) = schema.get("pattern") {
            patterns += 1;
            assert!(pattern.chars().all(|c| u32::from(c) <= 0xffff), "{pattern}");
        }
        let list = schema.get("type").is_some_and(|kind| {
            let kinds = kind
                .as_array()
                .map_or(std::slice::from_ref(kind), Vec::as_slice);
            kinds.iter().any(|kind| kind == "array")
        });
        assert!(!list || schema.contains_key("items"), "{schema:?}");
        // One of two texts is no choice that a client can make.
        for choice in ["oneOf", "anyOf"] {
            let forms = schema.get(choice).and_then(Value::as_array);
            let texts = forms
                .into_iter()
                .flatten()
                .filter(|form| form["type"] == "string");
            assert!(texts.count() <= 1, "{schema:?}");
        }
    });
    assert!(patterns > 10, "{patterns}");
}

#[test]
fn each_call_has_an_example_key_of_its_own() {
    let document = document();
    let mut keys = BTreeSet::new();
    for (call, operation) in calls(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let key = parameters
            .filter(|parameter| parameter["name"] == "Idempotency-Key")
            .filter_map(|parameter| parameter["example"].as_str());
        for key in key {
            assert_eq!(key.len(), 36, "{key}");
            assert!(
                keys.insert(key.to_owned()),
                "{call} has a key of another call"
            );
        }
    }
    assert!(keys.len() >= 12, "{}", keys.len());
}

#[test]
fn every_event_has_a_payload_that_says_what_its_data_is() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    for (name, item) in document["webhooks"].as_object().expect("some") {
        let media = &item["post"]["requestBody"]["content"]["application/json"];
        let schema = media["schema"]["$ref"].as_str().expect("a name");
        let schema = &schemas[schema.rsplit('/').next().unwrap_or_default()];
        let event = &schema["properties"]["event"];
        let known = event["const"] == name.as_str()
            || event["enum"]
                .as_array()
                .is_some_and(|all| all.contains(&name.as_str().into()));
        assert!(known, "{name}: {event}");
        assert!(schema["properties"]["data"]["$ref"].is_string(), "{name}");
        assert_eq!(media["example"]["event"], name.as_str());
    }
    let any = schemas["WebhookPayload"]["oneOf"]
        .as_array()
        .expect("forms");
    assert_eq!(any.len(), 6);
}
