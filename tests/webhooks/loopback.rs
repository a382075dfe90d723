//! Webhooks of sandboxes to this machine: when they may, what they never reach, what they tell.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use oms::core::reach::Reach;
use oms::outbound::{Answer, Failure, Outbound, Request};
use serde_json::{Value, json};
use url::Url;

use crate::receiver::{Act, Receiver};
use crate::support::{Api, Mode, Server, eventually, fresh_name, minimal_customer};

/// What is told of every address of this machine that gives no answer.
const SILENT: &str = "an address of this machine gave no answer";

const A_WHILE: Duration = Duration::from_mins(1);

fn with(setting: &str) -> Server {
    Server::start(&[("OMS_WEBHOOKS_TO_LOOPBACK", setting)])
}

fn register(api: &Api, url: &str) -> String {
    let made = api.post("/webhooks", &json!({ "url": url }));
    made.wants(201).id()
}

/// The error of the delivery that was attempted, and the status that came. Those behind it wait.
fn error_of(api: &Api, webhook: &str) -> (String, Value) {
    let path = format!("/webhooks/{webhook}/deliveries?limit=100");
    eventually(A_WHILE, "it is attempted", || {
        let page = api.get(&path).json();
        let deliveries = page["data"].as_array().expect("a list").iter();
        let mut failed = deliveries.filter_map(|one| {
            let error = one["error"].as_str()?.to_owned();
            Some((error, one["responseStatus"].clone()))
        });
        failed.next()
    })
}

#[test]
fn without_a_live_key_a_sandbox_reaches_this_machine_and_with_one_it_does_not() {
    let server = with("auto");
    let api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    let webhook = register(&api, &receiver.url());
    api.create(&minimal_customer());
    receiver.wait_for(1);
    server.key(&fresh_name("live"), Mode::Live, None);
    eventually(A_WHILE, "the server hears of the key", || {
        let answer = api.post("/webhooks", &json!({"url": receiver.url()}));
        (answer.status == 422).then(|| answer.field_error("/url", "valueInvalid"))
    });
    let later = api.create(&minimal_customer()).id();
    let (error, _) = error_of(&api, &webhook);
    assert!(error.starts_with("the address is refused"), "{error}");
    // Others of the first may have arrived meanwhile.
    let told = receiver.received();
    let of_later = told
        .iter()
        .filter(|one| one.json().to_string().contains(&later));
    assert_eq!(of_later.count(), 0);
}

#[test]
fn what_is_set_wins_over_what_keys_there_are() {
    let receiver = Receiver::always(Act::Answer(200));
    let url = json!({"url": receiver.url()});
    let off = with("off");
    off.sandbox()
        .post("/webhooks", &url)
        .field_error("/url", "valueInvalid");
    let on = with("on");
    on.project(Mode::Live);
    let api = on.sandbox();
    register(&api, &receiver.url());
    api.create(&minimal_customer());
    receiver.wait_for(1);
}

#[test]
fn the_listeners_of_the_server_are_never_reached() {
    let server = with("auto");
    let api = server.sandbox();
    let ports = [server.address().port(), server.operator_address().port()];
    let urls = ports.map(|port| {
        [
            format!("http://127.0.0.1:{port}/healthz"),
            format!("http://localhost:{port}/healthz"),
        ]
    });
    let webhooks: Vec<_> = urls
        .iter()
        .flatten()
        .map(|url| register(&api, url))
        .collect();
    api.create(&minimal_customer());
    for webhook in webhooks {
        let (error, status) = error_of(&api, &webhook);
        assert_eq!((error.as_str(), status), (SILENT, json!(null)));
    }
}

#[test]
fn ports_of_this_machine_are_not_told_apart() {
    let server = with("auto");
    let api = server.sandbox();
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = closed.local_addr().expect("it has an address");
    drop(closed);
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let no_http = other.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for mut stream in other.incoming().map_while(Result::ok) {
            drop(stream.write_all(b"SSH-2.0-other\r\n"));
        }
    });
    let (hangs, closes) = (Receiver::always(Act::Hang), Receiver::always(Act::Close));
    let addresses = [nobody, no_http, hangs.address, closes.address];
    let plain = addresses.map(|address| format!("http://{address}/"));
    let secure = addresses.map(|address| format!("https://{address}/"));
    let urls = plain.iter().chain(&secure);
    let webhooks: Vec<_> = urls.map(|url| register(&api, url)).collect();
    api.create(&minimal_customer());
    for webhook in webhooks {
        let (error, status) = error_of(&api, &webhook);
        assert_eq!((error.as_str(), status), (SILENT, json!(null)));
    }
}

async fn post(client: &Outbound, url: String) -> Result<Answer, Failure> {
    let request = Request {
        method: Method::POST,
        url: &Url::parse(&url).expect("a URL"),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
    };
    client.send(&request, Reach::Loopback).await
}

#[tokio::test]
async fn a_listener_on_every_address_is_reached_by_none() {
    let receiver = Receiver::always(Act::Answer(200));
    let port = receiver.address.port();
    let listener = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let client = Outbound::for_webhooks(None, vec![listener], 8).expect("a client");
    for host in ["127.0.0.1", "127.0.0.2", "localhost", "[::1]"] {
        let refused = post(&client, format!("http://{host}:{port}/")).await;
        let Err(Failure::Here(why)) = refused else {
            panic!("{host}: {refused:?}");
        };
        assert!(matches!(*why, Failure::NotAllowed(_)), "{host}: {why:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn no_more_connections_are_open_than_may_be_and_idle_ones_make_room() {
    let client = Outbound::for_webhooks(None, Vec::new(), 1).expect("a client");
    let receivers = [0; 2].map(|_| Receiver::always(Act::Answer(200)));
    for _ in 0..2 {
        for receiver in &receivers {
            let answer = post(&client, receiver.url()).await;
            assert_eq!(answer.map(|answer| answer.status), Ok(200));
        }
    }
    let hanging = Receiver::always(Act::Hang);
    let both = tokio::join!(post(&client, hanging.url()), post(&client, hanging.url()));
    assert!(both.0.is_err() && both.1.is_err(), "{both:?}");
    assert_eq!(hanging.most_held(), 1);
}
