//! Rate limits for one API key and for one address.

use std::net::{IpAddr, Ipv4Addr};

use oms::config::{ProxyHeader, TrustedProxies};

use crate::support::{Answer, InProcess, Server, minimal_customer, raw};

const POLICY: &str = "ratelimit-policy";
const LIMIT: &str = "ratelimit";

fn by_key(per_s: u32, burst: u32) -> InProcess {
    InProcess::start(|config| {
        config.rate_limit_per_key_per_s = per_s;
        config.rate_limit_per_key_burst = burst;
    })
}

#[track_caller]
fn check_refused(answer: &Answer) {
    answer.problem(429, "tooManyRequests");
    assert_eq!(answer.wants_header("retry-after"), "1", "{answer}");
}

#[test]
fn without_a_limit_there_is_no_word_of_one() {
    let answer = Server::shared().sandbox().list("");
    assert_eq!(answer.header(POLICY), None, "{answer}");
    assert_eq!(answer.header(LIMIT), None, "{answer}");
}

#[test]
fn a_key_has_its_burst_and_then_its_rate() {
    let server = by_key(2, 4);
    let api = server.sandbox();
    for left in (0..4).rev() {
        let answer = api.list("");
        assert_eq!(answer.wants_header(POLICY), "\"key\";q=4;w=2");
        let limit = answer.wants_header(LIMIT);
        assert!(
            limit.starts_with(&format!("\"key\";r={left};t=")),
            "{limit}"
        );
    }
    let refused = api.get("/customers");
    check_refused(&refused);
    assert_eq!(refused.wants_header(POLICY), "\"key\";q=4;w=2");
    assert_eq!(refused.wants_header(LIMIT), "\"key\";r=0;t=2");
    server.sandbox().list("");
    server.advance(1);
    api.list("");
    api.list("");
    check_refused(&api.get("/customers"));
}

#[test]
fn a_key_over_its_limit_is_refused_before_its_body_is_read() {
    let server = by_key(1, 1);
    let api = server.sandbox();
    api.list("");
    check_refused(&api.call("POST", "/customers").text("{ no JSON").send());
    server.advance(1);
    api.create(&minimal_customer());
}

#[test]
fn a_refused_answer_of_another_kind_carries_the_limit_too() {
    let server = by_key(1, 5);
    let answer = server.sandbox().get("/customers/cst_nobody");
    assert!(answer.status == 404 || answer.status == 400, "{answer}");
    assert!(
        answer.wants_header(LIMIT).starts_with("\"key\";r=4;"),
        "{answer}"
    );
}

#[test]
fn an_address_is_limited_before_its_token_is_looked_at() {
    let server = InProcess::start(|config| {
        config.rate_limit_per_address_per_s = 1;
        config.rate_limit_per_address_burst = 2;
    });
    let call = |path| server.call("GET", path).send();
    call("/v0.9/customers").problem(401, "tokenMissing");
    let answer = call("/nowhere");
    answer.problem(404, "notFound");
    assert_eq!(answer.wants_header(POLICY), "\"address\";q=2;w=2");
    assert_eq!(answer.wants_header(LIMIT), "\"address\";r=0;t=2");
    check_refused(&call("/v0.9/customers"));
    check_refused(&server.call("POST", "/v0.9/auth/token").text("{").send());
    call("/healthz").wants(200);
    call("/readyz").wants(200);
    server.advance(2);
    call("/v0.9/customers").problem(401, "tokenMissing");
}

#[test]
fn both_limits_stand_side_by_side() {
    let server = InProcess::start(|config| {
        config.rate_limit_per_key_per_s = 10;
        config.rate_limit_per_key_burst = 10;
        config.rate_limit_per_address_per_s = 100;
        config.rate_limit_per_address_burst = 200;
    });
    let answer = server.sandbox().list("");
    let policy = answer.wants_header(POLICY);
    assert_eq!(policy, "\"key\";q=10;w=1, \"address\";q=200;w=2");
    let limit = answer.wants_header(LIMIT);
    assert_eq!(limit, "\"key\";r=9;t=1, \"address\";r=198;t=1");
}

#[test]
fn behind_a_trusted_proxy_a_limit_is_of_the_client_it_names() {
    let server = InProcess::start(|config| {
        config.rate_limit_per_address_per_s = 1;
        config.rate_limit_per_address_burst = 1;
        config.trusted_proxies =
            TrustedProxies::parse("127.0.0.1", ProxyHeader::XForwardedFor).expect("an address");
    });
    let call = |client: &str| {
        let call = server.call("GET", "/nowhere");
        call.header("x-forwarded-for", client).send()
    };
    for client in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] {
        call(client).problem(404, "notFound");
        check_refused(&call(client));
    }
    check_refused(&call("2001:db8::2"));
    check_refused(&call("192.0.2.77, 192.0.2.1"));
}

#[test]
fn one_address_does_not_use_up_what_another_has() {
    let server = Server::start(&[
        ("OMS_RATE_LIMIT_PER_ADDRESS_PER_S", "1"),
        ("OMS_RATE_LIMIT_PER_ADDRESS_BURST", "1"),
    ]);
    let request = b"GET /nowhere HTTP/1.1\r\nHost: oms\r\nConnection: close\r\n\r\n";
    let from = |last| {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        raw(server.address(), Some(address), request).status
    };
    assert_eq!((from(2), from(3), from(4)), (404, 404, 404));
    // Five requests cannot take so long that every second one is allowed.
    let again: Vec<_> = (0..5).map(|_| from(2)).collect();
    assert!(again.contains(&429), "{again:?}");
    server.operator_call("GET", "/healthz").send().wants(200);
    let numbers = server.operator_call("GET", "/metrics").send().wants(200);
    let counted = "oms_refused_total{reason=\"address_rate\"} ";
    assert!(numbers.text().contains(counted), "{numbers}");
    assert!(
        !numbers.text().contains(&format!("{counted}0\n")),
        "{numbers}"
    );
}
