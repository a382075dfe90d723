//! What servers do later: one of them at a time, and another one when that one dies.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::json;

use crate::cluster;
use crate::fleet::Fleet;
use crate::receiver::{Act, Receiver};
use crate::support::{Api, Client, Cluster, Mode, Stopwatch, eventually, full_customer, name_of};

const A_WHILE: Duration = Duration::from_mins(2);

/// For how long a server that was stopped keeps its claim; whoever is held up for longer may
/// find that another one did the same.
const CLAIM: Duration = Duration::from_secs(10);

const CUSTOMERS: usize = 30;

/// So many that some server hears of one's webhook before it hears of the project.
const PROJECTS: usize = 30;

fn register(api: &Api, receiver: &Receiver) -> String {
    let created = api.post("/webhooks", &json!({"url": receiver.url()}));
    created.wants(201).id()
}

/// Makes customers, each at the next server that lives, with one event each.
fn make(fleet: &Fleet, api: &Api, count: usize) {
    let living: Vec<_> = fleet.living().collect();
    for place in 0..count {
        let there = api.at(&living[place % living.len()].base);
        there.create(&json!({"type": "individual", "endorsements": []}));
    }
}

/// How often each delivery came.
fn deliveries(receiver: &Receiver) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for one in receiver.received() {
        let id = one.json()["id"].as_str().expect("each has one").to_owned();
        *times.entry(id).or_insert(0) += 1;
    }
    times
}

#[test]
fn each_delivery_of_three_servers_comes_once() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    for _ in 0..3 {
        let (api, receiver) = (fleet.sandbox(), Receiver::always(Act::Answer(200)));
        let watch = Stopwatch::start();
        let webhook = register(&api, &receiver);
        make(&fleet, &api, CUSTOMERS);
        eventually(A_WHILE, "everything is recorded", || {
            let path = format!("/webhooks/{webhook}/deliveries?limit=100&status=delivered");
            let page = api.get(&path).wants(200).json();
            (page["data"].as_array()?.len() == CUSTOMERS).then_some(())
        });
        let times = deliveries(&receiver);
        assert_eq!(times.len(), CUSTOMERS, "{times:?}");
        if times.values().all(|count| *count == 1) {
            return;
        }
        assert!(watch.elapsed() > CLAIM, "twice: {times:?}");
    }
    panic!("this machine never had ten seconds for it");
}

/// A server that was told of neither project nor webhook by whoever made them knows of both
/// by what is stored; what it took for granted would be a failed attempt.
#[test]
fn a_webhook_of_a_project_made_a_moment_ago_is_told_at_the_first_attempt() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    let projects: Vec<_> = (0..PROJECTS)
        .map(|_| {
            let (key, receiver) = (fleet.key(Mode::Sandbox), Receiver::always(Act::Answer(200)));
            let api = Api::connect(&fleet.spread.next(), &Client::new(), &key);
            let webhook = register(&api, &receiver);
            make(&fleet, &api, 1);
            (api, receiver, webhook)
        })
        .collect();
    for (api, _receiver, webhook) in projects {
        let delivery = eventually(A_WHILE, "an attempt is recorded", || {
            let page = api.get(&format!("/webhooks/{webhook}/deliveries"));
            page.wants(200).json()["data"].as_array()?.first().cloned()
        });
        assert_eq!(delivery["status"], "delivered", "{delivery}");
        assert_eq!(delivery["attempts"], 1, "{delivery}");
    }
}

/// Who works for the only webhook of a database.
fn holder(cluster: &Cluster, url: &str) -> String {
    let name = name_of(url);
    let held = "SELECT claimed_by FROM webhook_progress";
    cluster.sql(name, held).expect("it answers")
}

#[test]
fn when_a_server_dies_another_one_delivers() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let mut fleet = Fleet::start(&url, 3, &[]);
    let (api, receiver) = (fleet.sandbox(), Receiver::always(Act::Answer(200)));
    register(&api, &receiver);
    make(&fleet, &api, 3);
    let mut told = 3;
    let told_all = |told: usize| {
        eventually(A_WHILE, "every event is told", || {
            (deliveries(&receiver).len() == told).then_some(())
        });
    };
    told_all(told);
    let first = holder(cluster, &url);
    // Whoever it is: one of the three.
    for place in [0, 1, 2] {
        fleet.kill(place);
        if place == 2 {
            fleet.replace(0);
        }
        let living = fleet.living().next().expect("one lives").base.clone();
        make(&fleet, &api.at(&living), 3);
        told += 3;
        told_all(told);
        if holder(cluster, &url) != first {
            return;
        }
    }
    panic!("nobody took over from {first}");
}

#[test]
fn three_servers_ask_the_provider_once_about_each_customer() {
    let Some(cluster) = cluster() else { return };
    let provider = Receiver::always(Act::Answer(202));
    let url = provider.url();
    let settings = [
        ("OMS_VERIFICATION_PROVIDER_URL", url.as_str()),
        (
            "OMS_VERIFICATION_PROVIDER_SECRET",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
        ),
    ];
    let fleet = Fleet::start(&cluster.new_database(), 3, &settings);
    let key = fleet.key(Mode::Live);
    let api = Api::connect(&fleet.spread.next(), &Client::new(), &key);
    let mut made = HashSet::new();
    for _ in 0..CUSTOMERS {
        let created = api.at(&fleet.spread.next()).create(&full_customer());
        made.insert(created.id());
    }
    eventually(A_WHILE, "the provider is asked about everybody", || {
        (provider.count() >= CUSTOMERS).then_some(())
    });
    let name = name_of(fleet.url());
    let waiting = "SELECT COUNT(*) FROM verifications WHERE accepted_at IS NULL";
    eventually(A_WHILE, "nobody waits any more", || {
        let waiting = cluster.sql(name, waiting).expect("it answers");
        (waiting == "0").then_some(())
    });
    let asked = provider.received();
    let ids: HashSet<_> = asked.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(ids.len(), CUSTOMERS);
    assert_eq!(asked.len(), CUSTOMERS, "somebody was asked about twice");
}
