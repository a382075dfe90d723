//! One line for each request, whatever happens.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Server, eventually, raw};

fn line_of(log: &str, id: &str) -> Option<Value> {
    let line = log.lines().find(|line| line.contains(id))?;
    Some(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

#[test]
fn a_line_tells_id_route_project_status_and_duration() {
    let server = Server::shared();
    let api = server.sandbox();
    let id = "limits-log-fields";
    api.call("GET", "/customers?limit=1")
        .header("x-request-id", id)
        .send()
        .wants(200);
    let line = eventually(Duration::from_secs(10), "it is logged", || {
        line_of(&server.logged(), id)
    });
    assert_eq!(line["request_id"], id);
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/v0.9/customers");
    assert_eq!(line["status"], 200);
    assert!(line["project"].as_i64().is_some(), "{line}");
    assert!(line["duration_ms"].as_f64().is_some(), "{line}");
    assert_eq!(line["level"], "INFO");
    assert!(!line.to_string().contains("limit=1"), "{line}");
}

#[test]
fn a_stop_loses_no_line() {
    let mut server = Server::start(&[]);
    let names: Vec<_> = (0..200)
        .map(|count| format!("last-words-{count}."))
        .collect();
    for name in &names {
        let call = server.call("GET", "/nowhere");
        call.header("x-request-id", name).send().wants(404);
    }
    server.signal("TERM");
    assert!(server.ended(Duration::from_secs(30)).success());
    let log = server.logged();
    for name in &names {
        assert!(line_of(&log, name).is_some(), "{name} is not in the log");
    }
}

/// A client may call a method as it likes, and so long as the head may be.
#[test]
fn a_method_of_18_kb_stands_in_no_line_and_no_number() {
    let server = Server::shared();
    let method = "M".repeat(18 << 10);
    let id = "limits-log-method";
    let head = format!("{method} /nowhere HTTP/1.1\r\nHost: x\r\nx-request-id: {id}");
    let request = format!("{head}\r\nConnection: close\r\n\r\n");
    let answer = raw(server.address(), None, request.as_bytes());
    assert!(
        answer.status >= 400 && !answer.text().contains("MMMM"),
        "{answer}"
    );
    let line = eventually(Duration::from_secs(10), "it is logged", || {
        line_of(&server.logged(), id)
    });
    assert_eq!(line["method"], "other", "{line}");
    assert!(line.to_string().len() < 1024, "{line}");
    let numbers = server.operator_call("GET", "/metrics").send().text();
    assert!(!numbers.contains("MMMM"), "{numbers}");
}
