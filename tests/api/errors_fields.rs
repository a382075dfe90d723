//! Section 4: the fields of a refused request.

use serde_json::{Value, json};

use crate::support::{Server, full_customer};

#[test]
fn an_unknown_field_names_the_nearest_known_one() {
    let api = Server::shared().sandbox();
    let answer = api.post("/customers", &json!({
        "type": "individual",
        "birthdate": "1990-05-15",
        "first_name": "Ada",
        "residentialAddress": { "zipcode": "94105", "Line1": "x" },
        "identifyingInformation": [
            { "type": "passport", "issuing_country": "FR", "issuingCountry": "FR", "number": "X1234567" },
        ],
    }));
    for (pointer, nearest) in [
        ("/birthdate", "did you mean birthDate?"),
        ("/first_name", "did you mean firstName?"),
        ("/residentialAddress/zipcode", "did you mean zipCode?"),
        ("/residentialAddress/Line1", "did you mean line1?"),
        (
            "/identifyingInformation/0/issuing_country",
            "did you mean issuingCountry?",
        ),
    ] {
        let message = answer.field_error(pointer, "unknownField");
        assert!(message.contains(nearest), "{pointer}: {answer}");
    }
}

#[test]
fn a_field_that_only_the_server_sets_is_unknown() {
    let api = Server::shared().sandbox();
    for name in [
        "id",
        "object",
        "status",
        "createdAt",
        "updatedAt",
        "signedAgreementAt",
        "wallets",
        "project",
        "mode",
    ] {
        let answer = api.post("/customers", &json!({ "type": "individual", name: "x" }));
        answer.field_error(&format!("/{name}"), "unknownField");
    }
}

#[test]
fn a_setting_turns_the_refusal_of_unknown_fields_into_ignoring() {
    let server = Server::start(&[("OMS_UNKNOWN_FIELDS", "ignore")]);
    let api = server.sandbox();
    let answer = api.create(&json!({
        "type": "individual", "birthdate": "not a date", "colour": { "a": [1] }, "firstName": "Ada",
        "residentialAddress": { "planet": "Earth" },
    }));
    assert_eq!(answer.json()["firstName"], "Ada", "{answer}");
    assert_eq!(answer.json().get("colour"), None, "{answer}");
    let id = answer.id();
    let answer = api.change(&id, &json!({ "colour": "blue" })).wants(200);
    assert_eq!(answer.json().get("colour"), None, "{answer}");
    api.post(
        "/customers",
        &json!({ "type": "individual", "email": "no" }),
    )
    .field_error("/email", "emailInvalid");
}

#[test]
fn a_pointer_escapes_what_json_pointer_escapes() {
    let api = Server::shared().sandbox();
    let answer = api.post("/customers", &json!({ "type": "individual", "a/b~c": 1 }));
    answer.field_error("/a~1b~0c", "unknownField");
}

#[test]
fn all_invalid_fields_are_reported_at_once() {
    let api = Server::shared().sandbox();
    let answer = api.post(
        "/customers",
        &json!({
            "firstName": "", "middleName": 5, "lastName": "x\u{7}", "email": "no", "phone": "12",
            "birthDate": "1990-02-30", "nationality": "American", "ipAddress": "1.2.3",
            "externalId": "", "signedAgreement": "yes",
            "residentialAddress": { "country": "USA" },
            "identifyingInformation": [{ "type": "ssn", "issuingCountry": "US", "number": "1" }],
            "endorsements": ["eur"], "metadata": { "": 1 }, "unheard": 1,
        }),
    );
    let problem = answer.problem(422, "validationFailed");
    let mut found: Vec<&str> = problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["pointer"].as_str().expect("a pointer"))
        .collect();
    found.sort_unstable();
    let expected = [
        "/birthDate",
        "/email",
        "/endorsements/0",
        "/externalId",
        "/firstName",
        "/identifyingInformation/0/number",
        "/ipAddress",
        "/lastName",
        "/metadata/",
        "/middleName",
        "/nationality",
        "/phone",
        "/residentialAddress/country",
        "/signedAgreement",
        "/type",
        "/unheard",
    ];
    assert_eq!(found, expected, "{answer}");
    assert_eq!(problem["detail"], "16 fields are invalid", "{answer}");
}

#[test]
fn no_message_repeats_a_write_only_value() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    let body = json!({
        "birthDate": "canary-31/12/1971",
        "ipAddress": "canary.9.8.7",
        "residentialAddress": {
            "line1": "canary line\u{7}", "line2": ["canary two"], "city": "canary-".repeat(300),
            "state": "canary state", "country": "Canaryland", "zipCode": "canary zip", "canaryPart": "canary",
        },
        "identifyingInformation": [
            { "type": "ssn", "issuingCountry": "US", "number": "canary-000-12" },
            { "type": "itin", "issuingCountry": "US", "number": "canary 912" },
            { "type": "passport", "issuingCountry": "FR", "number": "canary!" },
            { "type": "driversLicense", "issuingCountry": "FR", "number": "canary?" },
        ],
    });
    let mut post = body.clone();
    post["type"] = json!("individual");
    for answer in [api.post("/customers", &post), api.change(&id, &body)] {
        let mut problem = answer.problem(422, "validationFailed");
        for error in problem["errors"].as_array_mut().expect("errors") {
            // The name of an unknown field is a name and no value.
            if error["code"] == "unknownField" {
                *error = Value::Null;
            }
        }
        assert!(
            !problem.to_string().to_ascii_lowercase().contains("canary"),
            "{answer}"
        );
    }
}

#[test]
fn an_internal_path_or_name_stands_in_no_problem() {
    let api = Server::shared().sandbox();
    for answer in [
        api.posting("/customers", &json!({})).text("{").send(),
        api.post("/customers", &json!({ "type": 1, "metadata": [] })),
        api.get("/customers?limit=x"),
        api.get("/customers/%FF"),
    ] {
        let text = answer.text();
        for inside in [
            "src/", ".rs", "serde", "panicked", "sqlite", "rusqlite", "axum",
        ] {
            assert!(
                !text.to_ascii_lowercase().contains(inside),
                "{inside}: {answer}"
            );
        }
    }
}
