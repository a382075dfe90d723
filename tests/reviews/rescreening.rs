//! What a new watch list makes of customers who are there already.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Api, Folder, Mode, Server, bytes, eventually, full_customer, sql};
use crate::{ok, review, statuses};

pub const NOBODY: &str = "9,\"SCHWARZKOPF, Leonid\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 11 Nov 1951.\"\r\n";
pub const LISTED: &str = "7,\"KARZHENKOV, Timofey Arkadyevich\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 05 Mar 1962; nationality Russia.\"\r\n";

/// Screening begins ten seconds after an import, and a lease lasts fifteen.
const PATIENCE: Duration = Duration::from_mins(2);

struct Lists {
    folder: Folder,
}

impl Lists {
    fn new() -> Self {
        Self {
            folder: Folder::new(),
        }
    }

    fn import(&self, server: &Server, entries: &[&str]) {
        let file = self.folder.path().join("SDN.CSV");
        let text = format!("{}\u{1a}", entries.concat());
        fs::write(&file, text).expect("written");
        let file = file.to_str().expect("plain");
        ok(&server.run(&["watchlist", "import", file]));
    }
}

fn shown(server: &Server) -> Value {
    let shown = server.run(&["watchlist", "show", "--json"]);
    serde_json::from_str(ok(&shown)).expect("JSON")
}

/// Waits until everybody is screened by the list in force; how many changed.
pub fn rescreened(server: &Server) -> i64 {
    let changed = eventually(PATIENCE, "everybody is screened again", || {
        std::thread::sleep(Duration::from_millis(200));
        let rescreening = shown(server)["rescreening"].clone();
        let done = rescreening["finishedAt"].is_string();
        done.then(|| rescreening["changed"].as_i64().expect("a number"))
    });
    // One that breaks off begins again a moment later, and would seem to go on.
    let log = server.logged();
    assert!(!log.contains("panicked"), "{log}");
    changed
}

pub fn listed_person() -> Value {
    let mut listed = full_customer();
    listed["nationality"] = json!("RU");
    listed["firstName"] = json!("Timofey");
    listed["middleName"] = json!("Arkadyevich");
    listed["lastName"] = json!("Karzhenkov");
    listed["birthDate"] = json!("1962-03-05");
    listed
}

pub fn active(server: &Server, api: &Api, body: &Value) -> String {
    let id = api.create(body).id();
    for name in ["basic", "usd", "cryptoCustody"] {
        ok(&review(server, "ada", &["approve", &id, name]));
    }
    assert_eq!(statuses(api, &id), ["ACTIVE"; 3]);
    id
}

pub fn history(api: &Api, id: &str) -> Vec<Value> {
    let path = format!("/customers/{id}/endorsements/basic/history");
    let history = api.get(&path).wants(200).json();
    history["data"].as_array().expect("a list").clone()
}

#[test]
fn a_new_list_takes_back_what_was_granted_until_a_person_clears_it() {
    let (server, lists) = (Server::start(&[]), Lists::new());
    let api = server.project(Mode::Live);
    lists.import(&server, &[NOBODY]);
    let (id, other) = (
        active(&server, &api, &listed_person()),
        active(&server, &api, &full_customer()),
    );
    let sandbox = server.sandbox();
    let automatic = sandbox.create(&listed_person()).id();
    rescreened(&server);
    let untouched = api.read(&other).json();

    lists.import(&server, &[NOBODY, LISTED]);
    assert_eq!(rescreened(&server), 1, "only one is on it");
    assert_eq!(statuses(&api, &id), ["REVOKED_ISSUES"; 3]);
    let customer = api.read(&id).json();
    let basic = &customer["endorsements"][0];
    let issues = &basic["requirements"]["issues"];
    assert_eq!(issues, &json!(["sanctionsScreening"]), "{basic}");
    let reason = basic["rejectionReasons"][0]["developerReason"].clone();
    let entry = "may be entry 7 of the watch list";
    assert!(reason.as_str().is_some_and(|text| text.contains(entry)));
    let newest = &history(&api, &id)[0];
    assert_eq!(newest["actor"], "watchlist:2", "{newest}");
    assert_eq!(
        (&newest["from"], &newest["to"], &newest["reason"]),
        (&json!("ACTIVE"), &json!("REVOKED_ISSUES"), &reason)
    );
    assert_eq!(api.read(&other).json(), untouched);
    assert_eq!(statuses(&sandbox, &automatic), ["ACTIVE"; 3]);

    // Cleared: the same entry in another list asks no more, a changed one does.
    ok(&review(&server, "ada", &["approve", &id, "basic"]));
    assert_eq!(statuses(&api, &id), ["ACTIVE"; 3]);
    let more = NOBODY.replace("9,", "10,").replace("Leonid", "Egor");
    lists.import(&server, &[NOBODY, LISTED, &more]);
    assert_eq!(rescreened(&server), 0);
    assert_eq!(statuses(&api, &id), ["ACTIVE"; 3]);
    let changed = LISTED.replace("nationality Russia", "nationality Belarus");
    lists.import(&server, &[NOBODY, &changed]);
    assert_eq!(rescreened(&server), 1);
    assert_eq!(statuses(&api, &id), ["REVOKED_ISSUES"; 3]);

    // Nobody decided anything about this hit: it goes with the entry.
    lists.import(&server, &[NOBODY, &more]);
    assert_eq!(rescreened(&server), 1);
    assert_eq!(statuses(&api, &id)[0], "ACTIVE");
}

