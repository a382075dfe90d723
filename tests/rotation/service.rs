//! A master key in a key service, against a server that speaks its protocol.

use crate::folder::{fill, key_file};
use crate::support::{Folder, Key, Mode, Output, Server, full_customer, oms};
use crate::transit::{TOKEN, Transit};

#[track_caller]
fn refused(output: &Output, why: &str) {
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stderr.contains(why), "{output:?}");
    assert!(!format!("{output:?}").contains(TOKEN), "{output:?}");
}

#[test]
fn the_service_is_asked_at_a_start_and_never_by_a_request() {
    let transit = Transit::start();
    let settings = [
        ("OMS_MASTER_KEY_SERVICE", &*transit.url),
        ("OMS_MASTER_KEY_TOKEN", TOKEN),
    ];
    let server = Server::start(&settings);
    assert!(!server.data.join("master.key").exists());
    let data = server.data.to_str().expect("plain").to_owned();
    let mode = ["--mode", "live", "--json"];
    let create = [&["keys", "create", "--data", &data][..], &mode].concat();
    let created = oms(&create, &settings);
    assert!(created.status.success(), "{created:?}");
    let api = server.connect(&Key::parse(&created.stdout));
    let before = transit.calls();
    let ids: Vec<_> = (0..200)
        .map(|_| api.create(&full_customer()).id())
        .collect();
    assert_eq!(transit.calls(), before);
    assert!(!server.logged().contains(TOKEN));

    let list = ["keys", "list", "--data", &data];
    refused(&oms(&list, &settings[..1]), "OMS_MASTER_KEY_TOKEN");
    let wrong = [settings[0], ("OMS_MASTER_KEY_TOKEN", "hvs.wrong")];
    refused(&oms(&list, &wrong), "may not use this key");
    let other = [settings[0], settings[1], ("OMS_MASTER_KEY_NAME", "other")];
    refused(&oms(&list, &other), "another master key");
    let nobody = [
        ("OMS_MASTER_KEY_SERVICE", "http://127.0.0.1:1"),
        settings[1],
    ];
    refused(&oms(&list, &nobody), "does not answer");

    let server = Server::start_owning_with(server.into_folder(), &settings);
    let api = api.at(&server.base);
    for id in &ids {
        api.read(id);
    }
}

#[test]
fn the_master_key_moves_into_a_service_and_out_again() {
    let folder = Folder::new();
    fill(&folder.path().join("data"), 2_000);
    let out = key_file(folder.path(), 2);
    let token = folder.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("the folder can be written");
    let token = token.to_str().expect("plain").to_owned();
    let transit = Transit::start();
    let server = Server::start_owning(folder);
    let api = server.project(Mode::Sandbox);
    let id = api.create(&full_customer()).id();
    let to = [
        "rotate-master",
        "--to-service",
        &transit.url,
        "--to-token-file",
        &token,
    ];
    let missing = server.keys(&[&to[..], &["--to-name", "missing"]].concat());
    refused(&missing, "no such mount or key");
    let moved = server.keys(&to);
    assert!(moved.status.success(), "{moved:?}");
    assert!(transit.calls() < 10, "one key is wrapped, not 2,000");
    api.read(&id);
    let data = server.data.to_str().expect("plain").to_owned();
    refused(&server.keys(&["list"]), "another master key");

    let settings = [
        ("OMS_MASTER_KEY_SERVICE", &*transit.url),
        ("OMS_MASTER_KEY_TOKEN_FILE", &*token),
    ];
    let server = Server::start_owning_with(server.into_folder(), &settings);
    let api = api.at(&server.base);
    api.read(&id);
    let back = oms(
        &["keys", "rotate-master", "--data", &data, "--to", &out],
        &settings,
    );
    assert!(back.status.success(), "{back:?}");
    api.create(&full_customer());
    let server = Server::start_owning_with(server.into_folder(), &[("OMS_MASTER_KEY_FILE", &out)]);
    api.at(&server.base).read(&id);
}
