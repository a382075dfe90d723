//! What every answer carries, and what none tells.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Request;
use axum::routing::get;
use oms::config::Config;
use oms::context::Context;
use oms::error::Error;
use oms::http::request_id::{Edge, RequestLabel};

use crate::server::{Server, assert_problem, patient, quick, status};

fn get_closing(server: &Server, path: &str, headers: &str) -> String {
    server.exchange(format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
    ))
}

#[test]
fn a_handler_knows_peer_and_request_id() {
    let server = Server::start(&patient());
    let answer = get_closing(&server, "/who", "x-request-id: mine:1.A-b_c\r\n");
    assert!(answer.ends_with("127.0.0.1 mine:1.A-b_c"), "{answer}");
    assert!(
        answer.contains("x-request-id: mine:1.A-b_c\r\n"),
        "{answer}"
    );
}

#[test]
fn a_request_id_that_is_not_sane_is_replaced() {
    let server = Server::start(&patient());
    for header in [
        "",
        "x-request-id: a b\r\n",
        "x-request-id: a\"b\r\n",
        "x-request-id: \r\n",
    ] {
        let answer = get_closing(&server, "/who", header);
        assert!(answer.contains("x-request-id: req_"), "{answer}");
    }
}

#[test]
fn every_refusal_is_a_problem() {
    let server = Server::start(&patient());
    let cases = [
        ("/nowhere", 404, "notFound"),
        ("/panic", 500, "internalError"),
        ("/fault", 500, "internalError"),
        ("/echo", 405, "methodNotAllowed"),
    ];
    for (path, expected, code) in cases {
        let answer = get_closing(&server, path, "x-request-id: mine\r\n");
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(assert_problem(&answer, code)["requestId"], "mine");
        assert!(!answer.contains("private"), "{answer}");
        assert_eq!(answer.contains("allow: POST"), expected == 405, "{answer}");
    }
}

#[test]
fn a_handler_that_takes_too_long_is_answered_503() {
    let mut config = quick();
    config.request_timeout = Duration::from_millis(100);
    let answer = get_closing(&Server::start(&config), "/held", "");
    assert_eq!(status(&answer), 503);
    assert_problem(&answer, "serviceUnavailable");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_has_one_line_per_request_and_nothing_personal() {
    let config = Config::for_data(Path::new("unused"));
    let handler = async |Extension(label): Extension<RequestLabel>| label.set(7);
    let fault = async || Error::internal("the disk is full");
    let router = Router::new().nest(
        "/v0.9",
        Router::new()
            .route("/things/{id}", get(handler))
            .route("/fault", get(fault)),
    );
    let edge = Edge::new(router, Context::system(), &config, Arc::default(), None);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for path in [
                "/v0.9/things/grace?email=hopper",
                "/v0.9/fault",
                "/nowhere/grace",
            ] {
                let request = Request::get(path)
                    .header("host", "oms")
                    .header("x-request-id", "r-1");
                edge.answer(request.body(Body::empty()).unwrap()).await;
            }
        });
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let access: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "oms::access")
        .collect();
    assert_eq!(access.len(), 3, "{text}");
    assert_eq!(access[0]["fields"]["route"], "/v0.9/things/{id}");
    assert_eq!(access[0]["fields"]["project"], 7);
    assert_eq!(access[0]["fields"]["request_id"], "r-1");
    assert_eq!(access[1]["fields"]["status"], 500);
    assert_eq!(access[2]["fields"]["route"], "-");
    assert!(
        !text.contains("grace") && !text.contains("hopper"),
        "{text}"
    );
    let failures: Vec<_> = lines
        .iter()
        .filter(|line| line["level"] == "ERROR")
        .collect();
    assert_eq!(failures.len(), 1, "{text}");
    assert_eq!(failures[0]["fields"]["cause"], "the disk is full");
}
