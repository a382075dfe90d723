//! Under overload a write is refused before anything is done for it.

use std::thread;
use std::time::Duration;

use crate::support::{Server, Stopwatch, WriteLock, eventually, minimal_customer};

const SOON: Duration = Duration::from_secs(20);

/// More calls than there are threads that write.
const MOST_STUCK: usize = 32;

#[test]
fn while_the_writer_is_stuck_writes_are_refused_at_the_door_and_reads_are_not() {
    let server = Server::start(&[("OMS_OVERLOAD_WAIT_MS", "150")]);
    let api = server.sandbox();
    let made = api.create(&minimal_customer());
    let lock = WriteLock::take(&server.data);
    // Neither a key nor a body that could be read: so long as nobody is
    // refused for the load, it is refused for those.
    let senseless = api.call("POST", "/customers").text("{ no JSON");
    // Some are in the hands of those who write, however many write; the next wait behind them.
    let mut stuck = Vec::new();
    let refused = eventually(SOON, "a write is refused at the door", || {
        if stuck.len() < MOST_STUCK {
            let call = api.posting("/customers", &minimal_customer());
            stuck.push(thread::spawn(move || call.send().status));
        }
        Some(senseless.send()).filter(|answer| answer.status != 400)
    });
    refused.problem(503, "serviceUnavailable");
    refused.wants_header("retry-after");
    let watch = Stopwatch::start();
    api.delete(&format!("/customers/{}", made.id()))
        .problem(503, "serviceUnavailable");
    api.change(&made.id(), &minimal_customer())
        .problem(503, "serviceUnavailable");
    assert!(watch.elapsed() < Duration::from_secs(5), "not at once");
    assert_eq!(api.read(&made.id()).json(), made.json());
    server
        .call("POST", "/v0.9/auth/token")
        .json(&api.key.login())
        .send()
        .wants(200);
    lock.release();
    for one in stuck {
        let status = one.join().expect("it was answered");
        assert!(status == 201 || status == 503, "{status}");
    }
    eventually(SOON, "writes are taken again", || {
        let answer = api.post("/customers", &minimal_customer());
        (answer.status == 201).then_some(())
    });
    let numbers = server.operator_call("GET", "/metrics").send().text();
    let line = "oms_refused_total{reason=\"overload\"} ";
    let count = numbers.lines().find_map(|found| found.strip_prefix(line));
    assert!(count.is_some_and(|count| count != "0"), "{numbers}");
}
