//! `oms keys rotate-master`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::folder::{base64_of, fill, key_file};
use crate::support::{
    Api, Folder, Mode, Output, Server, Stopwatch, database_setting, eventually, full_customer,
    minimal_customer, numbers, oms,
};

const CLIENTS: usize = 4;

fn register_size(default: i64) -> i64 {
    let text = std::env::var("OMS_ROTATION_KEYS").ok();
    text.map_or(default, |text| text.parse().expect("a number of keys"))
}

fn rotate(server: &Server, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let data = server.data.to_str().expect("a path of plain text");
    let mut all = vec!["keys", "rotate-master", "--data", data];
    all.extend(arguments);
    oms(&all, settings)
}

fn list(data: &str, settings: &[(&str, &str)]) -> Output {
    oms(&["keys", "list", "--data", data], settings)
}

/// Creates, reads and lists until it is over; every answer must be a good one.
fn load(api: &Api, over: &AtomicBool, made: &Mutex<Vec<String>>) -> Duration {
    let mut slowest = Duration::ZERO;
    while !over.load(Ordering::SeqCst) {
        let watch = Stopwatch::start();
        let id = api.create(&full_customer()).id();
        slowest = slowest.max(watch.elapsed());
        api.read(&id);
        let known = made.lock().expect("no panic holds this").first().cloned();
        if let Some(known) = known {
            api.read(&known);
        }
        api.list("?limit=5");
        made.lock().expect("no panic holds this").push(id);
    }
    slowest
}

#[test]
fn under_load_nothing_fails_and_then_only_the_new_key_opens_everything() {
    let folder = Folder::new();
    fill(&folder.path().join("data"), register_size(5_000));
    let new = key_file(folder.path(), 2);
    let server = Server::start_owning(folder);
    let api = server.project(Mode::Sandbox);
    let (over, made) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let output = thread::scope(|scope| {
        let clients = [(); CLIENTS].map(|()| scope.spawn(|| load(&api, &over, &made)));
        eventually(Duration::from_mins(1), "customers are made", || {
            (made.lock().expect("no panic holds this").len() > 20).then_some(())
        });
        let output = rotate(&server, &["--to", &new], &[]);
        let during = made.lock().expect("no panic holds this").len();
        eventually(
            Duration::from_mins(1),
            "customers are made after it",
            || (made.lock().expect("no panic holds this").len() > during + 20).then_some(()),
        );
        over.store(true, Ordering::SeqCst);
        let slowest = clients.map(|client| client.join().expect("every answer is good"));
        println!("{}slowest creates: {slowest:?}", output.stdout);
        output
    });
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.contains("OMS_MASTER_KEY_FILE="), "{output:?}");
    assert!(!format!("{output:?}").contains(&base64_of(2)), "{output:?}");
    let made = made.into_inner().expect("no panic holds this");
    for id in &made {
        api.read(id);
    }
    let data = server.data.to_str().expect("plain text").to_owned();
    let folder = server.into_folder();
    let refused = list(&data, &[]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("another master key"), "{refused:?}");
    assert!(
        refused.stderr.contains("OMS_MASTER_KEY_FILE"),
        "{refused:?}"
    );
    let server = Server::start_owning_with(folder, &[("OMS_MASTER_KEY_FILE", &new)]);
    let api = api.at(&server.base);
    assert_eq!(api.all_customers().len(), made.len());
    api.create(&minimal_customer());
}

