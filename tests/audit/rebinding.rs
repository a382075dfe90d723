//! Rows of a version before are bound once, at the first start of this one, and believed never
//! again unless a person who has the keys orders it.

use std::os::unix::fs::DirBuilderExt;

use oms::config::{Config, Database};
use oms::context::Context;
use oms::core::installation::Installation;
use oms::core::roster::Customer;
use oms::store::customer::{self, Resealed};
use oms::vault::Place;
use serde_json::json;

use crate::support::{
    Api, Folder, Server, database_setting, full_customer, numbers, on_postgres, sql,
};
use crate::{check_whole, on};

/// The customers of a store, as a version before sealed them.
fn unbind(server: &Server) -> Vec<((i64, oms::id::CustomerId), Resealed)> {
    let mut config = Config::for_data(&server.data);
    config.database = database_setting(&server.data)
        .map(|(_, url)| Database::parse(&url).expect("the tests' own URL is one"));
    let context = Context::system();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let installation = Installation::open(&config, &context)
            .await
            .expect("it opens");
        let page = installation
            .store
            .read(|tx| customer::after(tx, (i64::MIN, [0; 16]), 100))
            .await
            .expect("it is read");
        let unbound = page.into_iter().map(|found| {
            let opened = Customer::open(found, &installation.master).expect("it opens");
            let Customer {
                row, profile, key, ..
            } = opened.expect("it is not erased");
            let place = Place {
                project: row.project,
                row: row.id.as_bytes(),
                field: "customers.profile",
            };
            let change = Resealed {
                to: key.seal(place, &profile.to_sealable(), &context.random),
                from: row.profile,
            };
            ((row.project, row.id), change)
        });
        let unbound: Vec<_> = unbound.collect();
        let written = unbound.clone();
        let write = installation.store.write(move |tx| {
            let mut written = written.iter();
            written.try_for_each(|(place, change)| customer::reseal(tx, *place, change))
        });
        write.await.expect("it is written");
        installation.store.close();
        unbound
    })
}

/// A server that was stopped, on a store as a version before left it, with two customers, one
/// of them changed.
fn older() -> (Folder, Api, [String; 2]) {
    let mut server = Server::start(&[]);
    let api = server.sandbox();
    let ids = [(); 2].map(|()| api.create(&full_customer()).id());
    let change = json!({"firstName": "Grace"});
    api.patch(&format!("/customers/{}", ids[0]), &change)
        .wants(200);
    server.signal("TERM");
    server.ended(std::time::Duration::from_secs(20));
    unbind(&server);
    sql(
        &server.data,
        "UPDATE api_keys SET mac = NULL; UPDATE projects SET mac = NULL;
         UPDATE events SET state = NULL; DELETE FROM events WHERE kinds = 'rows.bound';
         DELETE FROM keys.secrets WHERE name = 'rows'",
    );
    (server.into_folder(), api, ids)
}

/// The refusal of a start.
fn refusal(server: &Server) -> String {
    let output = on(server, &["keys", "list"]);
    assert!(!output.status.success(), "{output:?}");
    output.stderr
}

#[test]
fn rows_of_before_are_bound_at_the_first_start_and_believed_never_again() {
    let (folder, api, ids) = older();
    let mut server = Server::start_owning(folder);
    let api = api.at(&server.base);
    // The key works, both customers open, and so does what one of them was before.
    for id in &ids {
        api.read(id);
    }
    let again = server.connect(&api.key);
    assert_eq!(
        again.list("").json()["data"].as_array().map(Vec::len),
        Some(2)
    );
    let events = api.get("/events?type=customer.*").wants(200).json();
    assert_eq!(
        events["data"].as_array().map(Vec::len),
        Some(3),
        "{events:#}"
    );
    let doctor = on(&server, &["doctor"]);
    assert!(doctor.status.success(), "{doctor:?}");
    // A later start has nothing to do, and a change writes as ever.
    let bound = "SELECT COUNT(*) FROM events WHERE kinds = 'rows.bound'";
    assert_eq!(numbers(&server.data, bound), [1]);
    api.patch(
        &format!("/customers/{}", ids[1]),
        &json!({"firstName": "Emmy"}),
    )
    .wants(200);
    server.crash();
    unbind(&server);
    sql(&server.data, "UPDATE api_keys SET mac = NULL");
    let server = Server::start_owning(server.into_folder());
    assert_eq!(numbers(&server.data, bound), [1]);
    let api = api.at(&server.base);
    let login = server
        .call("POST", "/v0.9/auth/token")
        .json(&api.key.login());
    login.send().problem(401, "credentialsInvalid");
    let doctor = on(&server, &["doctor"]);
    let told = doctor.stdout;
    assert!(
        told.contains("sealedCustomer") && told.contains("alteredGrant"),
        "{told}"
    );
}

