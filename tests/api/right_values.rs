//! Values that were accepted wrongly, refused wrongly or lost, each with others of its kind.

use serde_json::{Value, json};

use crate::support::{Api, Mode, Server, full_customer, minimal_customer};

fn with(pointer: &str, value: Value) -> Value {
    let mut body = full_customer();
    *body.pointer_mut(pointer).expect("a field") = value;
    body
}

#[test]
fn what_shows_nothing_is_no_value() {
    let api = Server::shared().sandbox();
    for (pointer, code) in [
        ("/firstName", "characterInvalid"),
        ("/lastName", "characterInvalid"),
        ("/externalId", "characterInvalid"),
        ("/residentialAddress/line1", "characterInvalid"),
        ("/residentialAddress/city", "characterInvalid"),
    ] {
        for unseen in [
            "\u{3164}", "\u{200b}", "\u{200d}", "\u{2800}", "\u{ffa0}", "\u{fe0f}",
        ] {
            let body = with(pointer, json!(unseen));
            api.post("/customers", &body).field_error(pointer, code);
        }
        for unseen in [
            "\u{61c}",
            "\u{200e}",
            "\u{202a}",
            "\u{2066}",
            "\u{2060}",
            "\u{feff}",
            "\u{ad}",
            "\u{34f}",
            "\u{e0041}",
        ] {
            let body = with(pointer, json!(format!("A{unseen}B")));
            let told = api.post("/customers", &body).field_error(pointer, code);
            let place = told.contains("invisible") && told.contains("at place 2");
            assert!(place, "{pointer} {unseen:?}: {told}");
        }
    }
    for name in ["瓦歷斯‧諾幹", "علی‌رضا", "古丽·买买提"] {
        let made = api.create(&with("/lastName", json!(name))).json();
        assert_eq!(made["lastName"], name);
    }
}

#[test]
fn an_address_of_mail_has_a_domain() {
    let api = Server::shared().sandbox();
    for email in [
        "ada@exa!mple.com",
        "ada@1.2.3.4",
        "ada@example.42",
        "ada@ｅxample.com",
    ] {
        let body = with("/email", json!(email));
        api.post("/customers", &body)
            .field_error("/email", "emailInvalid");
    }
    let email = "राजेन्द्र@डाटामेल.भारत";
    let id = api.create(&with("/email", json!(email))).id();
    let query = "?email=%E0%A4%B0%E0%A4%BE%E0%A4%9C%E0%A5%87%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%8D%E0%A4%B0%40%E0%A4%A1%E0%A4%BE%E0%A4%9F%E0%A4%BE%E0%A4%AE%E0%A5%87%E0%A4%B2.%E0%A4%AD%E0%A4%BE%E0%A4%B0%E0%A4%A4";
    assert_eq!(api.listed(query), [id]);
}

#[test]
fn states_countries_and_documents_that_there_are() {
    let api = Server::shared().sandbox();
    for state in ["FM", "MH", "PW", "GU", "AE"] {
        api.create(&with("/residentialAddress/state", json!(state)));
    }
    let made = api.create(&with("/nationality", json!("XK"))).json();
    assert_eq!(made["nationality"], "XK");
    for number in ["078-05-1120", "219099999"] {
        let pointer = "/identifyingInformation/0/number";
        api.post("/customers", &with(pointer, json!(number)))
            .field_error(pointer, "ssnInvalid");
    }
    for number in ["DOE**JA123AB", "MORGA 657054 SM9IJ", "MH-12/2011 0012345"] {
        let document =
            json!([{ "type": "driversLicense", "issuingCountry": "US", "number": number }]);
        api.create(&with("/identifyingInformation", document));
    }
}

/// A live project follows the default policy.
fn asked(api: &Api, body: &Value, endorsement: usize) -> Value {
    api.create(body).json()["endorsements"][endorsement]["requirements"]["missing"].clone()
}

#[test]
fn one_name_is_enough_and_territories_are_the_us_for_usd() {
    let api = Server::shared().project(Mode::Live);
    for given in ["firstName", "lastName"] {
        let mut body = full_customer();
        for name in ["firstName", "lastName"] {
            if name != given {
                body[name] = Value::Null;
            }
        }
        assert_eq!(asked(&api, &body, 0), json!([]), "{given}");
    }
    for (country, missing) in [
        (
            "PR",
            json!(["identifyingInformation.ssn|identifyingInformation.itin"]),
        ),
        (
            "GU",
            json!(["identifyingInformation.ssn|identifyingInformation.itin"]),
        ),
        ("DE", json!([])),
    ] {
        let mut body = with("/residentialAddress/country", json!(country));
        body["identifyingInformation"] =
            json!([{ "type": "passport", "issuingCountry": "US", "number": "C01X00T47" }]);
        assert_eq!(asked(&api, &body, 2), missing, "{country}");
    }
}

