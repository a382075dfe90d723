//! What follows from time alone, on a clock that the test moves; and what is sent, byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use oms::config::Secret;
use oms::jobs;
use oms::vault::MessageKeys;
use serde_json::{Value, json};

use crate::process::{A_WHILE, SECRET, lists, until, with_document};
use crate::support::{Api, InProcess, Mode, eventually, fresh_name, sql};

/// A request as it came.
struct Sent {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let mut named = self.headers.iter().filter(|(known, _)| known == name);
        let found = named.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(named.next().is_none(), "one {name}");
        &found.1
    }
}

/// Takes every request and says nothing but yes.
fn take_all() -> (String, Receiver<Sent>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!(
        "http://{}/verify?v=1",
        listener.local_addr().expect("it is bound")
    );
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a head");
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let split = |line: &String| {
                line.split_once(": ")
                    .map(|(a, b)| (a.to_lowercase(), b.to_owned()))
            };
            let headers: Vec<_> = lines.iter().filter_map(split).collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length
                .and_then(|(_, text)| text.parse().ok())
                .expect("a length");
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let yes = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            drop(reader.get_mut().write_all(yes));
            let line = lines.swap_remove(0);
            if sender
                .send(Sent {
                    line,
                    headers,
                    body,
                })
                .is_err()
            {
                return;
            }
        }
    });
    (url, requests)
}

fn start(url: &str, attempts: u32) -> (InProcess, Api) {
    let server = InProcess::start(|config| {
        config.verification_provider_url = Some(url.to_owned());
        config.verification_provider_secret = Some(Secret::new(SECRET.to_owned()));
        config.verification_attempts = attempts;
    });
    let key = server.key(&fresh_name("project"), Mode::Live, None);
    let api = server.connect(&key);
    (server, api)
}

fn next(requests: &Receiver<Sent>) -> Sent {
    requests
        .recv_timeout(A_WHILE)
        .expect("the provider is asked")
}

#[test]
fn what_is_sent_is_what_the_provider_needs_and_is_signed() {
    let (url, requests) = take_all();
    let (server, api) = start(&url, 10);
    let made = api.create(&with_document("AB-1234567"));
    let sent = next(&requests);
    assert_eq!(sent.line, "POST /verify?v=1 HTTP/1.1");
    assert_eq!(sent.header("content-type"), "application/json");
    let (id, at) = (sent.header("webhook-id"), sent.header("webhook-timestamp"));
    let keys = MessageKeys::parse(SECRET).expect("a secret");
    let signature = sent.header("webhook-signature");
    assert!(keys.verify(signature, (id, at), &sent.body));
    assert_eq!(at, (crate::support::MOMENT_MS / 1000).to_string());
    let body: Value = serde_json::from_slice(&sent.body).expect("JSON");
    let mut person = with_document("AB-1234567");
    let fields = person.as_object_mut().expect("an object");
    for not_told in [
        "type",
        "externalId",
        "metadata",
        "endorsements",
        "signedAgreement",
    ] {
        fields.remove(not_told);
    }
    for document in person["identifyingInformation"]
        .as_array_mut()
        .expect("a list")
    {
        let number = document["number"].as_str().expect("a number").to_owned();
        document["number"] = body["customer"]["identifyingInformation"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|one| one["type"] == document["type"])
            .map(|one| one["number"].clone())
            .filter(|sent| {
                sent.as_str().map(|sent| sent.replace('-', "")) == Some(number.replace('-', ""))
            })
            .expect("the same number, however it is written");
    }
    assert_eq!(body["customer"], person);
    assert_eq!(body["object"], "verificationRequest");
    assert_eq!(body["verificationId"], id);
    assert_eq!(body["customerId"], made.id());
    assert_eq!(body["mode"], "live");
    assert_eq!(body["endorsements"], json!(["cryptoCustody", "usd"]));
    assert_eq!(body["requestedAt"], server.now());
    assert_eq!(
        body["resultPath"],
        format!("/v0.9/verifications/{id}/result")
    );
}

#[test]
fn a_provider_that_gives_no_result_is_asked_again_and_then_a_person() {
    let (url, requests) = take_all();
    let (server, api) = start(&url, 2);
    api.create(&with_document("AB-1234567"));
    let first = next(&requests);
    // State, when to ask next, and the trouble.
    let row = || {
        let row = "SELECT state, due_at, trouble FROM verifications";
        sql(server.data(), row)
    };
    let accepted = || {
        let again = server.server().app().context.now().plus_seconds(24 * 3600);
        let noted = format!("0|{}|", again.as_millis());
        eventually(A_WHILE, "it is noted", || (row() == noted).then_some(()));
    };
    accepted();
    server.advance(24 * 3600 - 1);
    assert!(requests.try_recv().is_err(), "not before its time");
    server.advance(2);
    let second = next(&requests);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    accepted();
    server.advance(25 * 3600);
    let trouble = eventually(A_WHILE, "a person is needed", || {
        let row = row();
        let (_, trouble) = row.strip_prefix("1|")?.split_once('|')?;
        (!trouble.is_empty()).then(|| trouble.to_owned())
    });
    assert!(trouble.contains("gave no result"), "{trouble}");
    assert!(requests.try_recv().is_err(), "no third time");
}

#[test]
fn a_verification_that_was_decided_long_ago_is_forgotten() {
    let (url, requests) = take_all();
    let (server, api) = start(&url, 10);
    let id = api.create(&with_document("AB-1234567")).id();
    let ver = next(&requests).header("webhook-id").to_owned();
    let keys = MessageKeys::parse(SECRET).expect("a secret");
    let result = || {
        let body = json!({ "verificationId": ver, "result": "approved" }).to_string();
        let at = server.server().app().context.now();
        server
            .call("POST", &format!("/v0.9/verifications/{ver}/result"))
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", at.as_seconds().to_string())
            .header("webhook-signature", keys.sign("msg_1", at, body.as_bytes()))
            .text(&body)
            .send()
    };
    result().wants(200);
    let running = server.server();
    let sweep = || {
        running
            .block_on(jobs::sweep_verifications(running.app()))
            .expect("it sweeps");
    };
    server.advance(89 * 24 * 3600);
    sweep();
    result().wants(200);
    server.advance(2 * 24 * 3600);
    sweep();
    result().problem(404, "notFound");
    let api = server.connect(&api.key);
    until(&api, &id, 2, |one| {
        lists(one, "complete", "identityVerification")
    });
}
