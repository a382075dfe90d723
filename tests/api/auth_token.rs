//! Section 2: the token call and what it gives.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use oms::context::Time;
use serde_json::{Value, json};

use crate::support::{Answer, InProcess, MOMENT_MS, Mode, Server, Stopwatch, fresh_name};

fn login(body: &Value) -> Answer {
    Server::shared()
        .call("POST", "/v0.9/auth/token")
        .json(body)
        .send()
}

fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).expect("three parts");
    let bytes = BASE64.decode(text).expect("base64url without padding");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn the_answer_has_token_type_lifetime_and_end() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let answer = server
        .call("POST", "/v0.9/auth/token")
        .json(&api.key.login())
        .send()
        .wants(200);
    let mut body = answer.json();
    let token = body["accessToken"].take();
    assert!(
        token
            .as_str()
            .is_some_and(|token| token.split('.').count() == 3),
        "{answer}"
    );
    let end = Time::from_millis(MOMENT_MS).plus_seconds(3600).to_string();
    let expected = json!({
        "accessToken": null, "tokenType": "bearer", "expiresIn": 3600, "expiresAt": end,
    });
    assert_eq!(body, expected, "{answer}");
}

#[test]
fn an_api_key_shows_its_mode() {
    let server = Server::shared();
    let project = fresh_name("project");
    assert!(
        server
            .key(&project, Mode::Sandbox, None)
            .api_key
            .starts_with("sk_sdbx_")
    );
    assert!(
        server
            .key(&project, Mode::Live, None)
            .api_key
            .starts_with("sk_live_")
    );
}

#[test]
fn the_token_is_a_jwt_that_the_published_key_verifies() {
    let server = Server::shared();
    let token = server.sandbox().token;
    let header = part(&token, 0);
    assert_eq!(header["alg"], "ES256", "{header}");
    let kid = header["kid"].as_str().expect("a key id");
    let published = server
        .call("GET", "/.well-known/jwks.json")
        .send()
        .wants(200)
        .text();
    let keys: JwkSet = serde_json::from_str(&published).expect("a key set");
    let key = keys
        .find(kid)
        .unwrap_or_else(|| panic!("{kid} is not in {published}"));
    let key = DecodingKey::from_jwk(key).expect("a public key");
    let mut rules = Validation::new(Algorithm::ES256);
    rules.validate_aud = false;
    rules.set_required_spec_claims(&["exp"]);
    jsonwebtoken::decode::<Value>(&token, &key, &rules).expect("the signature is good");
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let server = Server::shared();
    let token = server.sandbox().token;
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = part(&token, 1);
    claims["exp"] = json!(4_000_000_000_i64);
    let encode = |value: &Value| BASE64.encode(value.to_string());
    let none = encode(&json!({ "alg": "none", "typ": "JWT" }));
    let hmac = encode(&json!({ "alg": "HS256", "typ": "JWT", "kid": part(&token, 0)["kid"] }));
    let signed = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(Algorithm::HS256),
        &claims,
        &jsonwebtoken::EncodingKey::from_secret(b"guess"),
    );
    let mut signature = BASE64.decode(parts[2]).expect("base64url");
    signature[10] ^= 1;
    let forged = [
        format!("{}.{}.{}", parts[0], encode(&claims), parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], BASE64.encode(&signature)),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{hmac}.{}.{}", parts[1], parts[2]),
        signed.expect("a token can be signed"),
    ];
    for token in forged {
        let call = server.call("GET", "/v0.9/customers");
        call.header("authorization", format!("Bearer {token}"))
            .send()
            .problem(401, "tokenInvalid");
    }
}

#[test]
fn a_token_of_another_server_is_refused() {
    let other = Server::start(&[]);
    let token = other.sandbox().token;
    let call = Server::shared().call("GET", "/v0.9/customers");
    call.header("authorization", format!("Bearer {token}"))
        .send()
        .problem(401, "tokenInvalid");
}

