//! Section 5: `identifyingInformation`.

use serde_json::{Value, json};

use crate::support::Server;
use crate::validation::{accepts, refuses, with};

const FIELD: &str = "identifyingInformation";

fn document(kind: &str, country: &str, number: &str) -> Value {
    json!([{ "type": kind, "issuingCountry": country, "number": number }])
}

#[track_caller]
fn accepts_numbers(kind: &str, country: &str, numbers: &[&str]) {
    for made in accepts(
        FIELD,
        numbers.iter().map(|number| document(kind, country, number)),
    ) {
        assert_eq!(made.json().get(FIELD), None, "{made}");
    }
}

#[track_caller]
fn refuses_numbers(kind: &str, country: &str, code: &str, numbers: &[&str]) -> Vec<String> {
    let values = numbers.iter().map(|number| document(kind, country, number));
    refuses(FIELD, "/identifyingInformation/0/number", code, values)
}

#[test]
fn it_is_a_list_of_objects() {
    refuses(
        FIELD,
        "/identifyingInformation",
        "typeInvalid",
        [json!("x"), json!({}), json!(1)],
    );
    refuses(
        FIELD,
        "/identifyingInformation/0",
        "typeInvalid",
        [json!(["123-45-6789"]), json!([null]), json!([[]])],
    );
    accepts(FIELD, [json!([])]);
}

#[test]
fn each_has_type_country_and_number() {
    let api = Server::shared().sandbox();
    let answer = api.post("/customers", &with(FIELD, &json!([{}])));
    for part in ["type", "issuingCountry", "number"] {
        answer.field_error(&format!("/identifyingInformation/0/{part}"), "required");
    }
    let nulls = json!([{ "type": null, "issuingCountry": null, "number": null }]);
    let answer = api.post("/customers", &with(FIELD, &nulls));
    for part in ["type", "issuingCountry", "number"] {
        answer.field_error(&format!("/identifyingInformation/0/{part}"), "required");
    }
    let numbers = json!([{ "type": 1, "issuingCountry": 840, "number": 123_456_789 }]);
    let answer = api.post("/customers", &with(FIELD, &numbers));
    for part in ["type", "issuingCountry", "number"] {
        answer.field_error(&format!("/identifyingInformation/0/{part}"), "typeInvalid");
    }
}

#[test]
fn the_type_is_one_of_four() {
    let values = ["SSN", "passportNumber", ""].map(|kind| document(kind, "US", "123-45-6789"));
    for message in refuses(
        FIELD,
        "/identifyingInformation/0/type",
        "valueInvalid",
        values,
    ) {
        for kind in ["ssn", "itin", "driversLicense", "passport"] {
            assert!(message.contains(kind), "{message}");
        }
    }
}

#[test]
fn the_country_is_an_assigned_alpha_2_code() {
    let values =
        ["fr", "France", "FRA", "XX", ""].map(|country| document("passport", country, "X1234567"));
    refuses(
        FIELD,
        "/identifyingInformation/0/issuingCountry",
        "countryInvalid",
        values,
    );
}

#[test]
fn an_ssn_or_itin_is_issued_by_the_us() {
    let api = Server::shared().sandbox();
    for document in [
        document("ssn", "CA", "123-45-6789"),
        document("itin", "MX", "912-70-1234"),
    ] {
        let answer = api.post("/customers", &with(FIELD, &document));
        let problem = answer.problem(422, "validationFailed");
        assert_eq!(
            problem["errors"].as_array().map(Vec::len),
            Some(1),
            "{answer}"
        );
        assert_eq!(
            problem["errors"][0]["pointer"], "/identifyingInformation/0/issuingCountry",
            "{answer}"
        );
        let message = problem["errors"][0]["message"].as_str();
        assert!(
            message.is_some_and(|message| message.contains("US")),
            "{answer}"
        );
    }
}

#[test]
fn an_ssn_has_nine_digits_of_an_issued_range_with_or_without_dashes() {
    accepts_numbers(
        "ssn",
        "US",
        &[
            "123-45-6789",
            "123456789",
            "001-01-0001",
            "899-99-9999",
            "665-01-0001",
            "667-01-0001",
        ],
    );
    let bad = [
        "000-12-3456",
        "666-12-3456",
        "900-12-3456",
        "999-12-3456",
        "123-00-6789",
        "123-45-0000",
        "000123456",
        "12-45-6789",
        "123-45-678",
        "123-45-67890",
        "1234567890",
        "123 45 6789",
        "abc-de-fghi",
        "１２３-45-6789",
    ];
    refuses_numbers("ssn", "US", "ssnInvalid", &bad);
}

