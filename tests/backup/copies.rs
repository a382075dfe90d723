//! `oms backup`, `oms backup-keys`, `oms restore`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use oms::config::{Config, Database};
use oms::store::{Store, key_register};
use rusqlite::Connection;

use crate::support::{
    Folder, Output, Server, bytes, database_setting, full_customer, is_about_files,
    minimal_customer, numbers, oms,
};

/// A server, and a copy of its master key that does not lie beside the data.
pub fn server_and_key(folder: &Folder) -> (Server, PathBuf) {
    let server = Server::start(&[]);
    let path = folder.path().join("master");
    fs::copy(server.data.join("master.key"), &path).expect("in order");
    (server, path)
}

pub fn run(master: &Path, data: &Path, arguments: &[&str]) -> Output {
    let all: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["--data", data.to_str().expect("a path of plain text")])
        .collect();
    oms(
        &all,
        &[(
            "OMS_MASTER_KEY_FILE",
            master.to_str().expect("a path of plain text"),
        )],
    )
}

#[track_caller]
fn runs(master: &Path, data: &Path, arguments: &[&str]) -> String {
    let output = run(master, data, arguments);
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The erasure of a person, as far as keys go.
pub fn destroy_key(data: &Path, customer: &str) {
    let id = oms::id::CustomerId::parse(customer).expect("in order");
    let id = bytes(id.as_bytes());
    let [key] = numbers(
        data,
        &format!("SELECT data_key FROM customers WHERE id = {id}"),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("in order");
    let mut config = Config::for_data(data);
    config.database = database_setting(data)
        .map(|(_, url)| Database::parse(&url).expect("the tests' own URL is one"));
    let store = Store::open(&config).expect("in order");
    let deleted = runtime.block_on(store.write(move |tx| key_register::delete_data_key(tx, key)));
    assert!(deleted.expect("in order"));
    store.close();
}

#[test]
fn who_was_erased_since_the_backup_stays_erased() {
    if is_about_files() {
        return;
    }
    let folder = Folder::new();
    let (server, master) = server_and_key(&folder);
    let api = server.sandbox();
    let keep = api.create(&full_customer());
    let lost = api
        .post_keyed("/customers", "lost", &full_customer())
        .wants(201);

    let path = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a path of plain text")
            .to_owned()
    };
    let (data, keys) = (path("oms.backup"), path("keys.backup"));
    runs(
        &master,
        &server.data,
        &["backup", &data, "--keys-file", &keys],
    );
    destroy_key(&server.data, &lost.id());
    let later = api.create(&minimal_customer());
    runs(&master, &server.data, &["backup-keys", &keys]);
    for file in [&data, &keys] {
        assert_eq!(
            fs::metadata(file).expect("in order").permissions().mode() & 0o777,
            0o600
        );
    }

    let again = Folder::new();
    let restored = again.path().join("data");
    let told = runs(&master, &restored, &["restore", &data, "--keys", &keys]);
    assert!(told.contains("erased      1 have"), "{told}");
    let doctor = run(&master, &restored, &["doctor"]);
    assert!(doctor.status.success(), "{doctor:?}");
    let setting = [(
        "OMS_MASTER_KEY_FILE",
        master.to_str().expect("a path of plain text"),
    )];
    let server = Server::start_owning_with(again, &setting);
    let api = api.at(&server.base);
    assert_eq!(api.read(&keep.id()).body, keep.body);
    for gone in [&lost, &later] {
        api.get(&format!("/customers/{}", gone.id()))
            .problem(404, "notFound");
    }
    api.post_keyed("/customers", "lost", &full_customer())
        .problem(404, "notFound");
    assert_eq!(api.listed("?email=ada@example.com"), [keep.id()]);
}

#[test]
fn a_backup_of_a_busy_server_is_one_moment() {
    if is_about_files() {
        return;
    }
    let folder = Folder::new();
    let (server, master) = server_and_key(&folder);
    let api = server.sandbox();
    let (done, stop) = std::sync::mpsc::channel::<()>();
    let writer = {
        let api = api.clone();
        std::thread::spawn(move || {
            let mut made = 0;
            while stop.try_recv().is_err() {
                api.create(&full_customer());
                made += 1;
            }
            made
        })
    };
    for round in 0..3 {
        let before = api.all_customers().len();
        let path = |name: &str| {
            folder
                .path()
                .join(format!("{name}{round}"))
                .to_str()
                .expect("in order")
                .to_owned()
        };
        let (data, keys) = (path("data"), path("keys"));
        runs(
            &master,
            &server.data,
            &["backup", &data, "--keys-file", &keys],
        );
        let restored = folder.path().join(format!("restored{round}"));
        let told = runs(&master, &restored, &["restore", &data, "--keys", &keys]);
        assert!(told.contains("erased      0"), "{told}");
        let database = Connection::open(restored.join("oms.db")).expect("in order");
        let count: i64 = database
            .query_row("SELECT COUNT(*) FROM customers", [], |row| row.get(0))
            .expect("in order");
        assert!(
            usize::try_from(count).expect("in order") >= before,
            "{count} of {before}"
        );
    }
    done.send(()).expect("in order");
    assert!(writer.join().expect("in order") > 0);
}

#[test]
fn what_is_not_in_order_is_not_restored() {
    if is_about_files() {
        return;
    }
    let folder = Folder::new();
    let (server, master) = server_and_key(&folder);
    server.sandbox().create(&full_customer());
    let path = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a path of plain text")
            .to_owned()
    };
    let (data, keys) = (path("data"), path("keys"));
    runs(
        &master,
        &server.data,
        &["backup", &data, "--keys-file", &keys],
    );
    let target = folder.path().join("restored");
    let refused = |arguments: &[&str], wanted: &str| {
        let output = run(&master, &target, arguments);
        assert!(
            !output.status.success() && output.stderr.contains(wanted),
            "{wanted}: {output:?}"
        );
        let left = fs::read_dir(&target).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{wanted}");
    };
    refused(&["restore", &keys, "--keys", &data], "does not hold");
    refused(&["restore", &data, "--keys", &path("none")], "none");
    let damaged = path("damaged");
    fs::copy(&data, &damaged).expect("in order");
    Connection::open(&damaged)
        .expect("in order")
        .execute(
            "UPDATE customers SET profile = zeroblob(length(profile))",
            [],
        )
        .expect("in order");
    refused(&["restore", &damaged, "--keys", &keys], "do not open");
    let other = folder.path().join("other-master");
    fs::write(&other, "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").expect("in order");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).expect("in order");
    let output = run(&other, &target, &["restore", &data, "--keys", &keys]);
    assert!(output.stderr.contains("another master key"), "{output:?}");
    fs::create_dir_all(&target).expect("in order");
    fs::write(target.join("file"), "x").expect("in order");
    let output = run(&master, &target, &["restore", &data, "--keys", &keys]);
    assert!(output.stderr.contains("is not empty"), "{output:?}");
    let output = run(&master, &server.data, &["backup", &data]);
    assert!(output.stderr.contains("is there already"), "{output:?}");
}
