//! Section 1: paths, versions, ids, times, request ids, health.

use oms::context::Time;
use oms::id::{CustomerId, RequestId};
use serde_json::json;

use crate::support::{Answer, Server, fresh_name, full_customer, minimal_customer, raw};

const VERSIONS: [&str; 3] = ["/v0.9", "/v0.11", "/v0.13"];

#[test]
fn every_version_answers_the_same() {
    let server = Server::shared();
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let bodies = VERSIONS.map(|version| {
        let path = format!("{version}/customers/{id}");
        api.call_as_written("GET", &path).send().wants(200).text()
    });
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0], bodies[2]);
    for version in VERSIONS {
        let path = format!("{version}/auth/token");
        server
            .call("POST", &path)
            .json(&api.key.login())
            .send()
            .wants(200);
        let path = format!("{version}/customers");
        api.call_as_written("POST", &path)
            .header("idempotency-key", fresh_name("key"))
            .json(&minimal_customer())
            .send()
            .wants(201);
        api.call_as_written("GET", &path).send().wants(200);
    }
}

#[test]
fn a_path_without_a_known_version_is_404_and_names_the_versions() {
    let api = Server::shared().sandbox();
    for path in [
        "/customers",
        "/v1/customers",
        "/v0.10/customers",
        "/auth/token",
        "/v0.9customers",
    ] {
        let answer = api.call_as_written("GET", path).send();
        let problem = answer.problem(404, "notFound");
        let detail = problem["detail"].as_str().expect("a detail");
        for version in VERSIONS {
            assert!(detail.contains(version.trim_start_matches('/')), "{answer}");
        }
    }
}

#[test]
fn the_versions_are_a_setting() {
    let server = Server::start(&[("OMS_API_VERSIONS", "v0.9,v1.2")]);
    let api = server.sandbox();
    api.call_as_written("GET", "/v1.2/customers")
        .send()
        .wants(200);
    let answer = api.call_as_written("GET", "/v0.11/customers").send();
    let problem = answer.problem(404, "notFound");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("v0.9") && detail.contains("v1.2") && !detail.contains("v0.13"),
        "{answer}"
    );
}

#[test]
fn an_unknown_path_under_a_version_is_404() {
    let api = Server::shared().sandbox();
    for path in [
        "/v0.9",
        "/v0.9/",
        "/v0.9/customer",
        "/v0.9/customers/x/y",
        "/v0.9/auth",
    ] {
        api.call_as_written("GET", path)
            .send()
            .problem(404, "notFound");
    }
}

#[test]
fn text_is_utf_8_both_ways() {
    let api = Server::shared().sandbox();
    let answer =
        api.create(&json!({ "type": "individual", "firstName": "Łukasz", "lastName": "王" }));
    let kind = answer
        .wants_header("content-type")
        .to_ascii_lowercase()
        .replace(' ', "");
    assert!(
        ["application/json", "application/json;charset=utf-8"].contains(&kind.as_str()),
        "{answer}"
    );
    assert!(String::from_utf8(answer.body.clone()).is_ok(), "{answer}");
    assert_eq!(answer.json()["firstName"], "Łukasz", "{answer}");
    assert_eq!(answer.json()["lastName"], "王", "{answer}");
}

#[test]
fn times_are_rfc_3339_in_utc_with_z() {
    let api = Server::shared().sandbox();
    let answer = api.create(&full_customer());
    for field in ["/createdAt", "/updatedAt", "/signedAgreementAt"] {
        let text = answer.text_at(field);
        assert!(
            text.ends_with('Z') && text.as_bytes()[10] == b'T',
            "{field}: {answer}"
        );
        assert!(Time::parse(&text).is_some(), "{field}: {answer}");
    }
}

#[test]
fn a_customer_id_is_a_type_id_of_a_uuid_v7_of_the_moment() {
    let api = Server::shared().sandbox();
    let answer = api.create(&minimal_customer());
    let id = CustomerId::parse(&answer.id()).unwrap_or_else(|| panic!("{answer}"));
    let bytes = id.as_bytes();
    assert_eq!(bytes[6] >> 4, 7, "version: {answer}");
    assert_eq!(bytes[8] >> 6, 0b10, "variant: {answer}");
    let made = bytes[..6]
        .iter()
        .fold(0i64, |millis, byte| (millis << 8) | i64::from(*byte));
    let created = Time::parse(&answer.text_at("/createdAt"))
        .expect("a time")
        .as_millis();
    assert!(
        (created - made).abs() < 60_000,
        "{made} and {created}: {answer}"
    );
}

#[test]
fn a_malformed_or_foreign_id_is_404_like_an_unknown_one() {
    let api = Server::shared().sandbox();
    let own = api.create(&minimal_customer()).id();
    let suffix = own.trim_start_matches("cst_").to_owned();
    let unknown = "cst_01h2xcejqtf2nbrexx3vqjhp41".to_owned();
    let expected = api
        .get(&format!("/customers/{unknown}"))
        .problem(404, "notFound");
    let ids = [
        format!("wlt_{suffix}"),
        format!("CST_{suffix}"),
        format!("cst_{}", suffix.to_uppercase()),
        format!("cst_8{}", &suffix[1..]),
        format!("cst_{}", &suffix[1..]),
        format!("cst_{suffix}0"),
        format!("cst_{}u", &suffix[1..]),
        suffix.clone(),
        "cst_".to_owned(),
        "0".to_owned(),
        format!("{own}%20"),
        format!("{own}%00"),
        "%C3%A9".to_owned(),
        "cst_%2e%2e".to_owned(),
        "a".repeat(3000),
    ];
    for id in ids {
        let path = format!("/customers/{id}");
        let answers = [
            api.get(&path),
            api.delete(&path),
            api.patch(&path, &json!({ "firstName": "Ada" })),
        ];
        for answer in answers {
            let problem = answer.problem(404, "notFound");
            assert_eq!(problem["title"], expected["title"], "{answer}");
            assert_eq!(problem["detail"], expected["detail"], "{answer}");
        }
    }
    assert_eq!(api.read(&own).json()["firstName"], json!(null));
}

