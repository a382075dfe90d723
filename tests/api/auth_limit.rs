//! Section 2: ten failures a minute for one address.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::support::{
    Answer, InProcess, Key, Mode, Server, connect_from, fresh_name, raw, read_answer,
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A server with the limit that is the default.
fn server() -> Server {
    Server::start(&[("OMS_AUTH_FAILURES_PER_MINUTE", "10")])
}

fn login(headers: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /v0.9/auth/token HTTP/1.1\r\nHost: oms\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn login_from(server: &Server, from: IpAddr, body: &Value) -> Answer {
    login_through(server, from, "", body)
}

/// Signs in with headers that a proxy, or somebody who would be one, sends.
fn login_through(server: &Server, from: IpAddr, headers: &str, body: &Value) -> Answer {
    raw(
        server.address(),
        Some(from),
        login(headers, body).as_bytes(),
    )
}

/// Sends all of them but for their last byte, then the last bytes as fast as that goes.
fn at_once(server: &Server, from: IpAddr, bodies: &[Value]) -> Vec<Answer> {
    let mut open = Vec::new();
    for body in bodies {
        let request = login("", body).into_bytes();
        let mut stream = connect_from(server.address(), Some(from));
        let (most, _) = request.split_at(request.len() - 1);
        stream.write_all(most).expect("the server reads");
        open.push((stream, request));
    }
    for (stream, request) in &mut open {
        let last = &request[request.len() - 1..];
        stream.write_all(last).expect("the server reads");
    }
    open.into_iter()
        .map(|(stream, request)| read_answer(stream, &request))
        .collect()
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
fn a_right_secret_from_elsewhere_passes_however_often_its_key_was_guessed_at() {
    let server = server();
    let attacked = key(&server);
    for last in 2..8 {
        let guesser = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        for _ in 0..10 {
            login_from(&server, guesser, &wrong(&attacked.api_key))
                .problem(401, "credentialsInvalid");
        }
        check_limited(&login_from(&server, guesser, &wrong(&attacked.api_key)));
        login_from(&server, HERE, &attacked.login()).wants(200);
    }
}

#[test]
fn three_hundred_guesses_at_once_get_ten_looks() {
    let server = server();
    let attacked = key(&server);
    let guess = wrong(&attacked.api_key);
    let answers = at_once(&server, ELSEWHERE, &vec![guess; 300]);
    let (looked, limited): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 401);
    assert_eq!((looked.len(), limited.len()), (10, 290));
    limited.into_iter().for_each(check_limited);
    login_from(&server, HERE, &attacked.login()).wants(200);
}

#[test]
fn a_hundred_right_secrets_of_one_address_at_once_all_pass() {
    let server = server();
    let own = key(&server);
    for answer in at_once(&server, ELSEWHERE, &vec![own.login(); 100]) {
        answer.wants(200);
    }
    // Wrong ones among them take their own places and nobody else's.
    let mut mixed = vec![own.login(); 60];
    for place in 0..9 {
        mixed.insert(place * 7, wrong(&own.api_key));
    }
    let mut wrong_ones = 0;
    for (sent, answer) in mixed.iter().zip(at_once(&server, ELSEWHERE, &mixed)) {
        let is_right = *sent == own.login();
        wrong_ones += usize::from(!is_right);
        assert_eq!(answer.status, if is_right { 200 } else { 401 }, "{answer}");
    }
    assert_eq!(wrong_ones, 9);
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

/// A server behind the proxy 127.0.0.2 and others in 127.1.0.0/16.
fn behind_proxies(header: &str) -> Server {
    Server::start(&[
        ("OMS_AUTH_FAILURES_PER_MINUTE", "10"),
        ("OMS_TRUSTED_PROXIES", "127.0.0.2, 127.1.0.0/16"),
        ("OMS_TRUSTED_PROXY_HEADER", header),
    ])
}

/// Ten clients' worth of checks through one proxy; `name` writes the header of a list of hops.
fn check_behind_a_proxy(server: &Server, name: impl Fn(&[&str]) -> String) {
    let own = key(server);
    let by = |hops: &[&str], body: &Value| login_through(server, ELSEWHERE, &name(hops), body);
    let guess = wrong(&own.api_key);
    for _ in 0..10 {
        by(&["198.51.100.1"], &guess).problem(401, "credentialsInvalid");
    }
    check_limited(&by(&["198.51.100.1"], &guess));
    check_limited(&by(&["198.51.100.1"], &own.login()));
    // Another proxy between changes nothing, nor what the client wrote itself.
    check_limited(&by(&["198.51.100.1", "127.1.2.3"], &guess));
    for spoofed in ["203.0.113.77", "unknown", "", "198.51.100.9, 127.0.0.2"] {
        check_limited(&by(&[spoofed, "198.51.100.1"], &guess));
    }
    // No other client is closed, nor the proxy itself, however often one is.
    by(&["198.51.100.2"], &own.login()).wants(200);
    by(&["198.51.100.1", "198.51.100.2"], &own.login()).wants(200);
    by(&["unknown"], &own.login()).wants(200);
    by(&[], &own.login()).wants(200);
    // A network of IPv6 is one client.
    for count in 0..10 {
        let address = format!("2001:db8:0:7:{count}::1");
        by(&[&address], &guess).problem(401, "credentialsInvalid");
    }
    check_limited(&by(&["2001:db8:0:7:ffff::1"], &own.login()));
    by(&["2001:db8:0:8::1"], &own.login()).wants(200);
    // Who is no trusted proxy is believed nothing: the peer is the client.
    let direct = |client: &str, body: &Value| {
        let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
        login_through(server, stranger, &name(&[client]), body)
    };
    for count in 0..10 {
        direct(&format!("203.0.113.{count}"), &guess).problem(401, "credentialsInvalid");
    }
    check_limited(&direct("203.0.113.200", &own.login()));
    by(&["203.0.113.200"], &own.login()).wants(200);
}

#[test]
fn behind_a_trusted_proxy_each_client_has_a_limit_of_its_own() {
    let server = behind_proxies("x-forwarded-for");
    check_behind_a_proxy(&server, |hops| {
        // The other header is the client's word, whatever it says.
        let said = format!("Forwarded: for=192.0.2.{}\r\n", hops.len());
        let lines = hops.iter().map(|hop| format!("X-Forwarded-For: {hop}\r\n"));
        lines.fold(said, |said, line| said + &line)
    });
}

#[test]
fn the_standard_header_of_a_trusted_proxy_does_the_same() {
    let server = behind_proxies("forwarded");
    check_behind_a_proxy(&server, |hops| {
        let hops = hops.iter().map(|hop| {
            if hop.contains(':') {
                format!("for=\"[{hop}]:4711\";proto=https")
            } else {
                format!("proto=https;for={hop}")
            }
        });
        let hops = hops.collect::<Vec<_>>().join(", ");
        format!("X-Forwarded-For: 192.0.2.1\r\nForwarded: {hops}\r\n")
    });
}
