//! What a database is told while servers and commands run is understood by every relative of
//! PostgreSQL: whatever a statement was put together from.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::dialect::{BEGINNINGS, MIGRATION_WORDS, STATEMENT_WORDS, strangers};
use crate::fleet::Fleet;
use crate::receiver::{Act, Receiver};
use crate::start;
use crate::support::{Folder, eventually, full_customer, oms};

const A_WHILE: Duration = Duration::from_mins(2);

/// Many more than a start needs.
const AT_LEAST: usize = 90;

/// No error, and a session of a server or a command.
const OURS: &str = " 00000 oms ";

/// What PostgreSQL logs before a statement.
const BEFORE: [&str; 2] = ["LOG:  statement: ", "LOG:  execute "];

/// Every statement that sessions of ours ran, each once, in one line.
fn heard(log: &str) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    let mut open: Option<String> = None;
    for line in log.lines() {
        let line = line.split("--").next().unwrap_or_default();
        // The lines of a statement go on with a tab.
        if let (Some(text), Some(more)) = (&mut open, line.strip_prefix('\t')) {
            text.push(' ');
            text.push_str(more);
            continue;
        }
        all.extend(open.take().as_deref().map(in_one_line));
        let said = line.split_once(OURS).and_then(|(_, said)| {
            let said = BEFORE.iter().find_map(|before| said.strip_prefix(before))?;
            // By which name it was prepared.
            Some(said.split_once(": ").map_or(said, |(name, text)| {
                if name.starts_with('s') { text } else { said }
            }))
        });
        open = said.map(str::to_owned);
    }
    all.extend(open.as_deref().map(in_one_line));
    all
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Much of what servers and commands do.
fn live(fleet: &Fleet) {
    let api = fleet.sandbox();
    let receiver = Receiver::always(Act::Answer(200));
    let hook = api.post("/webhooks", &json!({"url": receiver.url()}));
    let hook = hook.wants(201).id();
    let made = api.create(&full_customer()).id();
    api.change(&made, &json!({"firstName": "Augusta"}))
        .wants(200);
    for path in [
        "/customers?limit=1",
        "/customers?email=ada@example.com",
        "/customers?externalId=user-1842&status=active",
        "/events?limit=1",
        "/webhooks",
        &format!("/customers/{made}/endorsements/usd/history"),
        &format!("/customers/{made}/requirements"),
    ] {
        api.get(path).wants(200);
    }
    api.post("/sandbox/clock", &json!({"advance": "P1D"}))
        .wants(200);
    receiver.wait_for(1);
    eventually(A_WHILE, "a delivery is recorded", || {
        let page = api.get(&format!("/webhooks/{hook}/deliveries"));
        let page = page.wants(200).json();
        page["data"].as_array().and_then(|all| all.first().cloned())
    });
    let hold = [
        "customers",
        "hold",
        &made,
        "--until",
        "2999-01-01",
        "--reason",
        "a case",
    ];
    let lift = [
        "customers",
        "hold",
        &made,
        "--lift",
        "--reason",
        "it is over",
    ];
    for command in [&hold[..], &lift] {
        let done = fleet.run(command);
        assert!(done.status.success(), "{done:?}");
    }
    let erase = format!("/customers/{made}/erase");
    api.post(&erase, &json!({"reason": "asked"})).wants(200);
    for command in [
        &["audit", "verify"][..],
        &["audit", "export"],
        &["doctor"],
        &["keys", "list"],
        &["keys", "rotate-signing"],
        &["keys", "rotate-master"],
        &["customers", "export"],
        &["reviews", "list"],
        &["projects", "list"],
        &["keys", "revoke", &api.key.api_key],
    ] {
        let done = fleet.run(command);
        assert!(done.status.success(), "{command:?}: {done:?}");
    }
}

#[test]
fn what_a_database_is_told_is_understood_by_every_relative() {
    let Some(cluster) = start(&[], &[("log_statement", "all")]) else {
        return;
    };
    let url = cluster.new_database();
    let mut fleet = Fleet::start(&url, 2, &[]);
    live(&fleet);
    // A move reads every table, or writes it.
    fleet.kill(0);
    fleet.kill(1);
    let folder = Folder::new();
    let there = folder.path().join("data");
    let there = there.to_str().expect("a path of plain text");
    for ends in [[&url, there], [there, &cluster.new_database()]] {
        let moved = oms(
            &["data", "move", "--from", ends[0], "--to", ends[1]],
            &fleet.settings(),
        );
        assert!(moved.status.success(), "{moved:?}");
    }
    let all = heard(&cluster.logged());
    println!("{} statements", all.len());
    assert!(all.len() >= AT_LEAST, "only {}: {all:#?}", all.len());
    for text in all {
        let begins = |word: &&str| text.starts_with(word.trim_end());
        assert!(BEGINNINGS.iter().any(begins), "{text}");
        let found = strangers(&text, &[STATEMENT_WORDS, MIGRATION_WORDS]);
        assert!(found.is_empty(), "{found:?} in {text}");
    }
}
