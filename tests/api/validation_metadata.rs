//! Section 5: `metadata`.

use serde_json::{Map, Value, json};

use crate::validation::{accepts, refuses};

/// So many keys with this value.
fn many(count: usize, value: &Value) -> Value {
    (0..count)
        .map(|n| (format!("k{n}"), value.clone()))
        .collect::<Map<_, _>>()
        .into()
}

#[test]
fn it_is_an_object() {
    refuses(
        "metadata",
        "/metadata",
        "typeInvalid",
        [json!([]), json!("x"), json!(1), json!(true)],
    );
}

#[test]
fn values_are_text_numbers_booleans_or_null() {
    let metadata = json!({ "text": "x", "empty": "", "whole": 1, "part": -0.5, "yes": true, "no": false, "nothing": null });
    let api = crate::support::Server::shared().sandbox();
    let made = api.create(&json!({ "type": "individual", "metadata": metadata }));
    assert_eq!(made.json()["metadata"], metadata, "{made}");
    let nested = [
        json!({ "a": {} }),
        json!({ "a": [] }),
        json!({ "a": { "b": 1 } }),
        json!({ "a": ["x"] }),
    ];
    refuses("metadata", "/metadata/a", "metadataInvalid", nested);
}

#[test]
fn there_are_at_most_50_keys() {
    accepts("metadata", [json!({}), many(50, &json!(1))]);
    refuses(
        "metadata",
        "/metadata",
        "metadataInvalid",
        [many(51, &json!(1))],
    );
}

#[test]
fn a_key_has_1_to_64_characters() {
    let (longest, wide) = ("k".repeat(64), "ключ".repeat(16));
    accepts(
        "metadata",
        [json!({ longest.as_str(): 1 }), json!({ wide.as_str(): 1 })],
    );
    refuses(
        "metadata",
        "/metadata/",
        "metadataInvalid",
        [json!({ "": 1 })],
    );
    let long = "k".repeat(65);
    refuses(
        "metadata",
        &format!("/metadata/{long}"),
        "metadataInvalid",
        [json!({ long.as_str(): 1 })],
    );
}

#[test]
fn a_text_has_at_most_500_characters() {
    accepts(
        "metadata",
        [
            json!({ "a": "x".repeat(500) }),
            json!({ "a": "é".repeat(500) }),
        ],
    );
    refuses(
        "metadata",
        "/metadata/a",
        "metadataInvalid",
        [json!({ "a": "x".repeat(501) })],
    );
}

#[test]
fn together_it_is_at_most_16_kib() {
    accepts("metadata", [many(32, &json!("x".repeat(480)))]);
    refuses(
        "metadata",
        "/metadata",
        "metadataInvalid",
        [many(40, &json!("x".repeat(450)))],
    );
}
