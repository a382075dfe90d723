//! Section 2: who may call.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, InProcess, Mode, Server, Stopwatch, eventually, fresh_name, minimal_customer,
};

#[track_caller]
fn refused(answer: &Answer, code: &str) {
    answer.problem(401, code);
    let challenge = answer.wants_header("www-authenticate");
    assert!(challenge.starts_with("Bearer"), "{answer}");
}

#[test]
fn without_a_token_the_answer_is_token_missing() {
    let server = Server::shared();
    refused(
        &server.call("GET", "/v0.9/customers").send(),
        "tokenMissing",
    );
    let post = server
        .call("POST", "/v0.9/customers")
        .header("idempotency-key", "k");
    refused(&post.json(&minimal_customer()).send(), "tokenMissing");
}

#[test]
fn a_malformed_token_is_token_invalid() {
    let server = Server::shared();
    let own = server.sandbox().token;
    let parts: Vec<&str> = own.split('.').collect();
    let long = "a".repeat(20_000);
    let tokens = [
        "nonsense",
        "a.b.c",
        "..",
        &format!("{}.{}", parts[0], parts[1]),
        &format!("{own}.x"),
        &format!("{own}{own}"),
        &long,
    ];
    for token in tokens {
        let call = server.call("GET", "/v0.9/customers");
        refused(
            &call
                .header("authorization", format!("Bearer {token}"))
                .send(),
            "tokenInvalid",
        );
    }
}

#[test]
fn another_scheme_than_bearer_is_401() {
    let server = Server::shared();
    for value in ["Basic YTpi", "Bearer", "Bearer ", "Token x"] {
        let call = server
            .call("GET", "/v0.9/customers")
            .header("authorization", value);
        let answer = call.send();
        let code = answer.json()["code"].clone();
        assert!(
            code == "tokenMissing" || code == "tokenInvalid",
            "{value}: {answer}"
        );
        refused(&answer, code.as_str().expect("a text"));
    }
}

#[test]
fn the_scheme_is_read_in_any_case() {
    let api = Server::shared().sandbox();
    let call = api.call("GET", "/customers").without("authorization");
    call.header("authorization", format!("bearer {}", api.token))
        .send()
        .wants(200);
}

#[test]
fn a_token_is_asked_for_before_the_request_is_read() {
    let server = Server::shared();
    refused(
        &server.call("POST", "/v0.9/customers").text("{").send(),
        "tokenMissing",
    );
    refused(
        &server.call("GET", "/v0.9/customers?limit=x").send(),
        "tokenMissing",
    );
    refused(
        &server.call("GET", "/v0.9/customers/x").send(),
        "tokenMissing",
    );
}

#[test]
fn a_token_works_until_it_expires_and_not_after() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    server.advance(3599);
    api.list("");
    server.advance(2);
    refused(&api.get("/customers"), "tokenExpired");
    server.connect(&api.key).list("");
}

#[test]
fn the_lifetime_of_a_token_is_a_setting() {
    let server = InProcess::start(|config| config.token_lifetime = Duration::from_mins(2));
    let api = server.sandbox();
    let answer = server
        .call("POST", "/v0.9/auth/token")
        .json(&api.key.login())
        .send()
        .wants(200);
    assert_eq!(answer.json()["expiresIn"], 120, "{answer}");
    server.advance(119);
    api.list("");
    server.advance(2);
    refused(&api.get("/customers"), "tokenExpired");
}

#[test]
fn revoking_a_key_ends_its_tokens_within_one_second() {
    let server = Server::shared();
    let (project, api) = (fresh_name("project"), server.sandbox());
    let other = server.connect(&server.key(&project, Mode::Sandbox, None));
    let output = server.keys(&["revoke", &api.key.api_key]);
    let since = Stopwatch::start();
    assert!(output.status.success(), "{output:?}");
    let answer = eventually(Duration::from_secs(5), "the token is refused", || {
        Some(api.get("/customers")).filter(|answer| answer.status != 200)
    });
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "after {:?}",
        since.elapsed()
    );
    refused(&answer, "tokenInvalid");
    other.list("");
}

