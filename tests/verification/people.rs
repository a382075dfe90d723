//! People beside the provider, and projects that need none.

use crate::process::{Asking, Provider, SECRET, approved, with_document};
use crate::support::{Mode, Server, numbers, oms};

fn rows(server: &Server) -> i64 {
    let [rows] = numbers(&server.data, "SELECT COUNT(*) FROM verifications");
    rows
}

#[test]
fn a_sandbox_that_verifies_by_itself_asks_nobody() {
    let asking = Asking::start(&[]);
    let api = asking.server.sandbox();
    for surname in ["Lovelace", "Pending", "Issues"] {
        let mut body = with_document("AB-1234561");
        body["lastName"] = surname.into();
        let id = api.create(&body).id();
        api.change(&id, &serde_json::json!({ "firstName": "Grace" }))
            .wants(200);
    }
    assert_eq!(rows(&asking.server), 0);
}

#[test]
fn who_has_something_to_give_is_not_asked_about_yet() {
    let asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let mut body = with_document("AB-1234561");
    let documents = body["identifyingInformation"].take();
    body.as_object_mut()
        .expect("an object")
        .remove("identifyingInformation");
    let id = api.create(&body).id();
    assert_eq!(rows(&asking.server), 0);
    api.change(
        &id,
        &serde_json::json!({ "identifyingInformation": documents }),
    )
    .wants(200);
    assert_eq!(rows(&asking.server), 1);
    provider.requests(1);
}

#[test]
fn a_person_may_decide_before_the_provider() {
    let asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("AB-1234561")).id();
    let ver = provider.requests(1)[0].clone();
    assert!(asking.list().contains(&ver), "{}", asking.list());
    asking.review("approve", &id, "basic");
    asking.review("approve", &id, "usd");
    assert!(
        asking.list().contains(&ver),
        "cryptoCustody still waits for it"
    );
    asking.review("approve", &id, "cryptoCustody");
    assert!(!asking.list().contains(&ver), "{}", asking.list());
    let decided = api.read(&id);
    let late = asking.result(&ver, &approved(&ver)).send();
    late.problem(409, "verificationClosed");
    assert_eq!(api.read(&id).body, decided.body);
}

#[test]
fn a_provider_that_cannot_be_asked_stops_the_start() {
    let folder = crate::support::Folder::new();
    let data = folder.path().join("data");
    let start_with = |secret: &str, url: &str, authorities: &str| {
        let arguments = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--operator-listen",
            "off",
            "--data",
        ];
        let data = data.to_str().expect("a plain path");
        let all: Vec<_> = arguments.into_iter().chain([data]).collect();
        let settings = [
            ("OMS_VERIFICATION_PROVIDER_URL", url),
            ("OMS_VERIFICATION_PROVIDER_SECRET", secret),
            ("OMS_OUTBOUND_CA_FILE", authorities),
        ];
        let output = oms(&all, &settings);
        assert!(!output.status.success(), "{output:?}");
        output.stderr
    };
    let start = |secret: &str, url: &str| start_with(secret, url, "");
    let told = start("", "https://kyc.example/verify");
    assert!(told.contains("verification_provider_secret_file"), "{told}");
    let told = start("whsec_c2VjcmV0", "https://kyc.example/verify");
    assert!(
        told.contains("24 to 64 bytes") && !told.contains("c2VjcmV0"),
        "{told}"
    );
    let told = start("whsec_c2VjcmV0", "http://kyc.example/verify");
    assert!(told.contains("http on this machine"), "{told}");
    let told = start_with(
        SECRET,
        "https://kyc.example/verify",
        "/nowhere/authorities.pem",
    );
    assert!(told.contains("/nowhere/authorities.pem"), "{told}");
}
