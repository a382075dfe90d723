//! Section 5: `residentialAddress`.

use serde_json::{Value, json};

use crate::validation::{accepts, refuses};

const FIELD: &str = "residentialAddress";
const PARTS: [&str; 6] = ["line1", "line2", "city", "state", "country", "zipCode"];

#[track_caller]
fn part_refuses(part: &str, code: &str, values: impl IntoIterator<Item = Value>) -> Vec<String> {
    let addresses = values.into_iter().map(|value| json!({ part: value }));
    refuses(FIELD, &format!("/{FIELD}/{part}"), code, addresses)
}

#[test]
fn it_is_an_object() {
    refuses(
        FIELD,
        "/residentialAddress",
        "typeInvalid",
        [json!("12 Way"), json!(["12 Way"]), json!(1), json!(true)],
    );
}

#[test]
fn every_part_is_text() {
    for part in PARTS {
        part_refuses(
            part,
            "typeInvalid",
            [json!(1), json!(["x"]), json!({}), json!(false)],
        );
    }
}

#[test]
fn each_part_may_come_later() {
    let alone = [
        json!({}),
        json!({ "line1": "12 Analytical Way" }),
        json!({ "line2": "Floor 3" }),
        json!({ "city": "Zürich" }),
        json!({ "state": "California" }),
        json!({ "country": "US" }),
        json!({ "zipCode": "8001" }),
        json!({ "country": "US", "state": "CA" }),
    ];
    for made in accepts(FIELD, alone) {
        assert_eq!(made.json().get(FIELD), None, "{made}");
    }
}

#[test]
fn a_part_is_not_empty_not_endless_and_without_control_characters() {
    for part in ["line1", "line2", "city"] {
        part_refuses(part, "tooShort", [json!(""), json!("  ")]);
        part_refuses(part, "tooLong", [json!("x".repeat(2000))]);
        part_refuses(
            part,
            "characterInvalid",
            [json!("a\u{0}b"), json!("a\u{7}b")],
        );
    }
}

#[test]
fn a_country_is_an_assigned_alpha_2_code_in_upper_case() {
    let good = ["US", "CH", "JP"].map(|code| json!({ "country": code }));
    accepts(FIELD, good);
    part_refuses(
        "country",
        "countryInvalid",
        [json!(""), json!("us"), json!("XX"), json!("UK"), json!("U")],
    );
}

#[test]
fn a_country_by_name_or_alpha_3_is_told_the_form() {
    let values = [
        json!("USA"),
        json!("United States"),
        json!("Switzerland"),
        json!("CHE"),
    ];
    for message in part_refuses("country", "countryInvalid", values) {
        assert!(message.contains("US"), "an example helps: {message}");
    }
}

#[test]
fn a_state_of_the_us_is_a_usps_code() {
    let good = ["CA", "NY", "TX", "DC", "PR", "GU", "AK", "HI"];
    accepts(
        FIELD,
        good.map(|state| json!({ "country": "US", "state": state })),
    );
    let bad = ["California", "ca", "ZZ", "C", "US-CA", "ON"];
    let values = bad.map(|state| json!({ "country": "US", "state": state }));
    for message in refuses(FIELD, "/residentialAddress/state", "stateInvalid", values) {
        assert!(
            message.contains("CA") || message.contains("NY"),
            "an example helps: {message}"
        );
    }
}

#[test]
fn a_zip_code_of_the_us_has_5_or_5_and_4_digits() {
    let good = ["94105", "00501", "94105-1234"];
    accepts(
        FIELD,
        good.map(|code| json!({ "country": "US", "zipCode": code })),
    );
    let bad = [
        "9410",
        "941051",
        "94105-",
        "94105-123",
        "94105-12345",
        "941051234",
        "ABCDE",
        "94105 1234",
        "９４１０５",
    ];
    let values = bad.map(|code| json!({ "country": "US", "zipCode": code }));
    refuses(
        FIELD,
        "/residentialAddress/zipCode",
        "zipCodeInvalid",
        values,
    );
}

#[test]
fn state_and_zip_code_elsewhere_are_as_they_are_there() {
    accepts(
        FIELD,
        [
            json!({ "country": "GB", "state": "Greater London", "zipCode": "SW1A 1AA" }),
            json!({ "country": "CA", "state": "Ontario", "zipCode": "K1A 0B1" }),
            json!({ "country": "IE", "zipCode": "D02 AF30" }),
            json!({ "country": "JP", "state": "東京都", "zipCode": "100-0001" }),
        ],
    );
}