#[test]
fn a_revoked_key_gets_no_token() {
    let server = Server::shared();
    let api = server.sandbox();
    let output = server.keys(&["revoke", &api.key.api_key]);
    assert!(output.status.success(), "{output:?}");
    let answer = eventually(Duration::from_secs(1), "the key is refused", || {
        let answer = server
            .call("POST", "/v0.9/auth/token")
            .json(&api.key.login())
            .send();
        (answer.status != 200).then_some(answer)
    });
    answer.problem(401, "credentialsInvalid");
}

#[test]
fn a_revoked_key_stays_revoked_over_a_restart() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    assert!(server.keys(&["revoke", &api.key.api_key]).status.success());
    let server = Server::start_owning(server.into_folder());
    refused(&api.at(&server.base).get("/customers"), "tokenInvalid");
}

#[test]
fn a_token_lives_on_over_a_restart() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let server = Server::start_owning(server.into_folder());
    api.at(&server.base).list("");
}

#[test]
fn a_key_without_the_scope_is_403_and_the_detail_names_it() {
    let server = Server::shared();
    let project = fresh_name("project");
    let reader = server.connect(&server.key(&project, Mode::Sandbox, Some("customers:read")));
    let writer = server.connect(&server.key(&project, Mode::Sandbox, Some("customers:write")));
    let id = writer.create(&minimal_customer()).id();
    let path = format!("/customers/{id}");
    reader.get(&path).wants(200);
    reader.get("/customers").wants(200);
    writer
        .patch(&path, &json!({ "firstName": "Ada" }))
        .wants(200);
    let lacks = |answer: Answer, scope: &str| {
        let problem: Value = answer.problem(403, "scopeMissing");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.contains(scope)),
            "{answer}"
        );
    };
    lacks(
        reader.post("/customers", &minimal_customer()),
        "customers:write",
    );
    lacks(
        reader.patch(&path, &json!({ "firstName": "Eve" })),
        "customers:write",
    );
    lacks(reader.delete(&path), "customers:write");
    lacks(writer.get(&path), "customers:read");
    lacks(writer.get("/customers"), "customers:read");
    let kept = reader.read(&id);
    assert_eq!(kept.json()["firstName"], "Ada", "{kept}");
    assert_eq!(kept.json()["status"], "active", "{kept}");
}

#[test]
fn a_key_with_several_scopes_has_each_of_them() {
    let server = Server::shared();
    let scopes = Some("customers:read,customers:write");
    let api = server.connect(&server.key(&fresh_name("project"), Mode::Sandbox, scopes));
    let id = api.create(&minimal_customer()).id();
    api.read(&id);
}

#[test]
fn keys_of_one_project_and_mode_see_the_same_customers() {
    let server = Server::shared();
    let project = fresh_name("project");
    let [one, two] = [(); 2].map(|()| server.connect(&server.key(&project, Mode::Sandbox, None)));
    let id = one.create(&minimal_customer()).id();
    assert_eq!(two.read(&id).json(), one.read(&id).json());
}

#[test]
fn an_api_key_in_the_place_of_a_token_is_to_be_exchanged() {
    let server = Server::shared();
    let key = server.key(&fresh_name("project"), Mode::Sandbox, None);
    let shown = [
        format!("Bearer {}", key.api_key),
        key.api_key.clone(),
        "Bearer sk_live_unknown".to_owned(),
    ];
    for credential in shown {
        let call = server.call("GET", "/v0.9/customers");
        let answer = call.header("Authorization", &credential).send();
        let problem = answer.problem(401, "tokenInvalid");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("POST /auth/token"), "{detail}");
        assert!(!detail.contains(&key.api_key), "{detail}");
    }
}
