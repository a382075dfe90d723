//! The client for outgoing requests: where it goes, whom it trusts, when it stops.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use oms::core::reach::Reach;
use oms::outbound::{Answer, Failure, LONGEST_ANSWER, Limits, Outbound, Request, Resolver};
use url::Url;

use crate::receiver::{Act, Receiver};
use crate::support::{Folder, Stopwatch};

const QUICK: Limits = Limits {
    connect: Duration::from_millis(300),
    total: Duration::from_secs(2),
};

fn client(resolver: Resolver) -> Outbound {
    Outbound::with(None, resolver, QUICK).expect("a client")
}

/// Answers each look-up with the next of these, the last for ever, and counts.
fn telling(answers: &'static [&'static str]) -> (Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |_: &str| -> Vec<IpAddr> {
        let number = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let split = answers[number].split(',');
        split.map(|one| one.parse().expect("an address")).collect()
    };
    (Resolver::Told(Arc::new(answer)), asked)
}

async fn post(client: &Outbound, url: &str, reach: Reach) -> Result<Answer, Failure> {
    let request = Request {
        method: Method::POST,
        url: &Url::parse(url).expect("a URL"),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
    };
    client.send(&request, reach).await
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_checked_address_is_the_one_connected_to() {
    let receiver = Receiver::always(Act::Answer(200));
    let url = format!("http://hook.localhost:{}/", receiver.address.port());
    // A second look-up within the first attempt would have been told 10.0.0.1.
    let (resolver, asked) = telling(&["127.0.0.1", "10.0.0.1"]);
    let client = client(resolver);
    let first = post(&client, &url, Reach::Loopback).await;
    assert_eq!(first.map(|answer| answer.status), Ok(200));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // The connection of the first attempt is still open, and not used: the check comes first.
    let second = post(&client, &url, Reach::Loopback).await;
    assert!(matches!(second, Err(Failure::NotAllowed(_))), "{second:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_public_first_and_private_later_reaches_nobody_inside() {
    let receiver = Receiver::always(Act::Answer(200));
    let url = format!("https://rebinding.example:{}/", receiver.address.port());
    let (resolver, asked) = telling(&["93.184.215.14", "127.0.0.1", "93.184.215.14,127.0.0.1"]);
    let client = client(resolver);
    let public = post(&client, &url, Reach::Public).await;
    assert!(
        matches!(public, Err(Failure::NotConnected(_) | Failure::TimedOut)),
        "{public:?}"
    );
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "one look-up for one attempt"
    );
    for attempt in ["private", "one of both"] {
        let Err(refused @ Failure::NotAllowed(_)) = post(&client, &url, Reach::Public).await else {
            panic!("{attempt} was not refused");
        };
        let words = refused.to_string();
        assert!(!words.contains("127.0.0.1"), "{words} tells where it leads");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_is_out_of_reach_is_refused_before_anybody_is_asked() {
    let (resolver, asked) = telling(&["127.0.0.1"]);
    let client = client(resolver);
    for (url, reach) in [
        ("http://example.com/", Reach::Public),
        ("http://example.com/", Reach::Loopback),
        ("https://169.254.169.254/", Reach::Loopback),
        ("https://[::ffff:10.0.0.1]/", Reach::Public),
    ] {
        let refused = post(&client, url, reach).await;
        assert!(
            matches!(refused, Err(Failure::NotAllowed(_))),
            "{url}: {refused:?}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_an_endless_one_is_cut() {
    let client = client(Resolver::System);
    let redirect = Receiver::always(Act::Redirect);
    let answer = post(&client, &redirect.url(), Reach::Loopback)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.whole), (307, true));
    let endless = Receiver::always(Act::NeverStop);
    let answer = post(&client, &endless.url(), Reach::Loopback)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.whole), (200, false));
    assert_eq!(answer.body.len(), LONGEST_ANSWER);
    let half = Receiver::always(Act::CloseInTheMiddle);
    let answer = post(&client, &half.url(), Reach::Loopback).await.unwrap();
    assert_eq!((answer.status, answer.whole), (200, false));
    let mute = Receiver::always(Act::Close);
    let failed = post(&client, &mute.url(), Reach::Loopback).await;
    assert!(matches!(failed, Err(Failure::Broken(_))), "{failed:?}");
    let watch = Stopwatch::start();
    let hanging = Receiver::always(Act::Hang);
    let failed = post(&client, &hanging.url(), Reach::Loopback).await;
    assert_eq!(failed, Err(Failure::TimedOut));
    assert!(watch.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_closed_one_is_replaced() {
    let receiver = Receiver::start(|_, number| match number {
        // The third comes over a connection that then turns out to be closed.
        2 => Act::Close,
        _ => Act::Answer(200),
    });
    let client = client(Resolver::System);
    for _ in 0..3 {
        let answer = post(&client, &receiver.url(), Reach::Loopback).await;
        assert_eq!(answer.map(|answer| answer.status), Ok(200));
    }
    assert_eq!(receiver.connections(), 2);
    assert_eq!(
        receiver.received()[0].header("host"),
        receiver.address.to_string()
    );
    assert_eq!(receiver.received()[0].line, "POST /hooks HTTP/1.1");
}

#[tokio::test]
async fn only_a_verified_certificate_of_the_host_will_do() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let receiver = Receiver::secure(Act::Answer(200), &certificate);
    let port = receiver.address.port();
    let folder = Folder::new();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, certificate.cert.pem()).unwrap();
    let (resolver, _) = telling(&["127.0.0.1"]);
    let trusting = Outbound::with(Some(&file), resolver.clone(), QUICK).unwrap();
    let url = format!("https://localhost:{port}/");
    let answer = post(&trusting, &url, Reach::Loopback).await;
    assert_eq!(answer.map(|answer| answer.status), Ok(200));
    let foreign = format!("https://other.localhost:{port}/");
    let refused = post(&trusting, &foreign, Reach::Loopback).await;
    assert!(
        matches!(refused, Err(Failure::NotConnected(_))),
        "{refused:?}"
    );
    let strict = client(resolver);
    let refused = post(&strict, &url, Reach::Loopback).await;
    assert!(
        matches!(refused, Err(Failure::NotConnected(_))),
        "{refused:?}"
    );
    assert_eq!(receiver.received().len(), 1);

    std::fs::write(&file, "no certificate").unwrap();
    assert!(Outbound::new(Some(&file)).is_err());
}

/// How long anything here may take on a busy machine.
const A_WHILE: Duration = Duration::from_mins(1);

/// A name server that says nothing about some names, as long as the other end is there, and
/// how many wait for it.
fn partly_silent() -> (Resolver, Arc<AtomicUsize>, crossbeam_channel::Sender<()>) {
    let (end, silence) = crossbeam_channel::bounded::<()>(0);
    let waiting = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&waiting);
    let answer = move |name: &str| -> Vec<IpAddr> {
        if name.starts_with("silent") {
            count.fetch_add(1, Ordering::SeqCst);
            _ = silence.recv();
        }
        vec!["127.0.0.1".parse().expect("an address")]
    };
    (Resolver::Told(Arc::new(answer)), waiting, end)
}

