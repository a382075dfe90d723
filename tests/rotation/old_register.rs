//! A key register from before there were wrapping keys: there the master key
//! itself wrapped everything.

use std::fs;

use aws_lc_rs::digest;
use oms::context::Random;
use oms::vault::{Place, SealingKey};
use rusqlite::Connection;

use crate::folder::key_file;
use crate::support::{Folder, Server, full_customer, is_about_files, oms};

const OLD_SCHEMA: &str = include_str!("../../migrations/sqlite/keys/0001_keys.sql");

#[test]
fn opens_as_it_did_and_its_master_key_can_be_changed() {
    if is_about_files() {
        return;
    }
    let folder = Folder::new();
    let (old, new) = (key_file(folder.path(), 1), key_file(folder.path(), 2));
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("the folder is empty");
    let hash = digest::digest(
        &digest::SHA256,
        &[&b"oms master key"[..], &[1; 32]].concat(),
    );
    let id: [u8; 8] = hash.as_ref()[..8].try_into().expect("eight bytes");
    let place = Place {
        project: 0,
        row: b"",
        field: "root",
    };
    let key = SealingKey::new(i64::from_be_bytes(id), &[1; 32]);
    let root = [&id[..], &key.seal(place, &[9; 32], &Random::System)].concat();
    let register = Connection::open(data.join("keys.db")).expect("it is made");
    register
        .execute_batch(&OLD_SCHEMA.replace("keys.", ""))
        .expect("the old schema");
    register
        .execute("INSERT INTO secrets VALUES ('root', ?1)", [root])
        .expect("the old root secret");
    register
        .execute_batch("PRAGMA user_version = 1")
        .expect("the old version");
    drop(register);

    let server = Server::start_owning_with(folder, &[("OMS_MASTER_KEY_FILE", &old)]);
    let data = data.to_str().expect("a path of plain text");
    let setting = [("OMS_MASTER_KEY_FILE", &*old)];
    let created = oms(&["keys", "create", "--data", data, "--json"], &setting);
    let api = server.connect(&crate::support::Key::parse(&created.stdout));
    let id = api.create(&full_customer()).id();
    let output = oms(
        &["keys", "rotate-master", "--data", data, "--to", &new],
        &setting,
    );
    assert!(output.status.success(), "{output:?}");
    api.read(&id);
    let folder = server.into_folder();
    let refused = oms(&["keys", "list", "--data", data], &setting);
    assert!(!refused.status.success(), "{refused:?}");
    let server = Server::start_owning_with(folder, &[("OMS_MASTER_KEY_FILE", &new)]);
    api.at(&server.base).read(&id);
}
