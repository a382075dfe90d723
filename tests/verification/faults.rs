//! The provider is away, the server is killed: nobody is lost, and whoever is asked about
//! twice is asked about under the same id.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{
    A_WHILE, Asking, Provider, approved, endorsement, lists, until, with_document,
};
use crate::support::{Mode, Seeded, Server, eventually, files_under, numbers};

/// Waits until the server has noted that the provider took the one request; after that
/// nobody asks for a day.
fn noted(server: &Server) {
    let noted = "SELECT COUNT(accepted_at) FROM verifications";
    eventually(A_WHILE, "it is noted", || {
        (numbers(&server.data, noted) == [1]).then_some(())
    });
}

#[test]
fn a_provider_that_was_away_is_asked_when_it_is_back() {
    let asking = Asking::start(&[]);
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("AB-1234562")).id();
    let told = eventually(A_WHILE, "the list says why", || {
        let list = asking.list();
        list.contains("no connection").then_some(list)
    });
    assert!(told.contains(&id) && told.contains("ver_"), "{told}");
    let _provider = Provider::start(asking.port, Some(&asking.server));
    until(&api, &id, 2, |one| {
        lists(one, "complete", "identityVerification")
    });
}

#[test]
fn after_the_last_attempt_a_person_decides_or_the_provider_is_asked_again() {
    let asking = Asking::start(&[("OMS_VERIFICATION_ATTEMPTS", "2")]);
    let api = asking.server.project(Mode::Live);
    let [first, second] =
        ["AB-1234561", "AB-1234562"].map(|number| api.create(&with_document(number)).id());
    eventually(A_WHILE, "both need a person", || {
        (asking
            .list()
            .matches("needs a person; the provider was asked 2 times")
            .count()
            >= 4)
            .then_some(())
    });
    asking.review("approve", &first, "basic");
    asking.review("approve", &first, "usd");
    asking.review("approve", &first, "cryptoCustody");
    let provider = Provider::start(asking.port, None);
    let again = asking.run(&["reviews", "ask-again"]);
    assert!(
        again.stdout.contains("asked again about 1 customers"),
        "{again:?}"
    );
    let told = told_of_asking_again(&asking);
    assert_eq!(told.len(), 1, "only the one that is asked about: {told:#?}");
    assert_eq!(told[0]["resource"], second.as_str(), "{told:#?}");
    let who = told[0]["who"].as_str().unwrap_or_default();
    assert!(who.starts_with("cli:"), "{told:#?}");
    asking.run(&["reviews", "ask-again"]);
    assert_eq!(told_of_asking_again(&asking).len(), 1, "nobody was left");
    let ver = provider.requests(1)[0].clone();
    asking.result(&ver, &approved(&ver)).send().wants(200);
    until(&api, &second, 2, |one| {
        lists(one, "complete", "identityVerification")
    });
}

#[test]
fn a_late_result_of_a_verification_that_was_given_up_still_counts() {
    let asking = Asking::start(&[("OMS_VERIFICATION_ATTEMPTS", "1")]);
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("AB-1234561")).id();
    let list = eventually(A_WHILE, "a person is needed", || {
        let list = asking.list();
        list.contains("needs a person").then_some(list)
    });
    let at = list.find("ver_").expect("the id is shown");
    let ver = &list[at..at + 30];
    asking.result(ver, &approved(ver)).send().wants(200);
    until(&api, &id, 2, |one| {
        lists(one, "complete", "identityVerification")
    });
}

/// What the audit log says of those whom the provider was asked about again.
fn told_of_asking_again(asking: &Asking) -> Vec<Value> {
    let log = asking.run(&["audit", "export"]);
    assert!(log.status.success(), "{log:?}");
    let rows = log.stdout.lines();
    let rows = rows.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.filter(|row| row["what"] == json!(["verification.askedAgain"]))
        .collect()
}

/// The server dies at a place; started again, it asks.
fn killed_at(place: &str) -> (Vec<String>, Asking, Provider) {
    let mut asking = Asking::start(&[("OMS_FAILPOINT", place)]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("AB-1234561")).id();
    let ended = asking.server.ended(A_WHILE);
    assert!(!ended.success(), "{ended}");
    let before = provider.printed().len() - 1;
    let port = asking.port;
    let asking = Asking::again(asking.server.into_folder(), port, &[]);
    let asked = provider.requests(before + 1);
    noted(&asking.server);
    let asked_later = provider.requests(before + 1);
    assert_eq!(asked, asked_later, "not more often than needed");
    let ver = asked.last().expect("it was asked").clone();
    asking.result(&ver, &approved(&ver)).send().wants(200);
    let api = api.at(&asking.server.base);
    until(&api, &id, 2, |one| {
        lists(one, "complete", "identityVerification")
    });
    (asked, asking, provider)
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn killed_before_it_sends_the_server_asks_after_its_start() {
    let (asked, ..) = killed_at("verification.claimed");
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build has no failpoints")]
fn killed_after_it_sent_the_server_asks_again_under_the_same_id() {
    let (asked, ..) = killed_at("verification.sent");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0], asked[1]);
}

