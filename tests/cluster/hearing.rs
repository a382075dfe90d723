//! What a server does in the first moments, when it has not heard yet of what was done at
//! another one: it asks, waits or refuses, and takes nothing for granted.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{
    Api, Client, Folder, Key, Mode, Server, check_told_to_come_again, eventually, fresh_name,
    full_customer, minimal_customer, name_of,
};

const A_WHILE: Duration = Duration::from_mins(2);

/// How often what may go wrong by chance is tried.
const ROUNDS: usize = 6;

/// A key of a project of this name.
fn key_of(fleet: &Fleet, project: &str) -> Key {
    let arguments = ["keys", "create", "--project", project, "--mode", "sandbox"];
    let made = fleet.run(&[&arguments[..], &["--json"]].concat());
    assert!(made.status.success(), "{made:?}");
    Key::parse(&made.stdout)
}

#[test]
fn the_clock_of_a_project_that_one_server_moved_is_that_of_all_when_it_answers() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    let api = fleet.sandbox();
    for _ in 0..ROUNDS {
        let mover = api.at(&fleet.spread.next());
        let moved = mover.post("/sandbox/clock", &json!({"advance": "P30D"}));
        let now = moved.wants(200).text_at("/now");
        for server in fleet.living() {
            let there = api.at(&server.base);
            let made = there.create(&full_customer());
            let seen = made.text_at("/updatedAt");
            assert!(seen >= now, "{} is at {seen}, moved to {now}", server.base);
        }
    }
}

#[test]
fn a_project_set_before_its_first_key_is_as_set_at_every_server() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    for _ in 0..ROUNDS {
        let project = fresh_name("project");
        let key = key_of(&fleet, &project);
        let set = [
            "projects",
            "set",
            &project,
            "--mode",
            "sandbox",
            "--verification",
            "policy",
        ];
        let set = fleet.run(&set);
        assert!(set.status.success(), "{set:?}");
        let api = Api::connect(&fleet.spread.next(), &Client::new(), &key);
        for server in fleet.living() {
            let made = api.at(&server.base).create(&full_customer()).json();
            let usd = &made["endorsements"][2];
            assert_eq!(usd["status"], "PENDING", "{} took it for auto", server.base);
        }
    }
}

#[test]
fn a_token_of_a_signing_key_that_is_new_is_good_everywhere_at_once() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    let key = fleet.key(Mode::Sandbox);
    let servers: Vec<&Server> = fleet.living().collect();
    let published = |server: &Server| -> Value {
        let set = server.call("GET", "/.well-known/jwks.json").send();
        set.wants(200).json()["keys"][0]["kid"].clone()
    };
    for round in 0..ROUNDS {
        let (first, old) = (servers[round % servers.len()], published(servers[0]));
        let ended = fleet.run(&["keys", "rotate-signing", "--end-old-now"]);
        assert!(ended.status.success(), "{ended:?}");
        eventually(A_WHILE, "one has heard", || {
            (published(first) != old).then_some(())
        });
        let api = Api::connect(&first.base, &Client::new(), &key);
        for server in &servers {
            api.at(&server.base).list("?limit=1");
        }
    }
}

/// Puts a policy in force that this version cannot read, as one to come may.
fn set_strange_policy(sql: impl Fn(&str) -> String, project: &str) {
    let number = sql(&format!(
        "SELECT id FROM projects WHERE name = '{project}' AND mode = 'sandbox'"
    ));
    sql(&format!(
        "INSERT INTO policies (project, number, source, created_at)
         VALUES ({number}, 1, 'what comes later', 0);
         UPDATE projects SET revision = revision + 1 WHERE id = {number}"
    ));
}

