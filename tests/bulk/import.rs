//! `oms customers import`: rows become customers, exactly once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use oms::vault::MASTER_KEY_FILE;
use serde_json::{Value, json};

use crate::support::{
    Folder, Mode, Output, Server, database_setting, eventually, fresh_name, full_customer,
    minimal_customer, oms,
};

/// A server with a project, and a folder for files.
struct Place {
    server: Server,
    project: String,
    folder: Folder,
}

impl Place {
    fn new() -> Self {
        Self {
            server: Server::start(&[]),
            project: fresh_name("project"),
            folder: Folder::new(),
        }
    }

    fn api(&self) -> crate::support::Api {
        let key = self.server.key(&self.project, Mode::Sandbox, None);
        self.server.connect(&key)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("in order");
        path
    }

    fn import(&self, file: &Path, more: &[&str]) -> Output {
        let mut arguments = vec![
            "customers",
            "import",
            file.to_str().expect("a path of plain text"),
            "--json",
            "--project",
            &self.project,
            "--data",
            self.server.data.to_str().expect("a path of plain text"),
        ];
        arguments.extend(more);
        oms(&arguments, &[])
    }
}

#[track_caller]
fn counts(output: &Output) -> [u64; 4] {
    let told: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    ["rows", "created", "alreadyThere", "refused"]
        .map(|name| told[name].as_u64().expect("in order"))
}

fn lines(rows: &[Value]) -> String {
    rows.iter()
        .fold(String::new(), |text, row| text + &row.to_string() + "\n")
}

/// Rows of which every other has an external id.
fn many(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            let mut row = full_customer();
            row["email"] = json!(format!("person{number}@example.com"));
            row["externalId"] = match number % 2 {
                0 => Value::Null,
                _ => json!(format!("person-{number}")),
            };
            row
        })
        .collect()
}

#[test]
fn rows_are_created_once_however_often_they_are_imported() {
    let place = Place::new();
    let api = place.api();
    let file = place.file("people.jsonl", &lines(&many(600)));
    assert_eq!(counts(&place.import(&file, &["--dry-run"])), [600, 0, 0, 0]);
    assert_eq!(api.all_customers().len(), 0, "a dry run writes nothing");
    assert_eq!(counts(&place.import(&file, &[])), [600, 600, 0, 0]);
    let first = api.all_customers();
    assert_eq!(first.len(), 600);
    assert_eq!(counts(&place.import(&file, &[])), [600, 0, 600, 0]);
    assert_eq!(api.all_customers(), first);
    // Another file with the same external ids brings only those that have none.
    let mut rows = many(600);
    rows.insert(0, minimal_customer());
    let other = place.file("other.jsonl", &lines(&rows));
    assert_eq!(counts(&place.import(&other, &[])), [601, 301, 300, 0]);
    assert_eq!(api.listed("?email=person3@example.com").len(), 1);
}

/// A program that looks up and then creates would make a second one of whom it does not find.
#[test]
fn what_was_imported_is_found_at_once() {
    let place = Place::new();
    let api = place.api();
    for round in 0..5 {
        let mut row = full_customer();
        row["externalId"] = json!(format!("round-{round}"));
        row["email"] = json!(format!("round{round}@example.com"));
        let file = place.file("people.jsonl", &lines(&[row.clone()]));
        assert_eq!(counts(&place.import(&file, &[])), [1, 1, 0, 0]);
        let found = api.listed(&format!("?externalId=round-{round}"));
        assert_eq!(found.len(), 1, "round {round}, by external id");
        assert_eq!(
            api.listed(&format!("?email=round{round}@example.com")),
            found
        );
    }
}

#[test]
fn the_key_of_a_row_tells_nobody_what_the_row_holds() {
    let place = Place::new();
    let api = place.api();
    let mut row = full_customer();
    row["externalId"] = json!("abc");
    let text = lines(&[row.clone(), minimal_customer()]);
    let file = place.file("people.jsonl", &text);
    assert_eq!(counts(&place.import(&file, &[])), [2, 2, 0, 0]);
    // A key made of the external id, which everyone of the project can read. The hash is SHA-256
    // of "abc", the first example of FIPS 180.
    let key = "import.externalId.ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    row["birthDate"] = json!("1987-03-08");
    let guessed = api.post_keyed("/customers", key, &row).wants(201);
    assert_eq!(guessed.header("idempotent-replayed"), None);
    assert_eq!(counts(&place.import(&file, &[])), [2, 0, 2, 0]);
    assert_eq!(api.all_customers().len(), 3);
}