#[test]
fn a_token_holds_no_secret() {
    let api = Server::shared().sandbox();
    let all = format!("{}{}", part(&api.token, 0), part(&api.token, 1));
    assert!(!all.contains(&api.key.api_secret), "{all}");
}

#[test]
fn wrong_key_and_wrong_secret_are_told_apart_by_nobody() {
    let key = Server::shared().sandbox().key;
    let other = Server::shared().sandbox().key;
    let wrong = [
        json!({ "apiKey": key.api_key, "apiSecret": other.api_secret }),
        json!({ "apiKey": key.api_key, "apiSecret": "x" }),
        json!({ "apiKey": format!("{}x", key.api_key), "apiSecret": key.api_secret }),
        json!({ "apiKey": "sk_sdbx_unknown", "apiSecret": key.api_secret }),
        json!({ "apiKey": "unknown", "apiSecret": "unknown" }),
    ];
    let mut problems = wrong.iter().map(|body| {
        let answer = login(body);
        let mut problem = answer.problem(401, "credentialsInvalid");
        problem["requestId"].take();
        problem
    });
    let first = problems.next().expect("the first");
    for problem in problems {
        assert_eq!(problem, first);
    }
}

#[test]
fn wrong_key_and_wrong_secret_take_the_same_time() {
    let key = Server::shared().sandbox().key;
    let wrong_secret =
        json!({ "apiKey": key.api_key, "apiSecret": "x".repeat(key.api_secret.len()) });
    let unknown_key = format!("sk_sdbx_{}", "x".repeat(key.api_key.len() - 8));
    let wrong_key = json!({ "apiKey": unknown_key, "apiSecret": key.api_secret });
    let time = |body: &Value| {
        let watch = Stopwatch::start();
        login(body).wants(401);
        watch.elapsed()
    };
    let (mut secret, mut unknown): (Vec<Duration>, Vec<Duration>) = (0..200)
        .map(|_| (time(&wrong_secret), time(&wrong_key)))
        .unzip();
    secret.sort_unstable();
    unknown.sort_unstable();
    let (secret, unknown) = (secret[100], unknown[100]);
    let apart = secret.abs_diff(unknown);
    // A slow hash or a look-up on one side only would be far more than this.
    assert!(
        apart < secret.max(unknown) / 3,
        "wrong secret {secret:?}, unknown key {unknown:?}"
    );
}

#[test]
fn an_idempotency_key_is_ignored() {
    let server = Server::shared();
    let (one, two) = (server.sandbox().key, server.sandbox().key);
    let long = "x".repeat(300);
    for key in ["the-same", "the-same", "not valid at all", &long, ""] {
        for login in [one.login(), two.login()] {
            let call = server
                .call("POST", "/v0.9/auth/token")
                .header("idempotency-key", key);
            let answer = call.json(&login).send().wants(200);
            assert_eq!(answer.header("idempotent-replayed"), None, "{answer}");
        }
    }
}

#[test]
fn missing_credentials_are_named() {
    let answer = login(&json!({}));
    answer.field_error("/apiKey", "required");
    answer.field_error("/apiSecret", "required");
    let answer = login(&json!({ "apiKey": 1, "apiSecret": ["x"] }));
    answer.field_error("/apiKey", "typeInvalid");
    answer.field_error("/apiSecret", "typeInvalid");
}

#[test]
fn a_body_that_is_not_json_is_refused_as_everywhere() {
    let server = Server::shared();
    let call = server.call("POST", "/v0.9/auth/token");
    call.clone().text("{").send().problem(400, "bodyNotJson");
    call.clone().text("[]").send().problem(400, "bodyNotObject");
    call.body("text/plain", "{}")
        .send()
        .problem(415, "unsupportedMediaType");
}

#[test]
fn no_answer_may_be_kept_by_a_cache() {
    let api = Server::shared().sandbox();
    let answer = login(&api.key.login()).wants(200);
    assert!(
        answer.wants_header("cache-control").contains("no-store"),
        "{answer}"
    );
}
