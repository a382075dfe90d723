//! `oms data move`: a whole store from files to PostgreSQL and back, with real ones of both.
//! Without PostgreSQL on the machine these tests say so and check nothing.

#[allow(dead_code, reason = "these tests open no store themselves")]
#[path = "../store/place.rs"]
mod place;
#[path = "../webhooks/receiver.rs"]
mod receiver;
#[path = "../support/mod.rs"]
mod support;

mod faults;
mod life;
mod refusals;
mod rows;
mod schema;
mod terminal;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use support::{Folder, Output, Server, oms};

/// Runs `oms data move`.
fn moving(from: &str, to: &str, settings: &[(&str, &str)]) -> Output {
    oms(&["data", "move", "--from", from, "--to", to], settings)
}

#[track_caller]
fn moved(from: &str, to: &str) -> Output {
    let output = moving(from, to, &[]);
    assert!(output.status.success(), "{output:?}");
    output
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stderr.contains(why), "not {why}: {output:?}");
}

/// The place of a store as the command line names it: a folder, or a URL and the folder of
/// the master key.
fn at<'a>(place: &'a str, master_key: &'a Path) -> Vec<&'a str> {
    if place.starts_with("postgres://") {
        let folder = master_key.parent().expect("it lies in a folder");
        vec!["--database", place, "--data", text(folder)]
    } else {
        vec!["--data", place]
    }
}

/// The log is whole and nothing is wrong with any row; how many checkpoints there are.
#[track_caller]
fn check_sound(place: &str, master_key: &Path) -> u64 {
    let settings = [("OMS_MASTER_KEY_FILE", text(master_key))];
    let verify = [&["audit", "verify"][..], &at(place, master_key)].concat();
    let whole = oms(&verify, &settings);
    assert!(whole.status.success(), "{whole:?}");
    let doctor = oms(
        &[&["doctor"][..], &at(place, master_key)].concat(),
        &settings,
    );
    assert!(doctor.status.success(), "{doctor:?}");
    let words: Vec<_> = whole.stdout.split_whitespace().collect();
    let number = words.iter().position(|word| *word == "checkpoints");
    let number = number.and_then(|place| words.get(place - 1)?.parse().ok());
    number.unwrap_or_else(|| panic!("{whole:?}"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain text")
}

/// Stops a server as an operator does, and gives its folder.
fn stopped(mut server: Server) -> Folder {
    server.signal("TERM");
    let status = server.ended(Duration::from_mins(1));
    assert!(status.success(), "{status:?}");
    server.into_folder()
}

/// A stopped store in a folder, as its first start and an import of so many rows made it.
struct Stopped {
    folder: Folder,
}

impl Stopped {
    fn with_customers(count: usize) -> Self {
        let folder = stopped(Server::start(&[]));
        let line = |number| json!({"type": "individual", "email": format!("{number}@example.com")});
        let lines: Vec<_> = (0..count).map(|number| line(number).to_string()).collect();
        let file = folder.path().join("customers.jsonl");
        fs::write(&file, lines.join("\n")).expect("written");
        let store = Self { folder };
        if count > 0 {
            let import = ["customers", "import", text(&file), "--data", store.data()];
            let output = oms(&import, &[]);
            assert!(output.status.success(), "{output:?}");
        }
        store
    }

    fn data(&self) -> &str {
        let data = self.folder.path().join("data");
        // Leaked, as everything that a test names.
        Box::leak(text(&data).to_owned().into_boxed_str())
    }

    fn master_key(&self) -> std::path::PathBuf {
        self.folder.path().join("data").join("master.key")
    }

    /// The bytes of both files.
    fn files(&self) -> [Vec<u8>; 2] {
        ["oms.db", "keys.db"]
            .map(|name| fs::read(self.folder.path().join("data").join(name)).expect("it is there"))
    }
}

/// A folder that holds nothing but the master key of a store.
fn empty_folder(master_key: &Path) -> Folder {
    let folder = Folder::new();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    fs::copy(master_key, folder.path().join("master.key")).expect("copied");
    folder
}
