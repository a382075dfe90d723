//! Changes of keys stand in the log, in the transaction that makes them.

use serde_json::{Value, json};

use crate::support::{Server, numbers, on_postgres, sql};
use crate::{check_whole, exported, on};

/// What the log says of one kind, the oldest first.
fn told(server: &Server, kind: &str) -> Vec<Value> {
    let all = exported(server, &[]);
    all.into_iter()
        .filter(|row| row["what"] == json!([kind]))
        .collect()
}

#[track_caller]
fn check_said(row: &Value, reason: &str) {
    assert_eq!(row["resource"], "installation", "{row:#}");
    assert_eq!(row["events"][0]["reason"], reason, "{row:#}");
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    assert!(text("who").starts_with("cli:"), "{row:#}");
    assert!(text("requestId").starts_with("req_"), "{row:#}");
    assert!(text("at").ends_with('Z'), "{row:#}");
}

#[test]
fn a_change_of_the_signing_key_is_in_the_log() {
    let server = Server::start(&[]);
    let rotate = ["keys", "rotate-signing", "--reason", "a laptop was lost"];
    let output = on(&server, &rotate);
    assert!(output.status.success(), "{output:?}");
    let rows = told(&server, "signingKey.changed");
    assert_eq!(rows.len(), 1, "{rows:#?}");
    check_said(&rows[0], "a laptop was lost");
    let new = rows[0]["events"][0]["to"].as_str().unwrap_or_default();
    let id = new.strip_prefix("signing key ").expect("which key");
    assert!(output.stdout.contains(id), "{output:?}");
    // One that is refused changes nothing and says nothing.
    let again = on(&server, &rotate);
    assert!(!again.status.success(), "{again:?}");
    assert_eq!(told(&server, "signingKey.changed").len(), 1);
    check_whole(&server);
}

#[test]
fn a_change_of_the_master_key_is_in_the_log_from_its_beginning_to_its_end() {
    let server = Server::start(&[]);
    let rotate = ["keys", "rotate-master", "--reason", "as every year"];
    let output = on(&server, &rotate);
    assert!(output.status.success(), "{output:?}");
    let (began, ended) = (
        told(&server, "masterKey.changing"),
        told(&server, "masterKey.changed"),
    );
    assert_eq!((began.len(), ended.len()), (1, 1), "{began:#?} {ended:#?}");
    check_said(&began[0], "as every year");
    check_said(&ended[0], "as every year");
    assert_eq!(began[0]["events"][0]["to"], ended[0]["events"][0]["to"]);
    assert_ne!(began[0]["events"][0]["from"], began[0]["events"][0]["to"]);
    check_whole(&server);
}

#[test]
fn without_its_record_no_key_is_changed() {
    let server = Server::start(&[]);
    let keys = || -> [i64; 2] {
        numbers(
            &server.data,
            "SELECT (SELECT COUNT(*) FROM keys.signing_keys),
                    (SELECT COUNT(*) FROM keys.wrapping_keys)",
        )
    };
    let before = keys();
    let no_record = if on_postgres() {
        "ALTER TABLE events ADD CONSTRAINT no_record CHECK (false) NOT VALID"
    } else {
        "CREATE TRIGGER no_record BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END"
    };
    sql(&server.data, no_record);
    for command in ["rotate-signing", "rotate-master"] {
        let output = on(&server, &["keys", command]);
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(keys(), before, "{command}");
    }
}
