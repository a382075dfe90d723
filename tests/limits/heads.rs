//! Heads over HTTP/2 that are too long.

use std::time::Duration;

use crate::support::{Event, Http2, Server};

/// How many bytes of its body an answer has; a 431 has none.
fn body_of_answer(server: &Server, headers: &[(&str, &str)]) -> usize {
    let mut connection = Http2::connect(server.address(), 1 << 16);
    let stream = connection.send("GET", "/healthz", headers);
    loop {
        match connection.next(Duration::from_secs(20)).expect("an answer") {
            Event::Data { bytes, .. } => return bytes,
            Event::Headers {
                stream: on,
                more: false,
            } if on == stream => return 0,
            Event::Headers { .. } => {}
            Event::Reset { .. } | Event::End => panic!("it is answered"),
        }
    }
}

#[test]
fn a_hundred_and_one_headers_are_too_many() {
    let server = Server::shared();
    let names: Vec<_> = (0..101).map(|index| format!("x-{index}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(body_of_answer(server, &headers), 0);
    // The authority of HTTP/2 is one more.
    assert!(body_of_answer(server, &headers[..99]) > 0);
}