#[test]
fn refused_rows_are_told_of_by_line_and_pointer_and_never_by_value() {
    let place = Place::new();
    let api = place.api();
    let mut changed = full_customer();
    changed["firstName"] = json!("Grace");
    let text = format!(
        "\u{feff}{}\n\n{}\nnonsense Zyxq\n{changed}\n{{\"type\":\"individual\",\"metadata\":{{\"a\":\"{}\"}}}}\n",
        full_customer(),
        json!({ "type": "individual", "birthDate": "Zyxqdate", "residentialAddress": { "country": "Zyxqland" },
            "identifyingInformation": [{ "type": "ssn", "issuingCountry": "US", "number": "Zyxq000" }] }),
        "x".repeat(70_000),
    );
    let file = place.file("people.jsonl", &text);
    for name in ["report.jsonl", "report.csv"] {
        let report = place.folder.path().join(name);
        let output = place.import(
            &file,
            &["--report", report.to_str().expect("a path of plain text")],
        );
        assert!(!output.status.success(), "{output:?}");
        let [rows, _, _, refused] = counts(&output);
        assert_eq!((rows, refused), (5, 4), "{output:?}");
        let told = fs::read_to_string(&report).expect("in order");
        assert!(!told.contains("Zyxq"), "{told}");
        for wanted in [
            "/birthDate",
            "/residentialAddress/country",
            "/identifyingInformation/0/number",
            "bodyNotJson",
            "idempotencyKeyReused",
            "cst_",
            "bodyTooLarge",
        ] {
            assert!(told.contains(wanted), "{wanted} in {told}");
        }
    }
    assert_eq!(api.all_customers().len(), 1);
    let told = fs::read_to_string(place.folder.path().join("report.jsonl")).expect("in order");
    let numbers: Vec<_> = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("in order")["line"].clone())
        .collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
}

#[test]
fn csv_is_read_by_its_header() {
    let place = Place::new();
    let api = place.api();
    let file = place.file(
        "people.csv",
        "firstName,email,externalId,signedAgreement,endorsements,metadata.plan,residentialAddress.country,\
         identifyingInformation.0.type,identifyingInformation.0.issuingCountry,identifyingInformation.0.number\n\
         Ada,ada@example.com,a,true,basic|usd,gold,US,ssn,US,523-45-1000\n\
         \"Grace, or\nHopper\",grace@example.com,b,maybe,,,,,,\n\
         Too,few\n\
         Joan,joan@example.com,c,,,,,ssn,US,Zyxq\n",
    );
    let report = place.folder.path().join("report.jsonl");
    let output = place.import(
        &file,
        &["--report", report.to_str().expect("a path of plain text")],
    );
    assert_eq!(counts(&output), [4, 1, 0, 3], "{output:?}");
    let customers = api.all_customers();
    assert_eq!(customers[0]["firstName"], "Ada");
    assert_eq!(customers[0]["metadata"], json!({ "plan": "gold" }));
    assert_eq!(
        customers[0]["endorsements"]
            .as_array()
            .expect("in order")
            .len(),
        2
    );
    let told = fs::read_to_string(report).expect("in order");
    for wanted in [
        "/signedAgreement",
        "\"line\":3",
        "\"line\":5",
        "/identifyingInformation/0/number",
        "\"line\":6",
    ] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    assert!(!told.contains("Zyxq"), "{told}");
}

#[test]
fn a_killed_import_goes_on_where_it_was_while_the_server_answers() {
    let place = Place::new();
    let api = place.api();
    let file = place.file("people.jsonl", &lines(&many(6_000)));
    for _ in 0..3 {
        let before = api.all_customers().len();
        let mut import = Command::new(env!("CARGO_BIN_EXE_oms"))
            .args(["customers", "import"])
            .arg(&file)
            .args(["--project", &place.project, "--data"])
            .arg(&place.server.data)
            .envs(database_setting(&place.server.data))
            .stdout(Stdio::null())
            .spawn()
            .expect("in order");
        eventually(Duration::from_mins(1), "some rows are there", || {
            (import.try_wait().expect("in order").is_some() || api.all_customers().len() > before)
                .then_some(())
        });
        drop(import.kill());
        import.wait().expect("in order");
        api.create(&minimal_customer());
    }
    let output = place.import(&file, &[]);
    assert_eq!(counts(&output)[0], 6_000, "{output:?}");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(api.all_customers().len(), 6_003);
    assert_eq!(counts(&place.import(&file, &[])), [6_000, 0, 6_000, 0]);
}

#[test]
fn a_project_must_be_there_and_a_folder_too() {
    let place = Place::new();
    let file = place.file("people.jsonl", "{\"type\":\"individual\"}\n");
    let output = place.import(&file, &[]);
    assert!(output.stderr.contains("there is no project"), "{output:?}");
    let empty = place.folder.path().join("none");
    let data = empty.to_str().expect("a path of plain text");
    let output = oms(
        &[
            "customers",
            "import",
            file.to_str().expect("a path of plain text"),
            "--data",
            data,
        ],
        &[],
    );
    assert!(output.stderr.contains("holds no store"), "{output:?}");
    assert!(!empty.join(MASTER_KEY_FILE).exists());
}

#[test]
fn rows_that_end_in_a_carriage_return_alone_are_rows_of_their_own() {
    let place = Place::new();
    let api = place.api();
    // The second row is the first once more, without an id that would say so.
    let file = place.file("old.csv", "firstName,lastName\rAda,A\rAda,A\rBob,B\r");
    assert_eq!(counts(&place.import(&file, &[])), [3, 3, 0, 0]);
    assert_eq!(counts(&place.import(&file, &[])), [3, 0, 3, 0]);
    assert_eq!(api.all_customers().len(), 3);
}

