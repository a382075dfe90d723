//! Personal values stand in no answer that must not have them, and nowhere in
//! the clear: not in the database, its log of changes, the server's log.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Api, Cluster, Mode, Server, eventually, files_under, fresh_name, on_postgres,
};

/// What stands in one customer: values that occur nowhere by chance.
struct Person {
    body: Value,
    /// What must be found nowhere, in several spellings where there are such.
    canaries: Vec<String>,
    /// Those of them that no answer may hold.
    write_only: Vec<String>,
}

fn person(mark: &str, digits: &str) -> Person {
    let text = |name: &str| format!("{mark}{name}");
    let (ssn, zip) = (format!("523-45-{digits}"), format!("94117-{digits}"));
    let (year, phone) = (
        1900 + digits.bytes().map(usize::from).sum::<usize>() % 90,
        format!("+1415555{digits}"),
    );
    let birth_date = format!("{year}-11-29");
    let ip_address = format!("2001:db8:{digits}:77aa::{digits}");
    let email = format!("{mark}mail@{mark}host.example");
    let body = json!({
        "type": "individual",
        "firstName": text("first"), "middleName": text("middle"), "lastName": text("last"),
        "email": email, "phone": phone, "birthDate": birth_date, "nationality": "US",
        "ipAddress": ip_address, "externalId": text("external"), "signedAgreement": true,
        "residentialAddress": {
            "line1": text("line one"), "line2": text("line two"), "city": text("city"),
            "state": "CA", "country": "US", "zipCode": zip,
        },
        "identifyingInformation": [
            { "type": "ssn", "issuingCountry": "US", "number": ssn },
            { "type": "passport", "issuingCountry": "FR", "number": text("PASS") },
            { "type": "driversLicense", "issuingCountry": "US", "number": text("LICENSE") },
        ],
        "metadata": { text("key"): text("value"), "count": 1 },
    });
    let write_only = [
        birth_date.clone(),
        birth_date.replace('-', ""),
        ip_address,
        ssn.clone(),
        ssn.replace('-', ""),
        zip,
        text("line one"),
        text("line two"),
        text("city"),
        text("PASS"),
        text("LICENSE"),
    ];
    let returned = [
        "first", "middle", "last", "mail", "host", "external", "key", "value",
    ]
    .map(text);
    let mut canaries: Vec<String> = returned.into_iter().chain(write_only.clone()).collect();
    canaries.push(phone.trim_start_matches('+').to_owned());
    Person {
        body,
        canaries,
        write_only: write_only.into(),
    }
}

/// Where one of the values stands, in any of three cases.
fn found(files: &[(PathBuf, Vec<u8>)], canaries: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, bytes) in files {
        // Whatever is no text stays none.
        let text = String::from_utf8_lossy(bytes);
        for canary in canaries {
            let spellings = [canary.clone(), canary.to_lowercase(), canary.to_uppercase()];
            for spelling in BTreeSet::from(spellings) {
                if text.contains(&spelling) {
                    found.push(format!("{spelling} in {}", path.display()));
                }
            }
        }
    }
    found
}

/// The data folder and the log beside it; the files and logs of the database as well.
fn everything_kept(server: &Server) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = files_under(server.data.parent().expect("a folder"));
    if on_postgres() {
        files.extend(Cluster::shared().files_of(&server.data));
    }
    files
}

/// Everything that a client can do with a person's values, well or badly.
fn use_everywhere(api: &Api, one: &Person, other: &Person) -> String {
    let key = fresh_name("key");
    let made = api.post_keyed("/customers", &key, &one.body).wants(201);
    api.post_keyed("/customers", &key, &one.body).wants(201);
    api.post_keyed("/customers", &key, &other.body)
        .problem(422, "idempotencyKeyReused");
    let path = format!("/customers/{}", made.id());
    let mut change = other.body.clone();
    change.as_object_mut().expect("an object").remove("type");
    let call = api
        .call("PATCH", &path)
        .header("idempotency-key", fresh_name("key"))
        .json(&change);
    call.send().wants(200);
    call.send().wants(200);
    for person in [one, other] {
        let text = |name: &str| person.body[name].as_str().expect("a text").to_owned();
        api.list(&format!(
            "?email={}&externalId={}",
            text("email"),
            text("externalId")
        ));
        api.get(&format!("/customers?limit=x&email={}", text("email")))
            .problem(400, "queryInvalid");
        let mut refused = person.body.clone();
        refused["type"] = json!("nobody");
        refused["residentialAddress"]["country"] = json!("Nowhere");
        api.post("/customers", &refused)
            .problem(422, "validationFailed");
        let text = person.body.to_string();
        api.posting("/customers", &json!({}))
            .text(&text[..text.len() - 1])
            .send()
            .problem(400, "bodyNotJson");
        api.posting("/customers", &json!({}))
            .body("text/plain", &text)
            .send()
            .problem(415, "unsupportedMediaType");
    }
    api.delete(&path).wants(200);
    api.patch(&path, &change).problem(409, "customerInactive");
    made.id()
}