async fn reaches(waiting: &AtomicUsize, count: usize) {
    let reached = async {
        while waiting.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(A_WHILE, reached).await;
    reached.expect("the names are looked up");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_names_hold_up_neither_others_of_their_project_nor_other_projects() {
    let receiver = Receiver::always(Act::Answer(200));
    let port = receiver.address.port();
    let (resolver, waiting, _end) = partly_silent();
    let patient = Limits {
        total: 2 * A_WHILE,
        ..Limits::default()
    };
    let client = Outbound::with(None, resolver, patient).expect("a client");
    // All webhooks of two projects but one, each with as many requests at once as it may have:
    // more than the runtime has threads for calls that block.
    for project in [1, 2] {
        for number in 0..19 {
            for _ in 0..16 {
                let client = client.of_project(project);
                let url = format!("http://silent-{number}.localhost:{port}/");
                tokio::spawn(async move { post(&client, &url, Reach::Loopback).await });
            }
        }
    }
    reaches(&waiting, 2 * 19).await;
    for project in [1, 2, 3] {
        let url = format!("http://heard.localhost:{port}/");
        let client = client.of_project(project);
        let answer = post(&client, &url, Reach::Loopback);
        let answer = tokio::time::timeout(A_WHILE, answer).await;
        let answer = answer.expect("nobody holds it up");
        assert_eq!(answer.map(|answer| answer.status), Ok(200));
    }
    // Each name is asked about once.
    assert_eq!(waiting.load(Ordering::SeqCst), 2 * 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_a_few_names_looked_up_at_once_and_an_attempt_ends_in_time() {
    let (resolver, waiting, _end) = partly_silent();
    let client = client(resolver).of_project(1);
    for number in 0..24 {
        let url = format!("http://silent-{number}.localhost/");
        let failed = async { post(&client, &url, Reach::Loopback).await };
        let failed = tokio::select! {
            failed = failed => Some(failed),
            () = reaches(&waiting, number + 1) => None,
        };
        assert!(failed.is_none() || failed == Some(Err(Failure::TimedOut)));
    }
    let one_more = post(&client, "http://silent-24.localhost/", Reach::Loopback).await;
    assert!(
        matches!(one_more, Err(Failure::NotResolved(_))),
        "{one_more:?}"
    );
    let known = post(&client, "http://silent-0.localhost/", Reach::Loopback).await;
    assert_eq!(known, Err(Failure::TimedOut));
}
