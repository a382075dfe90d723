//! Bodies that are too large, too slow or broken.

use std::time::Duration;

use crate::server::{Server, assert_problem, patient, quick, status};

fn post(headers: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n{body}")
}

#[test]
fn a_body_comes_through_in_both_framings() {
    let server = Server::start(&patient());
    let plain = server.exchange(post("connection: close\r\ncontent-length: 5", "hello"));
    assert!(plain.ends_with("\r\n\r\nhello"), "{plain}");
    let chunked = post(
        "transfer-encoding: chunked",
        "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    );
    let chunked = server.exchange(chunked);
    assert!(chunked.ends_with("\r\n\r\nhello"), "{chunked}");
}

#[test]
fn a_stalled_body_is_answered_408() {
    let answer = Server::start(&quick()).exchange(post("content-length: 10", "12345"));
    assert_eq!(status(&answer), 408);
    assert_problem(&answer, "requestTimeout");
}

#[test]
fn a_dribbled_body_is_answered_408_before_the_whole_time_is_over() {
    let mut config = quick();
    config.body_read_timeout = Duration::from_secs(6);
    config.request_timeout = Duration::from_mins(1);
    config.body_min_bytes_per_s = 1 << 20;
    let server = Server::start(&config);
    let mut socket = server.connect();
    // Before the whole time is over, only the minimum rate can end it.
    let patience = config.body_read_timeout * 2 / 3;
    socket.0.set_read_timeout(Some(patience)).unwrap();
    socket.send(post("content-length: 60000", ""));
    socket.dribble(&[b'x'; 50], Duration::from_millis(20));
    let answer = socket.read_to_end();
    assert_eq!(status(&answer), 408);
}

#[test]
fn a_declared_length_over_the_limit_is_refused_unread() {
    let answer = Server::start(&patient()).exchange(post("content-length: 65537", ""));
    assert_eq!(status(&answer), 413);
    assert_problem(&answer, "bodyTooLarge");
}

#[test]
fn an_expecting_client_is_refused_before_it_sends() {
    let headers = "content-length: 65537\r\nexpect: 100-continue";
    let answer = Server::start(&patient()).exchange(post(headers, ""));
    assert_eq!(status(&answer), 413, "no 100 comes before: {answer}");
}

#[test]
fn chunks_are_counted_as_they_come() {
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let body = format!("{chunk}{chunk}1\r\n");
    let server = Server::start(&patient());
    let mut socket = server.connect();
    socket.send(post("transfer-encoding: chunked", &body));
    socket.send("x");
    let answer = socket.read_to_end();
    assert_eq!(status(&answer), 413, "{answer}");
    assert_problem(&answer, "bodyTooLarge");
}

#[test]
fn a_bad_chunk_is_refused() {
    let server = Server::start(&patient());
    for body in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX",
        "fffffffffffffffff\r\n",
    ] {
        let answer = server.exchange(post("transfer-encoding: chunked", body));
        assert_eq!(status(&answer), 400, "{body:?}: {answer}");
    }
}

#[test]
fn a_body_that_nobody_reads_does_not_hang_the_connection() {
    let answer = Server::start(&quick())
        .exchange("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nabc");
    assert_eq!(status(&answer), 405);
    assert_problem(&answer, "methodNotAllowed");
}

/// A client that writes head and body apart must not lose its answer, nor the connection.
#[test]
fn a_refusal_reads_the_body_that_comes_after_it() {
    let server = Server::start(&patient());
    for _ in 0..20 {
        let mut socket = server.connect();
        socket.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n");
        // By the time that another one was answered, the head has been read.
        let other =
            server.exchange("GET /counted HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(status(&other), 200, "{other}");
        socket.send("abc");
        socket.send("GET /counted HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answers = socket.read_to_end();
        assert_eq!(status(&answers), 405, "{answers}");
        assert!(answers.ends_with("counted"), "{answers}");
    }
}

#[test]
fn a_refused_body_that_never_comes_ends_with_a_word() {
    let answer =
        Server::start(&quick()).exchange("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n");
    assert_eq!(status(&answer), 405);
    assert!(answer.contains("connection: close"), "{answer}");
}