#[track_caller]
fn check_nothing_is_kept_in_the_clear(settings: &[(&str, &str)]) {
    let mut server = Server::start(settings);
    let (one, other) = (person("Zyxqa", "7391"), person("Vwkpo", "8264"));
    let api = server.project(Mode::Sandbox);
    use_everywhere(&api, &one, &other);
    let live = server.project(Mode::Live);
    live.create(&one.body);
    let mut values = one.canaries.clone();
    values.extend(other.canaries.clone());
    values.extend([
        api.key.api_secret.clone(),
        api.token.clone(),
        live.key.api_secret,
        live.token,
    ]);
    let last = api.list("").wants_header("x-request-id").to_owned();
    eventually(Duration::from_secs(10), "all is logged", || {
        server.logged().contains(&last).then_some(())
    });
    let while_running = everything_kept(&server);
    let names: Vec<String> = while_running
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let is_of_a_database = |(path, bytes): &(PathBuf, Vec<u8>)| {
        bytes.starts_with(b"SQLite format 3") || path.ends_with("global/pg_control")
    };
    assert!(while_running.iter().any(is_of_a_database), "{names:?}");
    let is_of_a_log = |name: &String| name.ends_with("-wal") || name.contains("/pg_wal/0");
    assert!(
        names.iter().any(is_of_a_log),
        "the log of changes is searched too: {names:?}"
    );
    assert_eq!(found(&while_running, &values), [""; 0]);
    server.crash();
    assert_eq!(
        found(&everything_kept(&server), &values),
        [""; 0],
        "after a crash"
    );
    let mut server = Server::start_owning_with(server.into_folder(), settings);
    assert_eq!(api.at(&server.base).all_customers().len(), 1);
    server.signal("TERM");
    server.ended(Duration::from_secs(10));
    assert_eq!(
        found(&everything_kept(&server), &values),
        [""; 0],
        "after a stop"
    );
}

#[test]
fn no_personal_value_and_no_secret_stands_in_the_data_folder_or_the_log() {
    check_nothing_is_kept_in_the_clear(&[]);
}

#[test]
fn no_personal_value_and_no_secret_stands_there_however_much_is_logged() {
    check_nothing_is_kept_in_the_clear(&[("OMS_LOG_LEVEL", "trace"), ("OMS_LOG_FORMAT", "json")]);
}

#[test]
fn the_search_finds_what_stands_there() {
    let server = Server::start(&[]);
    let id = fresh_name("Trace");
    server
        .call("GET", "/healthz")
        .header("x-request-id", &id)
        .send()
        .wants(200);
    eventually(Duration::from_secs(10), "the search finds it", || {
        (!found(&everything_kept(&server), std::slice::from_ref(&id)).is_empty()).then_some(())
    });
}

#[test]
fn no_answer_holds_a_write_only_value() {
    let api = Server::shared().sandbox();
    let (one, other) = (person("Zyxqb", "7392"), person("Vwkpp", "8265"));
    let key = fresh_name("key");
    let made = api.post_keyed("/customers", &key, &one.body).wants(201);
    let path = format!("/customers/{}", made.id());
    let mut change = other.body.clone();
    change.as_object_mut().expect("an object").remove("type");
    let mut refused = other.body.clone();
    refused["type"] = json!("nobody");
    let answers = [
        api.post_keyed("/customers", &key, &one.body),
        api.post_keyed("/customers", &key, &other.body),
        api.read(&made.id()),
        api.list(""),
        api.patch(&path, &change),
        api.post("/customers", &refused),
        api.delete(&path),
        api.patch(&path, &change),
        made,
    ];
    for answer in answers {
        let all = format!("{answer}").to_lowercase();
        for value in one.write_only.iter().chain(&other.write_only) {
            assert!(!all.contains(&value.to_lowercase()), "{value}: {answer}");
        }
        let names = [
            "birthDate",
            "ipAddress",
            "residentialAddress",
            "identifyingInformation",
        ];
        for name in names.iter().filter(|_| answer.status < 400) {
            assert!(!answer.text().contains(name), "{name}: {answer}");
        }
    }
}

#[test]
fn metrics_hold_no_personal_value() {
    let server = Server::start(&[]);
    let (one, other) = (person("Zyxqc", "7393"), person("Vwkpq", "8266"));
    let id = use_everywhere(&server.sandbox(), &one, &other);
    let metrics = server.operator_call("GET", "/metrics").send().wants(200);
    let values: Vec<String> = one
        .canaries
        .iter()
        .chain(&other.canaries)
        .chain([&id])
        .cloned()
        .collect();
    assert_eq!(
        found(&[("metrics".into(), metrics.body.clone())], &values),
        [""; 0],
        "{metrics}"
    );
}
