//! The command line: `oms keys create|list|revoke`, while the server runs and while it does not.

use serde_json::{Value, json};

use crate::support::{Folder, Key, Mode, Output, Server, fresh_name, minimal_customer, oms};

#[track_caller]
fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn create_prints_key_secret_project_mode_and_scopes() {
    let server = Server::shared();
    let project = fresh_name("project");
    let output = server.keys(&[
        "create",
        "--project",
        &project,
        "--mode",
        "live",
        "--scopes",
        "customers:read",
        "--json",
    ]);
    let mut created = json_of(&output);
    assert!(
        created["apiKey"]
            .take()
            .as_str()
            .is_some_and(|key| key.starts_with("sk_live_")),
        "{output:?}"
    );
    assert!(
        created["apiSecret"]
            .take()
            .as_str()
            .is_some_and(|secret| secret.len() >= 32),
        "{output:?}"
    );
    let expected = json!({
        "apiKey": null, "apiSecret": null, "project": project, "mode": "live", "scopes": ["customers:read"],
    });
    assert_eq!(created, expected, "{output:?}");
}

#[test]
fn create_gives_all_scopes_when_none_are_named() {
    let project = fresh_name("project");
    let created = json_of(&Server::shared().keys(&[
        "create",
        "--project",
        &project,
        "--mode",
        "sandbox",
        "--json",
    ]));
    let scopes = created["scopes"].as_array().expect("a list");
    for scope in ["customers:read", "customers:write"] {
        assert!(scopes.contains(&json!(scope)), "{created}");
    }
}

#[test]
fn create_refuses_a_scope_and_a_mode_that_do_not_exist() {
    let server = Server::shared();
    let project = fresh_name("project");
    for arguments in [
        ["--mode", "sandbox", "--scopes", "customers:fly"],
        ["--mode", "test", "--scopes", "customers:read"],
    ] {
        let mut all = vec!["create", "--project", &project, "--json"];
        all.extend(arguments);
        let output = server.keys(&all);
        assert!(!output.status.success(), "{output:?}");
        assert!(!output.stderr.is_empty(), "it says why: {output:?}");
    }
    let listed = server.keys(&["list", "--json"]);
    assert!(!listed.stdout.contains(&project), "{listed:?}");
}

#[test]
fn a_key_made_while_the_server_runs_works_at_once() {
    let server = Server::shared();
    for mode in [Mode::Sandbox, Mode::Live] {
        let api = server.connect(&server.key(&fresh_name("project"), mode, None));
        api.create(&minimal_customer());
    }
}

#[test]
fn keys_can_be_made_before_the_first_start() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path of plain text");
    let arguments = [
        "keys",
        "create",
        "--data",
        data,
        "--project",
        "early",
        "--mode",
        "sandbox",
        "--json",
    ];
    let output = oms(&arguments, &[]);
    json_of(&output);
    let key = Key::parse(&output.stdout);
    let server = Server::start_owning(folder);
    server.connect(&key).create(&minimal_customer());
}

#[test]
fn every_key_and_secret_is_another() {
    let server = Server::shared();
    let project = fresh_name("project");
    let [one, two] = [(); 2].map(|()| server.key(&project, Mode::Sandbox, None));
    assert_ne!(one.api_key, two.api_key);
    assert_ne!(one.api_secret, two.api_secret);
}

#[test]
fn list_shows_keys_with_project_mode_and_scopes_and_never_a_secret() {
    let server = Server::shared();
    let project = fresh_name("project");
    let key = server.key(&project, Mode::Sandbox, Some("customers:read"));
    let output = server.keys(&["list", "--json"]);
    let listed = json_of(&output);
    let all = listed
        .as_array()
        .or_else(|| listed["data"].as_array())
        .expect("a list of keys");
    let own: Vec<&Value> = all
        .iter()
        .filter(|one| one["apiKey"] == key.api_key)
        .collect();
    assert_eq!(own.len(), 1, "{listed:#}");
    assert_eq!(own[0]["project"], project);
    assert_eq!(own[0]["mode"], "sandbox");
    assert_eq!(own[0]["scopes"], json!(["customers:read"]));
    let plain = server.keys(&["list"]);
    assert!(plain.status.success(), "{plain:?}");
    assert!(plain.stdout.contains(&key.api_key), "{plain:?}");
    for output in [output, plain] {
        assert!(
            !format!("{output:?}").contains(&key.api_secret),
            "{output:?}"
        );
    }
}

#[test]
fn revoking_an_unknown_key_fails_and_says_so() {
    let output = Server::shared().keys(&["revoke", "sk_sdbx_unknown"]);
    assert!(!output.status.success(), "{output:?}");
    assert!(!output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_live_key_is_refused_on_a_generated_master_key_unless_a_setting_allows_it() {
    let server = Server::start(&[]);
    let data = server.data.to_str().expect("a path of plain text");
    let arguments = [
        "keys",
        "create",
        "--data",
        data,
        "--project",
        "shop",
        "--mode",
        "live",
        "--json",
    ];
    let refused = oms(&arguments, &[]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(
        refused.stderr.contains("OMS_MASTER_KEY_FILE"),
        "it says what to do: {refused:?}"
    );
    let allowed = oms(
        &arguments,
        &[("OMS_ALLOW_LIVE_WITH_GENERATED_MASTER_KEY", "true")],
    );
    json_of(&allowed);
    server
        .connect(&Key::parse(&allowed.stdout))
        .create(&minimal_customer());
}

#[test]
fn the_data_folder_can_be_named_by_a_variable() {
    let server = Server::shared();
    let data = server.data.to_str().expect("a path of plain text");
    let project = fresh_name("project");
    let arguments = [
        "keys",
        "create",
        "--project",
        &project,
        "--mode",
        "sandbox",
        "--json",
    ];
    let output = oms(&arguments, &[("OMS_DATA", data)]);
    json_of(&output);
    server.connect(&Key::parse(&output.stdout)).list("");
}
