//! Section 4: what a refusal looks like, and which one it is.

use serde_json::json;

use crate::support::{Api, Call, Server, fresh_name, minimal_customer, raw};

fn posting_text(api: &Api, text: &str) -> Call {
    api.posting("/customers", &json!({})).text(text)
}

#[test]
fn a_problem_has_type_title_status_code_detail_request_id_and_errors() {
    let api = Server::shared().sandbox();
    let answer = api.post("/customers", &json!({
        "type": "individual",
        "birthDate": "15/05/1990",
        "identifyingInformation": [{ "type": "ssn", "issuingCountry": "US", "number": "000-12-3456" }],
    }));
    let mut problem = answer.problem(422, "validationFailed");
    let kind = problem["type"].take();
    problem["requestId"] = json!("[requestId]");
    for error in problem["errors"].as_array_mut().expect("errors") {
        let mut names: Vec<&String> = error.as_object().expect("an object").keys().collect();
        names.sort_unstable();
        assert_eq!(names, ["code", "message", "pointer"], "{answer}");
        error["message"] = json!("[message]");
    }
    assert!(
        kind.as_str()
            .is_some_and(|kind| kind.starts_with("https://")),
        "{answer}"
    );
    let expected = json!({
        "type": null,
        "title": "The request has invalid fields",
        "status": 422,
        "code": "validationFailed",
        "detail": "2 fields are invalid",
        "message": "2 fields are invalid",
        "requestId": "[requestId]",
        "errors": [
            { "pointer": "/birthDate", "code": "dateInvalid", "message": "[message]" },
            { "pointer": "/identifyingInformation/0/number", "code": "ssnInvalid", "message": "[message]" },
        ],
    });
    assert_eq!(problem, expected, "{answer}");
}

