//! `oms customers export`: what answers show, and more only for a reason.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use crate::support::{
    Folder, Mode, Output, Server, fresh_name, full_customer, minimal_customer, oms, on_postgres,
};

fn export(server: &Server, project: &str, more: &[&str]) -> Output {
    let data = server.data.to_str().expect("a path of plain text");
    let mut arguments = vec!["customers", "export", "--project", project, "--data", data];
    arguments.extend(more);
    oms(&arguments, &[])
}

#[test]
fn an_export_is_what_answers_show() {
    let server = Server::start(&[]);
    let project = fresh_name("project");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    api.create(&full_customer());
    let gone = api.create(&minimal_customer());
    api.delete(&format!("/customers/{}", gone.id())).wants(200);
    server.sandbox().create(&minimal_customer());

    let output = export(&server, &project, &[]);
    let rows: Vec<Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("in order"))
        .collect();
    assert_eq!(rows, api.all_customers(), "{output:?}");
    let output = export(&server, &project, &["--order", "oldest"]);
    let ids: Vec<_> = output
        .stdout
        .lines()
        .map(|line| line[7..37].to_owned())
        .collect();
    let mut newest: Vec<_> = api.listed("");
    newest.reverse();
    assert_eq!(ids, newest);

    let folder = Folder::new();
    let file = folder.path().join("people.csv");
    let name = file.to_str().expect("a path of plain text");
    let output = export(&server, &project, &["--format", "csv", "--output", name]);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&file).expect("in order");
    assert!(text.starts_with("id,status,firstName,"), "{text}");
    assert!(
        text.contains("Lovelace") && text.contains("inactive"),
        "{text}"
    );
    assert!(
        !text.contains("1990-05-15") && !text.contains("birthDate"),
        "{text}"
    );
    assert_eq!(
        fs::metadata(&file).expect("in order").permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn what_is_no_file_is_not_replaced_by_one() {
    let server = Server::shared();
    let project = fresh_name("project");
    server.key(&project, Mode::Sandbox, None);
    let folder = Folder::new();
    let socket = folder.path().join("socket");
    let _listening = UnixListener::bind(&socket).expect("a socket can be made");
    let path = socket.to_str().expect("a path of plain text");
    let data = server.data.to_str().expect("a path of plain text");
    let mut refused = vec![export(server, &project, &["--output", path])];
    if !on_postgres() {
        refused.push(oms(&["backup-keys", path, "--data", data], &[]));
    }
    for output in refused {
        assert!(!output.status.success(), "{output:?}");
        assert!(output.stderr.contains("is no file"), "{output:?}");
    }
    let still = fs::metadata(&socket).expect("it is there");
    assert!(still.file_type().is_socket(), "it is another thing now");
}

#[test]
fn write_only_fields_leave_for_a_reason_only() {
    let server = Server::start(&[]);
    let project = fresh_name("project");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    let id = api.create(&full_customer()).id();
    for refused in [
        &["--with-pii"][..],
        &["--with-pii", "--reason", " "],
        &["--reason", "x"],
    ] {
        let output = export(&server, &project, refused);
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{output:?}"
        );
    }
    let output = export(&server, &project, &["--with-pii", "--reason", "an audit"]);
    let row: Value = serde_json::from_str(output.stdout.trim()).expect("in order");
    assert_eq!(row["birthDate"], "1990-05-15");
    assert_eq!(row["residentialAddress"]["zipCode"], "94105");
    assert_eq!(
        row["identifyingInformation"],
        json!([{ "type": "ssn", "issuingCountry": "US", "number": "123456789" }])
    );
    assert!(!output.stderr.contains("1990"), "{output:?}");
    let data = server.data.to_str().expect("a path of plain text");
    let told = oms(&["audit", "export", "--data", data], &[]);
    let opened = told
        .stdout
        .lines()
        .find(|line| line.contains("customer.opened"));
    assert!(
        opened.is_some_and(|line| line.contains("an audit")),
        "{told:?}"
    );
    // The customer's own history goes on without what is for auditors.
    let history = format!("/customers/{id}/endorsements/usd/history");
    let changes = api.get(&history).wants(200).json();
    assert_eq!(changes["data"][0]["to"], "ACTIVE", "{changes}");
}