#[test]
fn a_project_that_this_version_cannot_read_is_nobody_else_s_trouble() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let mut fleet = Fleet::start(&url, 1, &[]);
    let sql = |sql: &str| cluster.sql(name_of(&url), sql).expect("it runs");
    let strange = fresh_name("project");
    let key = key_of(&fleet, &strange);
    let known = fleet.living().next().expect("one lives").base.clone();
    let strange_api = Api::connect(&known, &Client::new(), &key);
    let id = strange_api.create(&full_customer()).id();
    set_strange_policy(sql, &strange);
    // One that knew the project before, and one that never did.
    fleet.add(1);
    for server in fleet.living() {
        // Nothing is decided by a policy that is not in force any more.
        let there = strange_api.at(&server.base);
        eventually(A_WHILE, "it has heard", || {
            let refused = there.post("/customers", &full_customer());
            (refused.status != 201).then(|| check_told_to_come_again(&refused))
        });
        check_told_to_come_again(&there.change(&id, &json!({"firstName": "Augusta"})));
        there.read(&id);
        // Other projects are made, signed in to, served and locked out as ever.
        let other = fleet.key(Mode::Sandbox);
        let api = Api::connect(&server.base, &Client::new(), &other);
        api.create(&minimal_customer());
        let revoked = fleet.run(&["keys", "revoke", &other.api_key]);
        assert!(revoked.status.success(), "{revoked:?}");
        eventually(A_WHILE, "a revoked key is refused", || {
            let answer = api.get("/customers");
            (answer.status != 200).then(|| answer.problem(401, "tokenInvalid"))
        });
    }
    sql("UPDATE policies SET source = ''; UPDATE projects SET revision = revision + 1");
    for server in fleet.living() {
        let there = strange_api.at(&server.base);
        eventually(A_WHILE, "it is read again", || {
            (there.post("/customers", &full_customer()).status == 201).then_some(())
        });
    }
}

/// Of entries of a watch list.
const NOBODY: &str = "9,\"SCHWARZKOPF, Leonid\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 11 Nov 1951.\"\r\n";
const LISTED: &str = "7,\"KARZHENKOV, Timofey Arkadyevich\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 05 Mar 1962; nationality Russia.\"\r\n";

fn import(fleet: &Fleet, entries: &[&str]) {
    let folder = Folder::new();
    let file = folder.path().join("SDN.CSV");
    fs::write(&file, format!("{}\u{1a}", entries.concat())).expect("a file can be written");
    let file = file.to_str().expect("a path of plain text");
    let imported = fleet.run(&["watchlist", "import", file]);
    assert!(imported.status.success(), "{imported:?}");
}

/// Whether the screening found nobody like this customer.
fn is_cleared(api: &Api, id: &str) -> bool {
    let shown = api.read(id).json();
    let requirements = &shown["endorsements"][0]["requirements"];
    let complete = requirements["complete"].as_array().expect("a list");
    complete.iter().any(|one| one == "sanctionsScreening")
}

#[test]
fn whoever_is_made_right_after_an_import_is_screened_by_the_new_list_in_the_end() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::start(&cluster.new_database(), 3, &[]);
    let key = fleet.key(Mode::Live);
    let api = Api::connect(&fleet.spread.next(), &Client::new(), &key);
    let apis: Vec<_> = fleet.living().map(|server| api.at(&server.base)).collect();
    let mut listed = full_customer();
    listed["firstName"] = json!("Timofey");
    listed["middleName"] = json!("Arkadyevich");
    listed["lastName"] = json!("Karzhenkov");
    listed["birthDate"] = json!("1962-03-05");
    listed["nationality"] = json!("RU");
    import(&fleet, &[NOBODY]);
    let harmless: Vec<_> = apis
        .iter()
        .map(|api| {
            eventually(A_WHILE, "it has heard of the list", || {
                let made = api.create(&full_customer()).id();
                is_cleared(api, &made).then_some(made)
            })
        })
        .collect();
    import(&fleet, &[NOBODY, LISTED]);
    let made: Vec<_> = apis.iter().map(|api| api.create(&listed).id()).collect();
    eventually(A_WHILE, "nobody listed is cleared", || {
        let cleared = made.iter().filter(|id| is_cleared(&api, id));
        let shown = fleet.run(&["watchlist", "show", "--json"]).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let done = shown["rescreening"]["finishedAt"].is_string();
        (done && cleared.count() == 0).then_some(())
    });
    for id in harmless {
        assert!(is_cleared(&api, &id), "{id} is like nobody");
    }
}