/// A row that was altered is told of and passed over, and the others are screened.
#[test]
fn an_altered_row_keeps_nobody_else_from_being_screened() {
    let (server, lists) = (Server::start(&[]), Lists::new());
    let api = server.project(Mode::Live);
    lists.import(&server, &[NOBODY]);
    let altered = active(&server, &api, &full_customer());
    let listed = active(&server, &api, &listed_person());
    let id = oms::id::CustomerId::parse(&altered).expect("an id");
    let id = bytes(id.as_bytes());
    let alter = format!("UPDATE customers SET updated_at = updated_at + 1 WHERE id = {id}");
    sql(&server.data, &alter);
    lists.import(&server, &[NOBODY, LISTED]);
    assert_eq!(rescreened(&server), 1);
    assert_eq!(statuses(&api, &listed), ["REVOKED_ISSUES"; 3]);
    let log = server.logged();
    let told = |line: &str| line.contains("not screened again") && line.contains(&altered);
    assert!(log.lines().any(told), "{log}");
    let metrics = server.operator_call("GET", "/metrics").send().wants(200);
    let counted = "oms_rescreened_customers_passed_over_total 1";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    let doctor = server.run(&["doctor"]);
    assert!(!doctor.status.success(), "{doctor:?}");
    assert!(doctor.stdout.contains(&altered), "{doctor:?}");
}

#[test]
fn what_a_person_found_at_issue_stays_when_the_hit_goes() {
    let (server, lists) = (Server::start(&[]), Lists::new());
    let api = server.project(Mode::Live);
    lists.import(&server, &[NOBODY]);
    let id = active(&server, &api, &listed_person());
    let requirement = ["--requirement", "sanctionsScreening"];
    let revoke = [&["revoke", &id, "basic"][..], &requirement].concat();
    ok(&review(&server, "ada", &revoke));
    lists.import(&server, &[NOBODY, LISTED]);
    rescreened(&server);
    lists.import(&server, &[NOBODY]);
    rescreened(&server);
    assert_eq!(statuses(&api, &id), ["REVOKED_ISSUES"; 3]);
}

#[test]
fn a_killed_server_goes_on_and_changes_nobody_twice() {
    const LISTED_PEOPLE: usize = 40;
    let (mut server, lists) = (Server::start(&[]), Lists::new());
    let project = crate::support::fresh_name("project");
    let key = server.key(&project, Mode::Live, None);
    let ids: Vec<_> = {
        let api = server.connect(&key);
        (0..LISTED_PEOPLE)
            .map(|_| api.create(&listed_person()).id())
            .collect()
    };
    lists.import(&server, &[NOBODY, LISTED]);
    eventually(PATIENCE, "it is in the middle", || {
        std::thread::sleep(Duration::from_millis(1));
        let api = server.connect(&key);
        (statuses(&api, &ids[0])[0] == "ISSUES").then_some(())
    });
    server.crash();
    let server = Server::start_owning(server.into_folder());
    rescreened(&server);
    let api = server.connect(&key);
    for id in &ids {
        assert_eq!(statuses(&api, id)[0], "ISSUES");
        let by_list = history(&api, id)
            .iter()
            .filter(|event| event["actor"] == "watchlist:1")
            .count();
        assert_eq!(by_list, 1, "{id}");
    }
    let changed = &shown(&server)["rescreening"]["changed"];
    assert_eq!(changed, &json!(LISTED_PEOPLE));
}

/// Waits until a count of the data file is one number.
fn counted(file: &Connection, sql: &str, wanted: i64) {
    eventually(PATIENCE, sql, || {
        let count = file.query_row(sql, [], |row| row.get::<_, i64>(0));
        (count.expect("a number") == wanted).then_some(())
    });
}

/// A server that cannot read the list in force goes on with the one that it has. Whom it
/// writes meanwhile is noted, and screened again although everybody was already.
#[test]
fn whoever_is_written_by_an_old_list_is_screened_again() {
    const NOTES: &str = "SELECT COUNT(*) FROM stale_screenings";
    if crate::support::on_postgres() {
        return;
    }
    let (mut server, lists) = (Server::start(&[]), Lists::new());
    let project = crate::support::fresh_name("project");
    let key = server.key(&project, Mode::Live, None);
    lists.import(&server, &[NOBODY]);
    rescreened(&server);
    let file = Connection::open(server.data.join("oms.db")).expect("the file opens");
    file.busy_timeout(PATIENCE).expect("set");
    let garbled = "INSERT INTO watchlists (version, hash, imported_at, individuals, entities,
                                           vessels, aircraft, aliases) VALUES (2, 'x', 0, 0, 0, 0, 0, 0);
                   INSERT INTO watchlist_entries VALUES (2, 0, x'00');";
    let api = server.connect(&key);
    let other = api.create(&full_customer()).id();
    counted(&file, NOTES, 0);
    file.execute_batch(garbled).expect("written");
    let id = api.create(&listed_person()).id();
    assert_ne!(statuses(&api, &id)[0], "ISSUES", "by the old list");
    counted(&file, NOTES, 1);
    server.crash();

    // The list in force is one that names the customer, and everybody was screened by it.
    file.execute_batch("DELETE FROM watchlists WHERE version = 2; DELETE FROM watchlist_entries;")
        .expect("written");
    lists.import(&server, &[NOBODY, LISTED]);
    file.execute_batch(
        "INSERT INTO rescreenings (version, project, customer, seen, changed, started_at, finished_at, owner, leased_until)
         VALUES (2, 0, zeroblob(16), 0, 0, 1, 1, zeroblob(16), 0)",
    )
    .expect("written");
    let server = Server::start_owning(server.into_folder());
    counted(&file, NOTES, 0);
    let api = server.connect(&key);
    assert_eq!(statuses(&api, &id)[0], "ISSUES");
    assert_eq!(history(&api, &id)[0]["actor"], "watchlist:2");
    assert_ne!(statuses(&api, &other)[0], "ISSUES");
    assert_eq!(shown(&server)["rescreening"]["changed"], json!(1));
}
