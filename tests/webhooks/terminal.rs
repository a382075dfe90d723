//! Events at the terminal: listened to, forwarded, listed, shown and sent again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::receiver::{Act, Received, Receiver};
use crate::support::{Mode, Server, eventually, fresh_name, full_customer};

#[test]
fn listen_prints_and_forwards_what_happens_in_its_project_and_nothing_else() {
    let server = Server::shared();
    let receiver = Receiver::always(Act::Answer(200));
    let project = fresh_name("project");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    let url = receiver.url();
    let mut listener = server.background(&["listen", "--project", &project, "--forward-to", &url]);
    let soon = Duration::from_secs(30);
    eventually(soon, "it listens", || {
        listener.printed().contains("listening").then_some(())
    });
    server.sandbox().create(&full_customer());
    let made = api.create(&full_customer());
    let all = receiver.wait_for(4);
    let bodies: Vec<_> = all.iter().map(Received::json).collect();
    assert_eq!(bodies[0]["event"], "customer.created");
    assert_eq!(bodies[0]["data"], made.json());
    assert!(
        all.iter()
            .all(|one| !one.header("webhook-signature").is_empty())
    );
    assert!(bodies.iter().all(|body| body["data"]["id"] == made.id()));
    eventually(soon, "it says what became of each", || {
        let lines = listener.printed();
        (lines.matches("-> 200").count() == 4).then_some(())
    });
    let printed = listener.printed();
    let first = printed
        .lines()
        .find(|line| line.contains("customer.created"));
    let first = first.expect("it is printed");
    let event = bodies[0]["eventId"].as_str().expect("an id");
    assert!(first.contains(event), "{first}");
    assert!(first.contains(&format!("{} #1", made.id())), "{first}");
    let ended = listener.interrupt(soon);
    assert!(ended.success(), "ctrl-c is how it ends: {ended}");
}

#[test]
fn who_listens_for_nothing_is_told_so() {
    let server = Server::shared();
    let nowhere = server.run(&["listen", "--project", "misspelt"]);
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
    assert!(
        nowhere
            .stderr
            .contains("there is no project misspelt (sandbox)"),
        "{nowhere:?}"
    );
    let project = fresh_name("project");
    server.key(&project, Mode::Sandbox, None);
    let astray = [
        "listen",
        "--project",
        &project,
        "--forward-to",
        "ftp://example.com/",
    ];
    let astray = server.run(&astray);
    assert_eq!(astray.status.code(), Some(1), "{astray:?}");
    assert!(
        astray.stderr.contains("--forward-to must be an http"),
        "{astray:?}"
    );
    for arguments in [
        [
            "events",
            "show",
            "evt_01h2xcejqtf2nbrexx3vqjhp41",
            "--project",
            &project,
        ],
        [
            "events",
            "resend",
            "evt_01h2xcejqtf2nbrexx3vqjhp41",
            "--project",
            &project,
        ],
    ] {
        let missing = server.run(&arguments);
        assert_eq!(missing.status.code(), Some(1), "{missing:?}");
        assert!(
            missing.stderr.contains("there is no such event"),
            "{missing:?}"
        );
    }
}

#[test]
fn an_event_is_listed_shown_and_sent_again_with_the_same_event_id() {
    let server = Server::shared();
    let receiver = Receiver::always(Act::Answer(200));
    let project = fresh_name("project");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    let made = api.create(&full_customer());
    let listed = server.run(&["events", "list", "--project", &project]);
    assert!(listed.status.success(), "{listed:?}");
    let line = listed
        .stdout
        .lines()
        .find(|line| line.contains("customer.created"));
    let mut words = line.expect("it is listed").split_whitespace();
    let event = words.find(|word| word.starts_with("evt_")).expect("an id");
    let shown = server.run(&["events", "show", event, "--project", &project]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(shown["id"], event);
    assert_eq!(shown["data"], made.json());
    let refused = server.run(&["events", "resend", event, "--project", &project]);
    assert!(
        !refused.status.success(),
        "there is no webhook yet: {refused:?}"
    );
    api.post("/webhooks", &json!({"url": receiver.url()}))
        .wants(201);
    let sent = server.run(&["events", "resend", event, "--project", &project]);
    assert!(sent.status.success(), "{sent:?}");
    let came = eventually(Duration::from_secs(40), "it comes", || {
        let all = receiver.received();
        all.iter()
            .map(Received::json)
            .find(|body| body["eventId"] == event)
    });
    assert_eq!(came["data"], made.json());
}