#[test]
fn a_spreadsheet_s_own_ways_are_read() {
    let place = Place::new();
    let api = place.api();
    let text = "\u{feff}firstName,email,signedAgreement,phone,externalId,\n\
         Ada,ada@example.com,TRUE,'+14155550123,'=a,\n\
         Grace, grace@example.com ,False,,b,\n\
         ,,,,,\n  ,,, ,,\n,,\n,,,,,\n";
    let output = place.import(&place.file("people.csv", text), &[]);
    assert_eq!(counts(&output), [2, 2, 0, 0], "{output:?}");
    let customers = api.all_customers();
    assert_eq!(customers[1]["signedAgreement"], true);
    assert_eq!(customers[1]["phone"], "+14155550123");
    assert_eq!(customers[1]["externalId"], "=a");
    assert_eq!(customers[0]["signedAgreement"], false);
}

#[test]
fn a_header_is_judged_once_and_says_what_to_do() {
    let place = Place::new();
    let api = place.api();
    for (text, told) in [
        (
            "firstName;email\nAda;ada@example.com\n",
            "semicolons; save the file with commas",
        ),
        (
            "firstName\temail\nAda\tada@example.com\n",
            "separated by tabs",
        ),
        (
            "first_nam,mail\nAda,ada@example.com\n",
            "none of the 2 columns is a field",
        ),
        (
            "Zyxq,zyxq@example.com\nAda,ada@example.com\n",
            "the first line must name them",
        ),
        ("Zyxq,zyxq@example.com\n", "the first line must name them"),
        (
            "firstName,emial\nAda,ada@example.com\n",
            "did you mean email?",
        ),
        (
            "firstName,metadata.plan,metadata\nAda,gold,\"{\"\"a\"\":1}\"\n",
            "write over each other",
        ),
        (
            "firstName,metadata,metadata.plan\nAda,\"{\"\"a\"\":1}\",gold\n",
            "write over each other",
        ),
        (
            "firstName,identifyingInformation,identifyingInformation.0.type\nAda,,ssn\n",
            "write over each other",
        ),
    ] {
        let file = place.file("people.csv", text);
        for more in [&[][..], &["--dry-run"]] {
            let output = place.import(&file, more);
            assert!(!output.status.success(), "{text}: {output:?}");
            assert!(output.stderr.contains(told), "{text}: {output:?}");
            assert!(!output.stderr.to_lowercase().contains("zyxq"), "{output:?}");
        }
    }
    assert!(api.all_customers().is_empty());
}

#[test]
fn an_export_is_imported_again_without_loss() {
    let place = Place::new();
    let api = place.api();
    let mut person = full_customer();
    person["externalId"] = json!("=cmd|' /C calc'!A0");
    person["residentialAddress"]["line1"] = json!("@1 Market Street");
    person["metadata"] = json!({ "plan": "=1+1", "seats": 3, "none": null });
    person["endorsements"] = json!(["usd"]);
    api.create(&person);
    let mut nothing = minimal_customer();
    nothing["endorsements"] = json!([]);
    nothing["externalId"] = json!("requests none");
    api.create(&nothing);
    let gone = api.create(&minimal_customer()).id();
    api.delete(&format!("/customers/{gone}")).wants(200);
    for (number, format) in ["csv", "jsonl"].into_iter().enumerate() {
        let file = place.folder.path().join(format!("people.{format}"));
        let name = file.to_str().expect("plain");
        let data = place.server.data.to_str().expect("plain");
        let output = oms(
            &[
                "customers",
                "export",
                "--project",
                &place.project,
                "--data",
                data,
                "--format",
                format,
                "--output",
                name,
                "--with-pii",
                "--reason",
                "moving",
            ],
            &[],
        );
        assert!(output.status.success(), "{output:?}");
        if format == "csv" {
            let text = fs::read_to_string(&file).expect("in order");
            assert!(
                text.contains(",'=cmd|' /C calc'!A0,") && text.contains("'@1 Market"),
                "{text}"
            );
        }
        let other = Place {
            server: Server::start(&[]),
            project: fresh_name(&format!("again{number}")),
            folder: Folder::new(),
        };
        let again = other.api();
        let output = other.import(&file, &[]);
        assert_eq!(counts(&output), [3, 2, 0, 1], "{output:?}");
        assert!(output.stderr.contains("/status"), "{output:?}");
        let plain = |mut one: Value| {
            for name in ["id", "createdAt", "updatedAt", "signedAgreementAt"] {
                one[name] = Value::Null;
            }
            one
        };
        let kept = |api: &crate::support::Api| -> Vec<Value> {
            let all = api.all_customers().into_iter();
            let mut all: Vec<_> = all
                .filter(|one| one["status"] == "active")
                .map(plain)
                .collect();
            all.sort_by_key(|one| one["externalId"].to_string());
            all
        };
        assert_eq!(kept(&again), kept(&api));
        assert_eq!(
            again.listed("?email=ada@example.com").len(),
            api.listed("?email=ada@example.com").len()
        );
    }
}
