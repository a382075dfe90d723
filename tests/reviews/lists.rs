//! Several watch lists side by side: what each of them makes of customers.

use std::fs;

use serde_json::{Value, json};

use super::rescreening::{LISTED, NOBODY, active, history, listed_person, rescreened};
use crate::support::{Api, Folder, Mode, Server};
use crate::{ok, review, statuses};

/// Imports entries under a name, or under none.
fn import(server: &Server, name: Option<&str>, entries: &[&str]) {
    let folder = Folder::new();
    let file = folder.path().join("list.csv");
    fs::write(&file, format!("{}\u{1a}", entries.concat())).expect("written");
    let mut words = vec!["watchlist", "import", file.to_str().expect("plain")];
    if let Some(name) = name {
        words.extend(["--name", name, "--date", "2026-01-02"]);
    }
    ok(&server.run(&words));
}

fn basic(api: &Api, id: &str) -> Value {
    api.read(id).json()["endorsements"][0].clone()
}

/// Why an endorsement is at issue, for the developer.
fn why(endorsement: &Value) -> String {
    let issues = &endorsement["requirements"]["issues"];
    assert_eq!(issues, &json!(["sanctionsScreening"]), "{endorsement}");
    let reason = &endorsement["rejectionReasons"][0]["developerReason"];
    reason.as_str().expect("a reason").to_owned()
}

#[test]
fn lists_stand_side_by_side_and_each_import_or_removal_is_of_one() {
    let server = Server::start(&[]);
    let api = server.project(Mode::Live);
    import(&server, None, &[NOBODY]);
    let id = active(&server, &api, &listed_person());

    // Only the second list names the customer: it says so wherever the hit is shown.
    import(&server, Some("un"), &[LISTED]);
    assert_eq!(rescreened(&server), 1);
    assert_eq!(statuses(&api, &id), ["REVOKED_ISSUES"; 3]);
    let reason = why(&basic(&api, &id));
    assert!(reason.contains("entry 7 of the watch list un,"), "{reason}");
    let newest = &history(&api, &id)[0];
    assert_eq!(newest["actor"], "watchlist:2", "{newest}");
    assert_eq!(newest["reason"], json!(reason));
    assert!(ok(&review(&server, "ada", &["show", &id])).contains(&reason));
    let made = api.create(&listed_person()).id();
    assert_eq!(why(&basic(&api, &made)), reason);
    let metrics = server.operator_call("GET", "/metrics").send().text();
    for line in [
        "oms_watchlist_entries{list=\"ofac-sdn\"} 1",
        "oms_watchlist_entries{list=\"un\"} 1",
        "oms_watchlist_date_timestamp_seconds{list=\"un\"} 1767312000",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }

    // The first is replaced, and the second stays; whoever is on both is on both.
    let twice = LISTED.replace("7,", "70,");
    import(&server, None, &[NOBODY, &twice]);
    assert_eq!(rescreened(&server), 2, "the reason is another one");
    for customer in [&id, &made] {
        let reason = why(&basic(&api, customer));
        let told =
            reason.contains("of the watch list ofac-sdn,") && reason.contains("1 more on un");
        assert!(told, "{reason}");
    }
    import(&server, None, &[NOBODY]);
    assert_eq!(rescreened(&server), 2);
    assert_eq!(why(&basic(&api, &made)), reason);

    // A list that is gone takes nobody in any more; what it found waits for a person.
    ok(&server.run(&["watchlist", "remove", "un"]));
    assert_eq!(rescreened(&server), 2);
    for customer in [&id, &made] {
        let reason = why(&basic(&api, customer));
        let told = "was like entry 7 of the watch list un, which was removed since";
        assert!(reason.contains(told), "{reason}");
    }
    assert_eq!(statuses(&api, &id), ["REVOKED_ISSUES"; 3]);
    let later = api.create(&listed_person()).id();
    let pending = basic(&api, &later)["requirements"]["pending"].clone();
    assert_eq!(pending, json!(["geoCheck"]));
    ok(&review(&server, "ada", &["approve", &id, "basic"]));
    assert_eq!(statuses(&api, &id), ["ACTIVE"; 3]);
    let email = json!({ "email": "timofey@example.com" });
    api.change(&id, &email).wants(200);
    assert_eq!(statuses(&api, &id)[0], "ACTIVE");
}