#[test]
fn lists_take_every_moment_and_know_their_parameters() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    for moment in [
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-12:00",
    ] {
        let before = format!("?createdBefore={moment}");
        assert_eq!(api.listed(&before), std::slice::from_ref(&id), "{moment}");
        assert!(api.listed(&format!("?createdAfter={moment}")).is_empty());
    }
    assert_eq!(api.listed("?createdAfter=0000-01-01T00:00:00Z"), [id]);
    for (query, told) in [
        ("?page=2", "known are status, email"),
        ("?emial=a", "did you mean email?"),
    ] {
        let path = format!("/customers{query}");
        let problem = api.get(&path).problem(400, "queryInvalid");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(told), "{detail}");
    }
    for (name, told) in [
        ("address", "did you mean residentialAddress?"),
        ("dob", "did you mean birthDate?"),
        ("zip", "did you mean residentialAddress?"),
        ("city", "did you mean residentialAddress?"),
        ("tin", "did you mean identifyingInformation?"),
        ("givenName", "did you mean firstName?"),
    ] {
        let mut body = minimal_customer();
        body[name] = json!("x");
        let pointer = format!("/{name}");
        let message = api
            .post("/customers", &body)
            .field_error(&pointer, "unknownField");
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn conditions_are_lists_of_tags_in_which_commas_may_stand() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let path = format!("/customers/{}", made.id());
    let tag = api.read(&made.id()).wants_header("etag").to_owned();
    for list in [
        format!("\"a,b\", {tag}"),
        format!(",, {tag} ,"),
        format!("W/\"x\",{tag}"),
    ] {
        let call = |method| api.call(method, &path);
        let none = call("GET").header("If-None-Match", &list).send();
        assert_eq!(none.status, 304, "{list}");
        call("GET").header("If-Match", &list).send().wants(200);
        let empty = call("PATCH").header("If-Match", &list).json(&json!({}));
        empty.send().wants(200);
        let other = call("PATCH")
            .header("If-None-Match", &list)
            .json(&json!({}));
        other.send().problem(412, "preconditionFailed");
    }
    let other = api.call("GET", &path).header("If-Match", "\"a,b\"").send();
    other.problem(412, "preconditionFailed");
    for bad in ["\"a\" \"b\"", "a,b", "*, \"a\""] {
        let answer = api.call("GET", &path).header("If-None-Match", bad).send();
        answer.problem(400, "headerInvalid");
    }
}

#[test]
fn a_body_is_plain_json() {
    let api = Server::shared().sandbox();
    let post = |name: &str, value: &str| {
        let call = api.posting("/customers", &minimal_customer());
        call.header(name, value).send()
    };
    for encoding in ["gzip", "br", "identity, gzip"] {
        let told = post("Content-Encoding", encoding).problem(415, "unsupportedMediaType");
        let detail = told["detail"].as_str().expect("text");
        assert!(detail.contains("Content-Encoding"), "{detail}");
    }
    post("Content-Encoding", "identity").wants(201);
    let marked = format!("\u{feff}{}", minimal_customer());
    let marked = api.posting("/customers", &json!({})).text(&marked);
    marked.send().wants(201);
    let body = r#"{"type":"individual","metadata":{"rate":0.12345678901234567}}"#;
    let lossy = api.posting("/customers", &json!({})).text(body).send();
    lossy.field_error("/metadata/rate", "typeInvalid");
}

#[test]
fn a_url_is_one_as_it_is_written() {
    let api = Server::shared().sandbox();
    for url in [
        "https:example.com/h",
        "https:/example.com/h",
        "https:///example.com/h",
        "https:\\\\example.com\\h",
        "https://example.com:0/h",
        "https://example.com:00443/h",
        "https://.com/h",
        "https://example..com/h",
        "https://ｅxample.com/h",
        "https://example。com/h",
        "https://example.com/a b",
        " https://example.com/h",
        "https://exam\tple.com/h",
        "https://ex%61mple.com/h",
        "https://8.8.2056/h",
        "https://0x08080808/h",
        "https://\u{3164}.com/h",
        "https://example。com/h",
        "https://example..com/h",
        "https://-a.com/h",
        "https://example.com/../h",
        "https://example.com/%2E%2e/h",
    ] {
        api.post("/webhooks", &json!({ "url": url }))
            .field_error("/url", "valueInvalid");
    }
    for url in [
        "https://example.com/h?a=b%20c",
        "https://EXAMPLE.com:8443",
        "https://Exämple.com/h",
        "https://example.com./h",
    ] {
        api.post("/webhooks", &json!({ "url": url })).wants(201);
    }
}