/// One answer of every kind.
fn answers_of_every_kind(request_id: Option<&str>) -> Vec<Answer> {
    let server = Server::shared();
    let api = server.sandbox();
    let calls = [
        api.posting("/customers", &minimal_customer()),
        api.call("GET", "/customers"),
        api.call("POST", "/customers").json(&minimal_customer()),
        api.posting("/customers", &json!({})),
        api.posting("/customers", &json!({}))
            .body("text/plain", "x"),
        api.posting("/customers", &json!({}))
            .body("application/json", vec![b' '; 70_000]),
        api.call("PUT", "/customers"),
        api.call("GET", "/customers/cst_0"),
        server.call("GET", "/v0.9/customers"),
        server.call("GET", "/nowhere"),
        server.call("GET", "/openapi.json"),
        server.call("GET", "/docs"),
        server.call("GET", "/healthz"),
        server.call("GET", "/readyz"),
        server.call("GET", "/.well-known/jwks.json"),
        server
            .call("POST", "/v0.9/auth/token")
            .json(&api.key.login()),
    ];
    calls
        .into_iter()
        .map(|call| match request_id {
            Some(id) => call.header("x-request-id", id).send(),
            None => call.send(),
        })
        .collect()
}

#[test]
fn every_answer_carries_a_request_id_of_its_own() {
    let answers = answers_of_every_kind(None);
    let mut seen = std::collections::HashSet::new();
    for answer in answers {
        let id = answer.wants_header("x-request-id").to_owned();
        assert!(RequestId::parse(&id).is_some(), "{answer}");
        assert!(seen.insert(id), "the same id twice: {answer}");
    }
}

#[test]
fn every_answer_carries_the_clients_request_id_if_it_is_sane() {
    for id in ["trace-42", "0b7e8a1c-5a59-4a3c-9a36-4a3b0f6f7a10"] {
        for answer in answers_of_every_kind(Some(id)) {
            assert_eq!(answer.wants_header("x-request-id"), id, "{answer}");
            if answer.status >= 400 {
                assert_eq!(answer.json()["requestId"], id, "{answer}");
            }
        }
    }
}

#[test]
fn an_insane_request_id_is_replaced_by_ours() {
    let server = Server::shared();
    let long = "x".repeat(2000);
    let insane: [&[u8]; 5] = [
        long.as_bytes(),
        b"two words",
        b"tab\there",
        b"caf\xc3\xa9",
        b"",
    ];
    for id in insane {
        let answer = server
            .call("GET", "/healthz")
            .header("x-request-id", id)
            .send()
            .wants(200);
        assert!(
            RequestId::parse(answer.wants_header("x-request-id")).is_some(),
            "{answer}"
        );
    }
}

#[test]
fn the_request_id_stands_in_the_log() {
    let server = Server::shared();
    let api = server.sandbox();
    let ours = api
        .create(&minimal_customer())
        .wants_header("x-request-id")
        .to_owned();
    let theirs = fresh_name("trace");
    api.call("GET", "/customers")
        .header("x-request-id", &theirs)
        .send()
        .wants(200);
    for id in [ours, theirs] {
        crate::support::eventually(
            std::time::Duration::from_secs(5),
            "the id is logged",
            || server.logged().contains(&id).then_some(()),
        );
    }
}

#[test]
fn the_log_has_one_line_per_request_with_route_and_status_and_no_path() {
    let server = Server::shared();
    let api = server.sandbox();
    let id = fresh_name("trace");
    let customer = api.create(&minimal_customer()).id();
    let path = format!("/customers/{customer}");
    api.call("GET", &path)
        .header("x-request-id", &id)
        .send()
        .wants(200);
    let lines: Vec<String> =
        crate::support::eventually(std::time::Duration::from_secs(5), "it is logged", || {
            let lines: Vec<String> = server
                .logged()
                .lines()
                .filter(|line| line.contains(&id))
                .map(str::to_owned)
                .collect();
            (!lines.is_empty()).then_some(lines)
        });
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in ["200", "{customerId}"] {
        assert!(lines[0].contains(part), "no {part}: {}", lines[0]);
    }
}

#[test]
fn health_and_readiness_answer_without_a_token() {
    let server = Server::shared();
    for path in ["/healthz", "/readyz"] {
        server.call("GET", path).send().wants(200);
    }
}

#[test]
fn metrics_are_on_the_operators_listener_only() {
    let server = Server::shared();
    let metrics = server.operator_call("GET", "/metrics").send().wants(200);
    assert!(metrics.text().contains("# TYPE "), "{metrics}");
    server
        .call("GET", "/metrics")
        .send()
        .problem(404, "notFound");
    server
        .sandbox()
        .call_as_written("GET", "/v0.9/metrics")
        .send()
        .problem(404, "notFound");
}

#[test]
fn a_request_that_is_not_http_does_not_end_the_server() {
    let server = Server::shared();
    let answer = raw(server.address(), None, b"NONSENSE\r\n\r\n");
    assert_eq!(answer.status, 400, "{answer}");
    server.call("GET", "/healthz").send().wants(200);
}
