//! Section 2: ten failures a minute for one key or address.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::support::{Answer, InProcess, Key, Mode, Server, fresh_name, raw};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A server with the limit that is the default.
fn server() -> Server {
    Server::start(&[("OMS_AUTH_FAILURES_PER_MINUTE", "10")])
}

fn login_from(server: &Server, from: IpAddr, body: &Value) -> Answer {
    let body = body.to_string();
    let request = format!(
        "POST /v0.9/auth/token HTTP/1.1\r\nHost: oms\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    raw(server.address(), Some(from), request.as_bytes())
}

fn wrong(key: &str) -> Value {
    json!({ "apiKey": key, "apiSecret": "wrong" })
}

#[track_caller]
fn check_limited(answer: &Answer) {
    answer.problem(429, "tooManyRequests");
    let wait: u64 = answer
        .wants_header("retry-after")
        .parse()
        .expect("whole seconds");
    assert!((1..=60).contains(&wait), "{answer}");
}

fn key(server: &Server) -> Key {
    server.key(&fresh_name("project"), Mode::Sandbox, None)
}

#[test]
fn the_eleventh_try_for_one_key_is_429_wherever_it_comes_from() {
    let server = server();
    let (attacked, other) = (key(&server), key(&server));
    for _ in 0..10 {
        login_from(&server, ELSEWHERE, &wrong(&attacked.api_key))
            .problem(401, "credentialsInvalid");
    }
    check_limited(&login_from(&server, HERE, &wrong(&attacked.api_key)));
    check_limited(&login_from(&server, HERE, &attacked.login()));
    login_from(&server, HERE, &other.login()).wants(200);
}

#[test]
fn the_eleventh_try_from_one_address_is_429_whatever_the_key() {
    let server = server();
    let own = key(&server);
    for count in 0..10 {
        let unknown = wrong(&format!("sk_sdbx_{count}"));
        login_from(&server, ELSEWHERE, &unknown).problem(401, "credentialsInvalid");
    }
    check_limited(&login_from(&server, ELSEWHERE, &wrong("sk_sdbx_10")));
    check_limited(&login_from(&server, ELSEWHERE, &own.login()));
    login_from(&server, HERE, &own.login()).wants(200);
}

#[test]
fn successes_are_not_counted() {
    let server = server();
    let own = key(&server);
    for _ in 0..15 {
        login_from(&server, HERE, &own.login()).wants(200);
    }
}

#[test]
fn a_token_in_hand_works_while_the_login_is_limited() {
    let server = server();
    let api = server.sandbox();
    for _ in 0..11 {
        login_from(&server, HERE, &wrong(&api.key.api_key));
    }
    check_limited(&login_from(&server, HERE, &api.key.login()));
    api.list("");
}

#[test]
fn after_a_minute_the_right_secret_works_again() {
    let server = InProcess::start(|config| config.auth_failures_per_minute = 10);
    let key = server.key(&fresh_name("project"), Mode::Sandbox, None);
    let login = |body: &Value| server.call("POST", "/v0.9/auth/token").json(body).send();
    for _ in 0..10 {
        login(&wrong(&key.api_key)).problem(401, "credentialsInvalid");
    }
    check_limited(&login(&key.login()));
    server.advance(61);
    login(&key.login()).wants(200);
}