#[test]
fn an_itin_has_nine_digits_of_an_issued_range_with_or_without_dashes() {
    let good = [
        "912-70-1234",
        "912701234",
        "900-50-0001",
        "999-65-1234",
        "912-88-1234",
        "912-90-1234",
        "912-92-1234",
        "912-94-1234",
        "912-99-1234",
    ];
    accepts_numbers("itin", "US", &good);
    let bad = [
        "123-70-6789",
        "812-70-1234",
        "912-49-1234",
        "912-66-1234",
        "912-69-1234",
        "912-89-1234",
        "912-93-1234",
        "912-00-1234",
        "912-70-123",
        "912-70-12345",
        "912 70 1234",
        "912-7O-1234",
    ];
    refuses_numbers("itin", "US", "itinInvalid", &bad);
}

#[test]
fn a_passport_has_5_to_20_letters_digits_and_dashes() {
    let longest = "A1".repeat(10);
    accepts_numbers(
        "passport",
        "FR",
        &["X1234", "12345", "ABCDE", "AB-12345", "x1234567", &longest],
    );
    let long = "A".repeat(21);
    let bad = [
        "X123",
        "AB 12345",
        "ÄB12345",
        "AB_12345",
        "AB12345\n",
        "AB/12345",
        &long,
    ];
    refuses_numbers("passport", "FR", "documentNumberInvalid", &bad);
}

#[test]
fn a_drivers_license_has_1_to_25_letters_digits_and_the_signs_that_states_write() {
    let longest = "A".repeat(25);
    accepts_numbers(
        "driversLicense",
        "US",
        &[
            "1",
            "D1234567",
            "D-123-456",
            "D 123",
            "DOE**JA123AB",
            "MH/12",
            &longest,
        ],
    );
    let long = "A".repeat(26);
    refuses_numbers(
        "driversLicense",
        "US",
        "documentNumberInvalid",
        &["D 123 ", " D123", "*D123", "D.123", "É1", &long],
    );
}

#[test]
fn an_empty_number_is_told_what_is_wanted() {
    for (kind, country, code, wanted) in [
        ("ssn", "US", "ssnInvalid", "9 digits"),
        ("itin", "US", "itinInvalid", "9 digits"),
        ("passport", "FR", "documentNumberInvalid", "5"),
        ("driversLicense", "US", "documentNumberInvalid", "25"),
    ] {
        for message in refuses_numbers(kind, country, code, &["", " "]) {
            assert!(message.contains(wanted), "{kind}: {message}");
        }
    }
}

#[test]
fn there_are_at_most_ten() {
    let countries = [
        "AT", "BE", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IT",
    ];
    let list = |count: usize| -> Value {
        let one = |country: &&str| json!({ "type": "passport", "issuingCountry": country, "number": "X1234567" });
        countries[..count].iter().map(one).collect()
    };
    accepts(FIELD, [list(10)]);
    refuses(FIELD, "/identifyingInformation", "tooLong", [list(11)]);
}

#[test]
fn each_type_and_country_stands_once() {
    let api = Server::shared().sandbox();
    let one = |kind: &str, country: &str, number: &str| json!({ "type": kind, "issuingCountry": country, "number": number });
    let twice = json!([
        one("passport", "FR", "X1234567"),
        one("ssn", "US", "123-45-6789"),
        one("passport", "FR", "Y7654321")
    ]);
    let answer = api.post("/customers", &with(FIELD, &twice));
    let problem = answer.problem(422, "validationFailed");
    assert_eq!(
        problem["errors"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
    assert_eq!(problem["errors"][0]["code"], "duplicate", "{answer}");
    let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
    assert!(pointer.starts_with("/identifyingInformation/2"), "{answer}");
    accepts(
        FIELD,
        [json!([
            one("passport", "FR", "X1234567"),
            one("passport", "DE", "X1234567"),
            one("driversLicense", "FR", "X1"),
            one("ssn", "US", "123-45-6789"),
            one("itin", "US", "912-70-1234"),
        ])],
    );
}