#[test]
fn a_claim_of_a_server_that_died_in_the_middle_of_it_is_not_lost() {
    let mut asking = Asking::start(&[]);
    let api = asking.server.project(Mode::Live);
    // Nobody listens yet: whatever the server was doing, it is killed doing it.
    let ids: Vec<_> = (0..20)
        .map(|number| {
            api.create(&with_document(&format!("AB-1234{number}2")))
                .id()
        })
        .collect();
    asking.server.crash();
    let port = asking.port;
    let asking = Asking::again(asking.server.into_folder(), port, &[]);
    let _provider = Provider::start(port, Some(&asking.server));
    let api = api.at(&asking.server.base);
    for id in &ids {
        until(&api, id, 2, |one| {
            lists(one, "complete", "identityVerification")
        });
    }
}

/// Posts a result for whoever was asked about, again and again, until the server is gone.
fn answer_until_gone(asking: &Asking, provider: &Provider) {
    loop {
        for ver in provider.requests(0) {
            let Ok(answer) = asking.result(&ver, &approved(&ver)).try_send() else {
                return;
            };
            answer.wants(200);
        }
        if asking.server.call("GET", "/healthz").try_send().is_err() {
            return;
        }
    }
}

#[test]
fn killed_at_random_moments_everybody_is_verified_exactly_once() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Seeded::new(seed);
    let mut asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let mut api = asking.server.project(Mode::Live);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.extend((0..4).map(|_| api.create(&with_document("AB-1234562")).id()));
        let moment = Duration::from_millis(random.between(0, 900));
        std::thread::scope(|scope| {
            scope.spawn(|| answer_until_gone(&asking, &provider));
            // The moment between claim, request and result is what the seed decides.
            std::thread::sleep(moment);
            asking.server.signal("KILL");
        });
        let port = asking.port;
        asking = Asking::again(asking.server.into_folder(), port, &[]);
        api = api.at(&asking.server.base);
    }
    eventually(A_WHILE, "everybody is verified", || {
        for ver in provider.requests(0) {
            asking.result(&ver, &approved(&ver)).send().wants(200);
        }
        let verified = |id: &String| {
            let custody = endorsement(&api.read(id), 1);
            lists(&custody, "complete", "identityVerification")
        };
        ids.iter().all(verified).then_some(())
    });
    let exported = asking.run(&["audit", "export"]).stdout;
    let by_provider = |id: &String| {
        let lines = exported.lines();
        let own = lines.filter(|line| line.contains(id) && line.contains("\"who\":\"provider\""));
        own.count()
    };
    for id in &ids {
        assert_eq!(by_provider(id), 1, "{id}");
    }
    let asked: HashSet<_> = provider.requests(0).into_iter().collect();
    assert_eq!(asked.len(), ids.len(), "each under one id, however often");
}

#[test]
fn what_is_opened_for_the_provider_is_noted_and_stands_nowhere_else() {
    let asking = Asking::start(&[("OMS_LOG_LEVEL", "debug")]);
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("CANARY-77")).id();
    eventually(A_WHILE, "an attempt failed", || {
        asking
            .server
            .logged()
            .contains("did not take a request")
            .then_some(())
    });
    let provider = Provider::start(asking.port, None);
    let ver = provider.requests(1)[0].clone();
    let exported = asking.run(&["audit", "export"]);
    let noted = exported
        .stdout
        .lines()
        .filter(|line| line.contains("customer.opened") && line.contains(&id))
        .collect::<Vec<_>>();
    assert!(noted.len() >= 2, "one for each attempt: {exported:?}");
    for line in noted {
        assert!(line.contains("sent to the verification provider"), "{line}");
        assert!(line.contains(&format!("\"requestId\":\"{ver}\"")), "{line}");
        assert!(line.contains("\"who\":\"verification job\""), "{line}");
    }
    let whole = asking.run(&["audit", "verify"]);
    assert!(whole.status.success(), "{whole:?}");
    let folder = asking.server.into_folder();
    for (path, bytes) in files_under(folder.path()) {
        for canary in [
            "CANARY77",
            "CANARY-77",
            "Analytical",
            "1990-05-15",
            "MfKQ9r8GKYqr",
        ] {
            let found = bytes
                .windows(canary.len())
                .any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {}", path.display());
        }
    }
}