#[test]
fn a_customer_without_anything_is_told_that_the_type_is_all_that_is_missing() {
    let api = Server::shared().sandbox();
    for body in [json!({}), json!({"type": null})] {
        let answer = api.post("/customers", &body);
        let message = answer.field_error("/type", "required");
        assert!(message.contains("\"type\": \"individual\""), "{message}");
        assert!(message.contains("no other field"), "{message}");
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn a_path_that_is_published_but_not_built_says_so() {
    let server = Server::shared();
    let api = server.sandbox();
    for path in [
        "/wallets",
        "/quotes/qt_x",
        "/cash-ins",
        "/customers/cst_x/wallets",
        "/networks",
    ] {
        for answer in [api.get(path), api.post(path, &json!({}))] {
            let problem = answer.problem(404, "notFound");
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(
                detail.contains("not built in this version yet"),
                "{path}: {detail}"
            );
            assert_eq!(problem["message"], problem["detail"]);
        }
    }
    let unknown = api.get("/wallet").problem(404, "notFound");
    let detail = unknown["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("no such path"), "{detail}");
}

#[test]
fn a_body_that_is_not_json_is_400() {
    let api = Server::shared().sandbox();
    let deep = "[".repeat(30_000);
    let deep_inside = format!(
        r#"{{"type":"individual","metadata":{}"#,
        r#"{"a":"#.repeat(10_000)
    );
    for text in [
        "",
        " ",
        "{",
        "nope",
        r#"{"type":"individual""#,
        r#"{"type":"individual",}"#,
        r#"{"type":"individual"} {}"#,
        r"{'type':'individual'}",
        r#"{type:"individual"}"#,
        r#"{"type":"individual","metadata":{"a":NaN}}"#,
        r#"{"type":"individual","metadata":{"a":01}}"#,
        r#"{"type":"individual","firstName":"\x41"}"#,
        r#"{"type":"individual","firstName":"\ud800"}"#,
        "{\"type\":\"individual\",\"firstName\":\"a\u{1}b\"}",
        r#"{"type":"individual","type":"individual"}"#,
        r#"{"type":"individual","metadata":{"a":1,"a":2}}"#,
        &deep,
        &deep_inside,
    ] {
        posting_text(&api, text).send().problem(400, "bodyNotJson");
    }
    let call = api.posting("/customers", &json!({}));
    let latin = b"{\"type\":\"individual\",\"firstName\":\"Zo\xeb\"}";
    call.body("application/json", latin)
        .send()
        .problem(400, "bodyNotJson");
    assert_eq!(api.listed(""), [""; 0]);
}

#[test]
fn json_that_is_not_an_object_is_400() {
    let api = Server::shared().sandbox();
    for text in [
        "[]",
        r#"[{"type":"individual"}]"#,
        r#""individual""#,
        "1",
        "true",
        "null",
    ] {
        posting_text(&api, text)
            .send()
            .problem(400, "bodyNotObject");
    }
}

#[test]
fn a_patch_is_read_like_a_post() {
    let api = Server::shared().sandbox();
    let path = format!("/customers/{}", api.create(&minimal_customer()).id());
    let call = api.call("PATCH", &path);
    call.clone().text("{").send().problem(400, "bodyNotJson");
    call.clone().text("[]").send().problem(400, "bodyNotObject");
    call.clone()
        .body("text/plain", "{}")
        .send()
        .problem(415, "unsupportedMediaType");
    call.body("application/json", vec![b' '; 70_000])
        .send()
        .problem(413, "bodyTooLarge");
}

#[test]
fn a_malformed_header_is_400() {
    let api = Server::shared().sandbox();
    let made = api.create(&minimal_customer());
    let path = format!("/customers/{}", made.id());
    let call = api
        .call("PATCH", &path)
        .json(&json!({ "firstName": "Eve" }));
    for value in ["no-quotes", "\"open", ""] {
        call.clone()
            .header("if-match", value)
            .send()
            .problem(400, "headerInvalid");
        let call = api.call("GET", &path).header("if-none-match", value);
        call.send().problem(400, "headerInvalid");
    }
    assert_eq!(api.read(&made.id()).json(), made.json());
}

#[test]
fn a_method_that_the_path_does_not_take_is_405_with_those_it_takes() {
    let api = Server::shared().sandbox();
    let one = format!("/customers/{}", api.create(&minimal_customer()).id());
    for (path, allowed, refused) in [
        (
            "/customers",
            &["GET", "POST"][..],
            &["PUT", "PATCH", "DELETE"][..],
        ),
        (&one, &["DELETE", "GET", "PATCH"], &["PUT", "POST"]),
        ("/auth/token", &["POST"], &["GET", "PUT", "PATCH", "DELETE"]),
    ] {
        for method in refused {
            let answer = api.call(method, path).header("idempotency-key", "k").send();
            answer.problem(405, "methodNotAllowed");
            let allow = answer.wants_header("allow").to_owned();
            let mut found: Vec<&str> = allow.split(',').map(str::trim).collect();
            found.retain(|method| !["HEAD", "OPTIONS"].contains(method));
            found.sort_unstable();
            assert_eq!(found, allowed, "{answer}");
        }
    }
}

#[test]
fn a_body_of_64_kib_is_read_and_one_byte_more_is_413() {
    let api = Server::shared().sandbox();
    let padded = |length: usize| {
        let text = minimal_customer().to_string();
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    posting_text(&api, &padded(64 * 1024)).send().wants(201);
    posting_text(&api, &padded(64 * 1024 + 1))
        .send()
        .problem(413, "bodyTooLarge");
    // Far more than that may be cut off before all of it is sent.
    if let Ok(answer) = posting_text(&api, &padded(4 * 1024 * 1024)).try_send() {
        answer.problem(413, "bodyTooLarge");
    }
    assert_eq!(api.listed("").len(), 1);
}

#[test]
fn a_413_that_leaves_the_body_unread_says_that_the_connection_ends() {
    let server = Server::shared();
    // Only the beginning of the body is sent, and the read goes on until the server closes.
    let request = format!(
        "POST /v0.9/customers HTTP/1.1\r\nHost: oms\r\nAuthorization: Bearer {}\r\n\
         Idempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n{{",
        server.sandbox().token,
        fresh_name("key"),
    );
    let answer = raw(server.address(), None, request.as_bytes());
    answer.problem(413, "bodyTooLarge");
    assert_eq!(answer.wants_header("connection"), "close", "{answer}");
}

#[test]
fn a_chunked_body_over_64_kib_is_413() {
    let server = Server::shared();
    let api = server.sandbox();
    let body = format!("{}{}", minimal_customer(), " ".repeat(64 * 1024));
    let request = format!(
        "POST /v0.9/customers HTTP/1.1\r\nHost: oms\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Idempotency-Key: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        api.token,
        fresh_name("key"),
        body.len()
    );
    let answer = raw(server.address(), None, request.as_bytes());
    assert_eq!(answer.status, 413, "{answer}");
    assert_eq!(api.listed(""), [""; 0]);
}

#[test]
fn a_body_not_declared_as_json_is_415() {
    let api = Server::shared().sandbox();
    let body = minimal_customer().to_string();
    let call = api.posting("/customers", &json!({}));
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/jsonp",
        "json",
        "",
    ] {
        call.clone()
            .body(kind, &body)
            .send()
            .problem(415, "unsupportedMediaType");
    }
    call.without("content-type")
        .send()
        .problem(415, "unsupportedMediaType");
    assert_eq!(api.listed(""), [""; 0]);
}

#[test]
fn a_body_declared_as_json_in_utf_8_is_read() {
    let api = Server::shared().sandbox();
    let body = minimal_customer().to_string();
    for kind in [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ] {
        api.posting("/customers", &json!({}))
            .body(kind, &body)
            .send()
            .wants(201);
    }
}
