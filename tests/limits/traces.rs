//! Traces over OTLP: what is sent, to whom it belongs, and what is not in it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::collector::{Collector, Span};
use crate::support::{Server, eventually, full_customer, raw};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// The spans of the trace that a test began, once all of them have come.
fn of_trace(collector: &Collector) -> Vec<Span> {
    eventually(Duration::from_secs(20), "the trace is sent", || {
        let mut spans = collector.spans();
        spans.retain(|span| hex(&span.trace) == TRACE);
        let whole = spans.iter().any(|span| hex(&span.parent) == CALLER);
        whole.then_some(spans)
    })
}

#[track_caller]
fn child<'a>(spans: &'a [Span], parent: &Span, name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.parent == parent.id);
    found
        .find(|span| span.name == name)
        .unwrap_or_else(|| panic!("no {name} below {} in {spans:#?}", parent.name))
}

#[test]
fn a_request_is_traced_from_its_head_to_its_commit() {
    let collector = Collector::start();
    let server = Server::start(&[("OMS_OTLP_ENDPOINT", collector.endpoint.as_str())]);
    let api = server.sandbox();
    let customer = full_customer();
    api.posting("/customers", &customer)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .send()
        .wants(201);
    let spans = of_trace(&collector);
    let request = spans.iter().find(|span| hex(&span.parent) == CALLER);
    let request = request.expect("a span below the caller's");
    assert_eq!(request.name, "POST /v0.9/customers");
    let write = child(&spans, request, "write");
    for stage in ["queue", "run", "commit"] {
        child(&spans, write, stage);
    }
    let heads = collector.heads();
    for part in ["post /v1/traces", "content-type: application/x-protobuf"] {
        assert!(heads[0].contains(part), "{}", heads[0]);
    }
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    let fields = customer.as_object().expect("an object");
    let secrets = [api.token.as_str(), api.key.api_secret.as_str()];
    let values = fields.values().filter_map(|value| value.as_str());
    for value in values
        .filter(|value| value.len() > 3 && *value != "individual")
        .chain(secrets)
    {
        assert!(!sent.contains(value), "{value} is in a trace");
    }
}

#[test]
fn a_caller_who_does_not_sample_is_not_traced_and_a_stop_sends_the_rest() {
    let collector = Collector::start();
    let mut server = Server::start(&[("OMS_OTLP_ENDPOINT", collector.endpoint.as_str())]);
    let call = |flags: &str| {
        let parent = format!("00-{TRACE}-{CALLER}-{flags}");
        let call = server.call("GET", "/healthz").header("traceparent", parent);
        call.send().wants(200);
    };
    call("00");
    call("01");
    server.signal("TERM");
    assert!(server.ended(Duration::from_secs(30)).success());
    let spans = of_trace(&collector);
    assert_eq!(spans.len(), 1, "{spans:#?}");
    assert_eq!(spans[0].name, "GET /healthz");
}

#[test]
fn a_collector_that_is_away_harms_nobody() {
    let server = Server::start(&[("OMS_OTLP_ENDPOINT", "http://127.0.0.1:9")]);
    server.sandbox().create(&full_customer());
}

#[test]
fn no_trace_carries_a_text_of_any_length_that_a_caller_gave() {
    let collector = Collector::start();
    let server = Server::start(&[("OMS_OTLP_ENDPOINT", collector.endpoint.as_str())]);
    let long = "m".repeat(600);
    let state = format!("tracestate: a={long},b={long}\r\ntraceparent: 00-{TRACE}-{CALLER}-01");
    let head = format!("M{long} /healthz HTTP/1.1\r\nHost: x\r\n{state}");
    let request = format!("{head}\r\nConnection: close\r\n\r\n");
    raw(server.address(), None, request.as_bytes());
    let spans = of_trace(&collector);
    assert_eq!(spans[0].name, "other /healthz", "{spans:?}");
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(!sent.contains("mmmm"), "{sent}");
}