#[test]
fn a_null_in_a_retry_is_the_same_as_nothing() {
    let api = Server::shared().sandbox();
    let nulls = json!({ "type": "individual", "firstName": "Ada", "middleName": null, "metadata": { "a": null },
        "residentialAddress": { "city": "Paris", "line2": null } });
    let plain = json!({ "type": "individual", "firstName": "Ada", "metadata": { "a": null },
        "residentialAddress": { "city": "Paris" } });
    let first = api.post_keyed("/customers", "nulls", &nulls).wants(201);
    let again = api.post_keyed("/customers", "nulls", &plain).wants(201);
    assert_eq!(again.wants_header("idempotent-replayed"), "true");
    assert_eq!(again.id(), first.id());
    let mut other = plain;
    other["metadata"] = json!({});
    api.post_keyed("/customers", "nulls", &other)
        .problem(422, "idempotencyKeyReused");
}

/// What a client sees of a PATCH, without what the time alone changes.
fn seen(api: &Api, id: &str, patch: &Value) -> (Vec<String>, bool, bool, Value) {
    let before = api.read(id);
    let events = |api: &Api| api.get("/events?limit=100").wants(200).json();
    let count = events(api)["data"].as_array().expect("a list").len();
    let after = api.change(id, patch).wants(200);
    let moved = before.json()["updatedAt"] != after.json()["updatedAt"];
    let retagged = before.wants_header("etag") != after.wants_header("etag");
    let events = events(api);
    let data = events["data"].as_array().expect("a list");
    let new = &data[..data.len() - count];
    let kinds = new.iter().map(|one| one["event"].to_string()).collect();
    let changed = new.iter().map(|one| one["changed"].clone()).collect();
    (kinds, moved, retagged, Value::Array(changed))
}

#[test]
fn a_write_only_field_cannot_be_guessed() {
    let api = Server::shared().project(Mode::Sandbox);
    let body = full_customer();
    let id = api.create(&body).id();
    let ssn = |number: &str| json!([{ "type": "ssn", "issuingCountry": "US", "number": number }]);
    for (right, wrong) in [
        (
            json!({ "identifyingInformation": body["identifyingInformation"] }),
            json!({ "identifyingInformation": ssn("523-45-1111") }),
        ),
        (
            json!({ "birthDate": "1990-05-15" }),
            json!({ "birthDate": "1990-05-16" }),
        ),
        (
            json!({ "ipAddress": body["ipAddress"] }),
            json!({ "ipAddress": "203.0.113.99" }),
        ),
        (
            json!({ "residentialAddress": { "city": body["residentialAddress"]["city"] } }),
            json!({ "residentialAddress": { "city": "Elsewhere" } }),
        ),
    ] {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let of_right = seen(&api, &id, &right);
        assert!(
            of_right.1 && of_right.2,
            "{right} moves nothing: {of_right:?}"
        );
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!(of_right, seen(&api, &id, &wrong), "{right}");
    }
    let nothing = seen(&api, &id, &json!({ "firstName": body["firstName"] }));
    assert!(
        !nothing.1 && !nothing.2 && nothing.0.is_empty(),
        "{nothing:?}"
    );
}

#[test]
fn what_a_get_returned_is_told_what_of_it_is_read_only() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    let shown = api.read(&id).json();
    let problem = api.change(&id, &shown).problem(422, "validationFailed");
    let told = problem["errors"].as_array().expect("a list");
    let pointers: Vec<_> = told
        .iter()
        .map(|one| one["pointer"].as_str().expect("text"))
        .collect();
    for name in [
        "id",
        "object",
        "type",
        "status",
        "wallets",
        "signedAgreementAt",
        "createdAt",
        "updatedAt",
    ] {
        let pointer = format!("/{name}");
        let error = told.iter().find(|one| one["pointer"] == pointer.as_str());
        let message = error.map(|one| one["message"].to_string());
        let message = message.unwrap_or_default();
        let says = message.contains("read-only") || message.contains("cannot be changed");
        assert!(says, "{pointer}: {message} in {pointers:?}");
    }
    let names = ["/endorsements/0", "/endorsements/1", "/endorsements/2"];
    assert!(names.iter().all(|name| pointers.contains(name)));
    assert_eq!(pointers.len(), 8 + names.len(), "{pointers:?}");
}

#[test]
fn a_page_in_a_browser_is_told_why_it_is_refused() {
    let api = Server::shared().sandbox();
    let preflight = api
        .call("OPTIONS", "/customers")
        .header("Origin", "https://example.com")
        .header("Access-Control-Request-Method", "POST");
    let told = preflight.send().problem(405, "methodNotAllowed");
    let detail = told["detail"].as_str().expect("text");
    assert!(detail.contains("browser") && detail.contains("your server"));
}
