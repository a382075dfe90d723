//! `oms doctor`: each way a store can be damaged is found and named.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use super::copies::{destroy_key, run, server_and_key};
use crate::support::{
    Folder, bytes, full_customer, is_about_files, minimal_customer, on_postgres, sql,
};

/// The customer that was made first.
const FIRST: &str = "id = (SELECT id FROM customers ORDER BY id LIMIT 1)";

/// The answer that was kept first.
const FIRST_ANSWER: &str = "id = (SELECT id FROM idempotency ORDER BY id LIMIT 1)";

/// A store with a few customers that nobody uses.
struct Patient {
    folder: Folder,
    master: PathBuf,
    customer: String,
}

/// Moves the journalled look-ups into their table, as the server does once many
/// have gathered, so that single ones can be damaged there.
fn fold(data: &std::path::Path) {
    let data = Connection::open(data).expect("in order");
    let mut statement = data
        .prepare("SELECT ops FROM lookup_journal ORDER BY id")
        .expect("in order");
    let rows = statement
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .expect("in order");
    for ops in rows {
        for op in ops.expect("in order").chunks_exact(25) {
            let hash = i64::from_be_bytes(op[..8].try_into().expect("eight bytes"));
            assert_eq!(op[24], 0, "nothing was removed");
            data.execute(
                "INSERT OR IGNORE INTO lookups VALUES (?1, ?2)",
                (hash, &op[8..24]),
            )
            .expect("in order");
        }
    }
    drop(statement);
    let done = "UPDATE lookup_fold SET through = (SELECT MAX(id) FROM lookup_journal); DELETE FROM lookup_journal";
    data.execute_batch(done).expect("in order");
}