#[test]
fn who_takes_the_mark_away_has_nothing_bound_again_but_who_has_the_keys_may() {
    let mut server = Server::start(&[]);
    let api = server.sandbox();
    let id = api.create(&full_customer()).id();
    server.crash();
    check_whole(&server);
    unbind(&server);
    sql(
        &server.data,
        "DELETE FROM keys.secrets WHERE name = 'rows'; UPDATE projects SET mac = NULL;
         UPDATE api_keys SET mac = NULL",
    );
    let refused = refusal(&server);
    assert!(refused.contains("oms migrate --bind-rows"), "{refused}");
    let ordered = on(&server, &["migrate", "--bind-rows"]);
    assert!(ordered.status.success(), "{ordered:?}");
    let server = Server::start_owning(server.into_folder());
    let api = server.connect(&api.at(&server.base).key);
    api.read(&id);
    // The log says that it was ordered, and that the customer is another row than it left.
    let bound = "SELECT COUNT(*) FROM events WHERE kinds = 'rows.bound'";
    assert_eq!(numbers(&server.data, bound), [2]);
}

#[test]
fn a_copy_of_the_data_from_before_is_restored_into_bound_rows() {
    if on_postgres() {
        // What a database restores is its server's, and `oms migrate --bind-rows` binds it.
        return;
    }
    let (folder, api, ids) = older();
    let data = folder.path().join("data");
    // As the version before had it: without the columns that came since.
    sql(
        &data,
        "ALTER TABLE api_keys DROP COLUMN mac; ALTER TABLE projects DROP COLUMN mac;
         ALTER TABLE events DROP COLUMN state; ALTER TABLE customer_versions DROP COLUMN identity_tag;
         DROP TABLE webhook_subscriptions; ALTER TABLE webhooks DROP COLUMN compliance_only;
         DROP INDEX watchlists_by_name; ALTER TABLE watchlists DROP COLUMN name;
         ALTER TABLE watchlists DROP COLUMN dated; ALTER TABLE watchlists DROP COLUMN removed;
         DROP TABLE lookup_epochs; DROP TABLE stale_lookups;
         DROP INDEX customers_held_up; ALTER TABLE customers DROP COLUMN created_at;
         DROP INDEX events_held_up; ALTER TABLE events DROP COLUMN happened_at;
         ALTER TABLE customer_versions DROP COLUMN created_at; ALTER TABLE webhooks DROP COLUMN created_at;
         ALTER TABLE webhook_deliveries DROP COLUMN happened_at;
         ALTER TABLE verifications DROP COLUMN requested_at; DROP TABLE clock;
         ALTER TABLE verifications DROP COLUMN claimed_by; ALTER TABLE rescreenings DROP COLUMN claimed_by;
         DROP TABLE servers; PRAGMA main.user_version = 11",
    );
    let copy = folder.path().join("copy.db");
    std::fs::copy(data.join("oms.db"), &copy).expect("it is copied");
    // The register is the newest, which knows that rows were bound.
    let server = Server::start_owning(folder);
    let again = Folder::new();
    let target = again.path().join("data");
    let mut private = std::fs::DirBuilder::new();
    private.mode(0o700).create(&target).expect("a folder");
    let master = target.join("master.key");
    std::fs::copy(server.data.join("master.key"), &master).expect("it is copied");
    let keys = again.path().join("keys");
    let text = |path: &std::path::Path| path.to_str().expect("plain text").to_owned();
    let kept = server.run(&["backup-keys", &text(&keys)]);
    assert!(kept.status.success(), "{kept:?}");
    let (copy, keys, target) = (text(&copy), text(&keys), text(&target));
    let restore = ["restore", &copy, "--keys", &keys, "--data", &target];
    let restored = crate::support::oms(&restore, &[]);
    assert!(restored.status.success(), "{restored:?}");
    let server = Server::start_owning(again);
    let api = server.connect(&api.at(&server.base).key);
    for id in &ids {
        api.read(id);
    }
    let doctor = on(&server, &["doctor"]);
    assert!(doctor.status.success(), "{doctor:?}");
}