#[test]
fn killed_in_the_middle_either_key_opens_everything_and_the_next_run_finishes() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    fill(&data, 20_000);
    let (old, new) = (
        data.join("master.key").to_str().expect("plain").to_owned(),
        key_file(folder.path(), 3),
    );
    let server = Server::start_owning(folder);
    let api = server.project(Mode::Sandbox);
    let before = api.create(&full_customer()).id();
    let text = data.to_str().expect("plain");
    for pause_ms in [0, 150, 300] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oms"))
            .args(["keys", "rotate-master", "--data", text, "--to", &new])
            .envs(database_setting(&data))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        let keys = "SELECT COUNT(*) FROM keys.wrapping_keys";
        eventually(Duration::from_mins(1), "the change has begun", || {
            (numbers(&data, keys) > [1]).then_some(())
        });
        // From here on it takes three seconds at least, so this is in its midst.
        thread::sleep(Duration::from_millis(pause_ms));
        command.kill().expect("it runs");
        command.wait().expect("it ends");
        api.read(&before);
        api.create(&full_customer());
    }
    for key in [&old, &new] {
        let output = list(text, &[("OMS_MASTER_KEY_FILE", key)]);
        assert!(output.status.success(), "{output:?}");
    }
    let other = key_file(server.data.parent().expect("a folder"), 4);
    let refused = rotate(&server, &["--to", &other], &[]);
    assert!(refused.stderr.contains("is not done"), "{refused:?}");
    let finished = rotate(&server, &["--to", &new], &[]);
    assert!(finished.status.success(), "{finished:?}");
    assert!(finished.stdout.contains("going on"), "{finished:?}");
    let folder = server.into_folder();
    let refused = list(text, &[("OMS_MASTER_KEY_FILE", &old)]);
    assert!(!refused.status.success(), "{refused:?}");
    let server = Server::start_owning_with(folder, &[("OMS_MASTER_KEY_FILE", &new)]);
    let api = api.at(&server.base);
    assert_eq!(api.all_customers().len(), 4);
    api.read(&before);
}

#[test]
fn a_new_wrapping_key_under_the_same_master_key_needs_no_target() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    let output = rotate(&server, &[], &[]);
    assert!(output.status.success(), "{output:?}");
    api.read(&id);
    let server = Server::start_owning(server.into_folder());
    api.at(&server.base).read(&id);
}

#[test]
fn a_variable_holds_the_key_as_well_as_a_file_and_only_one_may_be_set() {
    let folder = Folder::new();
    let (file, text) = (key_file(folder.path(), 5), base64_of(5));
    let server = Server::start_owning_with(folder, &[("OMS_MASTER_KEY", &text)]);
    let data = server.data.to_str().expect("plain").to_owned();
    assert!(!server.data.join("master.key").exists());
    assert!(!server.logged().contains(&text));
    let same = list(&data, &[("OMS_MASTER_KEY_FILE", &file)]);
    assert!(same.status.success(), "{same:?}");
    let both = [("OMS_MASTER_KEY_FILE", &*file), ("OMS_MASTER_KEY", &text)];
    for (settings, why) in [
        (&both[..], "set one of them"),
        (&[("OMS_MASTER_KEY", "c2hvcnQ=")][..], "base64 of 32"),
    ] {
        let refused = list(&data, settings);
        assert!(!refused.status.success(), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
        assert!(!refused.stderr.contains(&text), "{refused:?}");
    }
}

#[test]
fn a_bad_target_is_refused_with_what_to_do_and_changes_nothing() {
    let server = Server::start(&[]);
    let parent = server.data.parent().expect("a folder");
    let present = server.data.join("master.key");
    let open = key_file(parent, 6);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let broken = key_file(parent, 7);
    fs::write(&broken, "not a key").expect("it is ours");
    for (file, why) in [
        (
            present.to_str().expect("plain"),
            "present master key already",
        ),
        (&*open, "chmod 600"),
        (&*broken, "base64 of 32"),
        ("/nowhere/master.key", "No such file"),
    ] {
        let refused = rotate(&server, &["--to", file], &[]);
        assert!(!refused.status.success(), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    let refused = rotate(&server, &["--to-service", "http://vault.example:8200"], &[]);
    assert!(refused.stderr.contains("https://"), "{refused:?}");
    let wrong = key_file(parent, 8);
    let refused = rotate(
        &server,
        &["--to", &wrong],
        &[("OMS_MASTER_KEY_FILE", &wrong)],
    );
    assert!(refused.stderr.contains("another master key"), "{refused:?}");
    let server = Server::start_owning(server.into_folder());
    server.sandbox().create(&minimal_customer());
}