impl Patient {
    fn new() -> Self {
        let keys = Folder::new();
        let (mut server, master) = server_and_key(&keys);
        let api = server.sandbox();
        let customer = api.create(&full_customer()).id();
        for _ in 0..20 {
            api.create(&minimal_customer());
        }
        server.signal("TERM");
        server.ended(std::time::Duration::from_secs(20));
        let folder = server.into_folder();
        if !on_postgres() {
            fold(&folder.path().join("data").join("oms.db"));
        }
        let kept = folder.path().join("master");
        fs::rename(&master, &kept).expect("in order");
        Self {
            folder,
            master: kept,
            customer,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Damages rows, of which there must be some.
    #[track_caller]
    fn sql(&self, damage: &str) {
        let changed = sql(&self.data(), &format!("{damage} RETURNING 1"));
        assert!(!changed.is_empty(), "{damage}");
    }

    /// The problems by name, with all that is said of each.
    #[track_caller]
    fn problems(&self) -> Vec<(String, String)> {
        let output = run(&self.master, &self.data(), &["doctor", "--json"]);
        let report: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let findings = report["findings"].as_array().expect("in order").iter();
        let problems: Vec<_> = findings
            .filter(|one| one["problem"] == true)
            .map(|one| {
                (
                    one["check"].as_str().expect("in order").to_owned(),
                    one.to_string(),
                )
            })
            .collect();
        assert_eq!(output.status.success(), problems.is_empty(), "{output:?}");
        problems
    }

    /// That there is this problem and no other, and what is said of it.
    #[track_caller]
    fn has_only(&self, check: &str) -> String {
        let problems = self.problems();
        let names: Vec<_> = problems.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [check], "{problems:?}");
        problems[0].1.clone()
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("in order");
}

#[test]
fn a_sound_store_has_no_problems_and_stays_as_it_is() {
    let patient = Patient::new();
    let bytes = || fs::read(patient.data().join("oms.db")).ok();
    let before = bytes();
    assert_eq!(patient.problems(), []);
    assert_eq!(bytes(), before);
    let text = run(&patient.master, &patient.data(), &["doctor"]);
    assert!(
        text.stdout.contains("21 customers and 21 kept answers"),
        "{text:?}"
    );
}

#[test]
fn an_altered_or_moved_sealed_value_is_named() {
    let patient = Patient::new();
    patient.sql(&format!(
        "UPDATE customers SET identity = {} WHERE {FIRST}",
        bytes(&[0x5a; 90])
    ));
    assert!(
        patient
            .has_only("sealedCustomer")
            .contains(&patient.customer)
    );
    let patient = Patient::new();
    let other = "SELECT profile FROM customers ORDER BY id DESC LIMIT 1";
    patient.sql(&format!(
        "UPDATE customers SET profile = ({other}) WHERE {FIRST}"
    ));
    let told = patient.has_only("sealedCustomer");
    assert!(
        told.contains(&patient.customer) && told.contains("customers.profile"),
        "{told}"
    );
    let patient = Patient::new();
    patient.sql(&format!(
        "UPDATE idempotency SET answer = {} WHERE {FIRST_ANSWER}",
        bytes(&[0; 60])
    ));
    assert!(patient.has_only("sealedAnswer").contains(&patient.customer));
}

#[test]
fn missing_and_foreign_lookups_are_named() {
    let patient = Patient::new();
    patient.sql(
        "DELETE FROM lookups WHERE (hash, target) IN
         (SELECT l.hash, l.target FROM lookups l JOIN customers c ON c.id = l.target LIMIT 1)",
    );
    assert!(
        patient
            .has_only("lookupMissing")
            .contains(&patient.customer)
    );
    let patient = Patient::new();
    patient.sql(&format!(
        "INSERT INTO lookups SELECT 7, id FROM customers WHERE {FIRST}"
    ));
    assert!(
        patient
            .has_only("lookupForeign")
            .contains(&patient.customer)
    );
    if on_postgres() {
        // There a used key is found by itself.
        return;
    }
    let patient = Patient::new();
    patient.sql(&format!(
        "DELETE FROM lookups WHERE target = (SELECT id FROM idempotency WHERE {FIRST_ANSWER})"
    ));
    assert!(
        patient
            .has_only("answerLookupMissing")
            .contains(&patient.customer)
    );
}

#[test]
fn look_ups_to_the_erased_are_named_and_the_erased_are_no_damage() {
    let patient = Patient::new();
    destroy_key(&patient.data(), &patient.customer);
    assert!(
        patient
            .has_only("lookupForeign")
            .contains("data key is destroyed")
    );
    patient.sql(&format!(
        "DELETE FROM lookups WHERE target = (SELECT id FROM customers WHERE {FIRST})"
    ));
    assert_eq!(patient.problems(), []);
}

#[test]
fn open_files_are_named() {
    if is_about_files() {
        return;
    }
    let patient = Patient::new();
    chmod(&patient.data().join("keys.db"), 0o644);
    assert!(
        patient
            .has_only("permissions")
            .contains("keys.db has mode 644")
    );
    chmod(&patient.data().join("keys.db"), 0o600);
    chmod(&patient.data(), 0o755);
    assert!(patient.has_only("permissions").contains("mode 755"));
    chmod(&patient.data(), 0o700);
    chmod(&patient.master, 0o644);
    let names: Vec<_> = patient
        .problems()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["permissions", "masterKey"]);
}

#[test]
fn a_page_of_garbage_a_newer_schema_and_a_clock_that_is_behind_are_named() {
    if is_about_files() {
        return;
    }
    let patient = Patient::new();
    let path = patient.data().join("oms.db");
    let whole = fs::read(&path).expect("in order");
    let last = whole.len() - 4096;
    for place in [4096 * 3, last] {
        let mut bytes = whole.clone();
        bytes[place..place + 4096].fill(0x5a);
        fs::write(&path, &bytes).expect("in order");
        let problems = patient.problems();
        assert!(
            problems.iter().any(|(name, _)| name == "integrity"),
            "{problems:?}"
        );
    }
    fs::write(&path, b"not a database at all, but long enough to look at").expect("in order");
    assert_eq!(patient.problems()[0].0, "integrity");
    fs::write(&path, &whole).expect("in order");
    Connection::open(&path)
        .expect("in order")
        .execute_batch("PRAGMA user_version = 99")
        .expect("in order");
    assert!(patient.has_only("migrations").contains("newer oms"));
    fs::write(&path, &whole).expect("in order");
    // A server believed another time before it stopped: thirty days later.
    patient.sql("UPDATE clock SET settled_at = settled_at + 2592000000");
    assert!(patient.has_only("clock").contains("date -u"));
}
