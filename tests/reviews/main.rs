//! Reviews, policies and projects from the command line, as the people who run
//! the platform meet them.

mod disguises;
mod lists;
mod rescreening;
#[path = "../support/mod.rs"]
mod support;
mod watchlist;

use serde_json::{Value, json};
use support::{Api, Folder, Mode, Output, Server, full_customer, oms};

#[track_caller]
fn ok(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    &output.stdout
}

#[track_caller]
fn refused<'a>(output: &'a Output, why: &str) -> &'a str {
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stderr.contains(why), "{output:?}");
    &output.stderr
}

fn review(server: &Server, person: &str, words: &[&str]) -> Output {
    let mut all = vec!["reviews"];
    all.extend(words);
    all.extend(["--as", person]);
    if !["list", "show"].contains(&words[0]) {
        all.extend(["--reason", "seen", "--customer-reason", "Thank you."]);
    }
    server.run(&all)
}

fn statuses(api: &Api, id: &str) -> Vec<String> {
    let customer = api.read(id).json();
    let list = customer["endorsements"].as_array().expect("a list");
    list.iter()
        .map(|one| one["status"].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn a_person_approves_what_waits() {
    let server = Server::shared();
    let api = server.project(Mode::Live);
    let id = api.create(&full_customer()).id();
    assert!(ok(&review(server, "ada", &["list"])).contains(&id));
    ok(&review(server, "ada", &["approve", &id, "basic"]));
    assert_eq!(statuses(&api, &id), ["ACTIVE", "PENDING", "PENDING"]);
    ok(&review(server, "ada", &["approve", &id, "usd"]));
    assert_eq!(statuses(&api, &id), ["ACTIVE", "PENDING", "ACTIVE"]);
    let history = api
        .get(&format!("/customers/{id}/endorsements/usd/history"))
        .wants(200)
        .json();
    assert_eq!(history["data"][0]["actor"], "cli:ada");
    assert_eq!(history["data"][0]["reason"], "seen");
    // A change of the name is looked at again, and nothing is lost meanwhile.
    let changed = api
        .change(&id, &json!({ "lastName": "Byron" }))
        .wants(200)
        .json();
    assert_eq!(changed["endorsements"][2]["status"], "ACTIVE");
    let pending = changed["endorsements"][2]["requirements"]["pending"].clone();
    assert_eq!(
        pending,
        json!(["sanctionsScreening", "identityVerification"])
    );
}

#[test]
fn taking_basic_back_takes_the_rest_with_it() {
    let server = Server::shared();
    let api = server.project(Mode::Live);
    let id = api.create(&full_customer()).id();
    for name in ["basic", "usd", "cryptoCustody"] {
        ok(&review(server, "ada", &["approve", &id, name]));
    }
    assert_eq!(statuses(&api, &id), ["ACTIVE"; 3]);
    ok(&review(server, "ada", &["revoke", &id, "basic"]));
    assert_eq!(statuses(&api, &id), ["REVOKED_ISSUES"; 3]);
    let reasons = api.read(&id).json()["endorsements"][0]["rejectionReasons"].clone();
    assert_eq!(
        reasons,
        json!([{ "developerReason": "seen", "reason": "Thank you." }])
    );
}

#[test]
fn the_status_machine_holds_for_people_too() {
    let server = Server::shared();
    let api = server.project(Mode::Live);
    let id = api.create(&full_customer()).id();
    refused(
        &review(server, "ada", &["revoke", &id, "usd"]),
        "may become ISSUES, REJECTED, OFFBOARDED",
    );
    ok(&review(server, "ada", &["issue", &id, "usd"]));
    assert_eq!(statuses(&api, &id), ["PENDING", "PENDING", "ISSUES"]);
    ok(&review(server, "ada", &["reject", &id, "usd"]));
    assert_eq!(statuses(&api, &id)[2], "REJECTED");
    ok(&review(server, "ada", &["reopen", &id, "usd"]));
    assert_eq!(statuses(&api, &id)[2], "PENDING");
    ok(&review(server, "ada", &["offboard", &id, "usd"]));
    refused(
        &review(server, "ada", &["reopen", &id, "usd"]),
        "nothing else",
    );
}

#[test]
fn two_reviewers_do_not_overwrite_each_other() {
    let server = Server::shared();
    let api = server.project(Mode::Live);
    let id = api.create(&full_customer()).id();
    assert!(ok(&review(server, "ada", &["show", &id])).contains("version   1"));
    ok(&review(
        server,
        "ada",
        &["issue", &id, "usd", "--if-version", "1"],
    ));
    refused(
        &review(
            server,
            "grace",
            &["reject", &id, "usd", "--if-version", "1"],
        ),
        "somebody else",
    );
    assert_eq!(statuses(&api, &id)[2], "ISSUES");
}

#[test]
fn personal_data_is_shown_for_a_reason_that_is_kept() {
    let server = Server::shared();
    let api = server.project(Mode::Live);
    let made = api.create(&full_customer());
    let id = made.id();
    let plain = review(server, "ada", &["show", &id]);
    assert!(!ok(&plain).contains("Lovelace"), "{plain:?}");
    let opened = review(
        server,
        "ada",
        &["show", &id, "--reason", "checking the passport"],
    );
    assert!(
        ok(&opened).contains("123456789") && opened.stdout.contains("version   2"),
        "{opened:?}"
    );
    assert_eq!(
        api.read(&id).json(),
        made.json(),
        "looking changes no answer"
    );
}

#[test]
fn two_people_approve_when_the_setting_asks() {
    let server = Server::start(&[]);
    let api = server.project(Mode::Live);
    let id = api.create(&full_customer()).id();
    let approve = |person: &str| {
        let words = [
            "reviews",
            "approve",
            &id,
            "basic",
            "--reason",
            "good",
            "--as",
            person,
            "--review-two-people",
            "true",
        ];
        server.run(&words)
    };
    assert!(ok(&approve("ada")).contains("second person"));
    assert_eq!(statuses(&api, &id)[0], "PENDING");
    refused(&approve("ada"), "second person");
    ok(&approve("grace"));
    assert_eq!(statuses(&api, &id)[0], "ACTIVE");
}

#[test]
fn a_project_has_a_policy_of_its_own() {
    let server = Server::shared();
    let name = support::fresh_name("project");
    let api = server.connect(&server.key(&name, Mode::Live, None));
    let before = api.create(&full_customer()).id();
    let folder = Folder::new();
    let file = folder.path().join("policy.toml");
    let text = include_str!("../../policies/default.toml")
        .replace("name = \"default\"", "name = \"strict\"")
        .replace("minimum_age = 18", "minimum_age = 99");
    std::fs::write(&file, &text).expect("a file");
    let file = file.to_str().expect("a plain path");
    ok(&server.run(&["policy", "check", file]));
    let diff = server.run(&["policy", "diff", file, "--project", &name]);
    assert!(ok(&diff).contains("1 basic: PENDING to ISSUES"), "{diff:?}");
    ok(&server.run(&["projects", "set", &name, "--mode", "live", "--policy", file]));
    let made: Value = api.create(&full_customer()).json();
    assert_eq!(made["endorsements"][0]["status"], "ISSUES");
    let explained = server.run(&["policy", "explain", &before]);
    assert!(ok(&explained).contains("policy strict 2"), "{explained:?}");
    std::fs::write(file, text.replace("\"firstName|", "\"fristName|")).expect("a file");
    let told = server.run(&["policy", "check", file]);
    assert!(
        refused(&told, "line ").contains("did you mean firstName"),
        "{told:?}"
    );
}

#[test]
fn a_broken_policy_stops_the_start() {
    let folder = Folder::new();
    let file = folder.path().join("policy.toml");
    std::fs::write(
        &file,
        "name = \"x\"\nversion = 0\nminimum_age = 18\nrule = []\n",
    )
    .expect("a file");
    let data = folder.path().join("data");
    let paths = [data, file].map(|path| path.to_str().expect("a plain path").to_owned());
    let started = oms(
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--operator-listen",
            "off",
            "--data",
            &paths[0],
            "--policy-file",
            &paths[1],
        ],
        &[],
    );
    refused(&started, "line 2: versions count from 1");
}
