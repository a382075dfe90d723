//! What the provider's results make of endorsements.

use serde_json::{Value, json};

use crate::process::{Asking, Provider, approved, endorsement, found, lists, until, with_document};
use crate::support::{Api, Mode};

const IDENTITY: &str = "identityVerification";

fn history(api: &Api, id: &str, name: &str) -> Vec<Value> {
    let answer = api
        .get(&format!("/customers/{id}/endorsements/{name}/history"))
        .wants(200);
    answer.json()["data"].as_array().expect("a list").clone()
}

#[test]
fn an_approval_by_the_reference_provider_counts_for_every_endorsement() {
    let asking = Asking::start(&[]);
    let _provider = Provider::start(asking.port, Some(&asking.server));
    let api = asking.server.project(Mode::Live);
    let mut body = with_document("AB-1234562");
    body["endorsements"] = json!(["cryptoCustody"]);
    let id = api.create(&body).id();
    let custody = until(&api, &id, 1, |one| lists(one, "complete", IDENTITY));
    // The screening is still for a person: no watch list is imported here.
    assert_eq!(custody["status"], "PENDING");
    asking.review("approve", &id, "basic");
    let granted = api.read(&id);
    assert_eq!(endorsement(&granted, 0)["status"], "ACTIVE");
    assert_eq!(endorsement(&granted, 1)["status"], "ACTIVE");
    // The person is verified, also for what is requested later.
    let later = api
        .change(&id, &json!({ "endorsements": ["usd"] }))
        .wants(200);
    assert_eq!(endorsement(&later, 2)["status"], "ACTIVE", "{later}");
}

#[test]
fn a_rejection_is_the_provider_s_in_the_history() {
    let asking = Asking::start(&[]);
    let _provider = Provider::start(asking.port, Some(&asking.server));
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("AB-1234560")).id();
    for (place, name) in [(1, "cryptoCustody"), (2, "usd")] {
        let one = until(&api, &id, place, |one| one["status"] == "REJECTED");
        assert_eq!(
            one["rejectionReasons"],
            json!([{
                "developerReason": "The document is on the list of forged ones.",
                "reason": "We cannot verify your identity.",
            }])
        );
        let last = history(&api, &id, name)[0].clone();
        assert_eq!(last["actor"], "provider", "{last}");
        assert_eq!(
            (&last["from"], &last["to"]),
            (&json!("PENDING"), &json!("REJECTED"))
        );
        assert_eq!(
            last["reason"],
            "The document is on the list of forged ones."
        );
        let request = last["requestId"].as_str().unwrap_or_default();
        assert!(request.starts_with("req_"), "{last}");
    }
    assert_eq!(endorsement(&api.read(&id), 0)["status"], "PENDING");
    // What a person reopens, a person decides: the provider is not asked again.
    asking.review("reopen", &id, "usd");
    let shown = asking.run(&["reviews", "show", &id]).stdout;
    assert!(!shown.contains("ver_"), "{shown}");
}

#[test]
fn what_is_mended_is_verified_anew() {
    let asking = Asking::start(&[]);
    let _provider = Provider::start(asking.port, Some(&asking.server));
    let name = crate::support::fresh_name("project");
    let api = asking
        .server
        .connect(&asking.server.key(&name, Mode::Sandbox, None));
    let set = asking.run(&["projects", "set", &name, "--verification", "policy"]);
    assert!(set.status.success(), "{set:?}");
    let id = api.create(&with_document("AB-1234561")).id();
    let one = until(&api, &id, 2, |one| one["status"] == "ISSUES");
    assert!(lists(&one, "issues", "identifyingInformation"), "{one:#}");
    assert_eq!(
        one["rejectionReasons"][0]["reason"],
        "Please send a document that is still valid."
    );
    let mended = with_document("AB-1234563")["identifyingInformation"].clone();
    let body = json!({ "identifyingInformation": mended });
    let waits = endorsement(&api.change(&id, &body).wants(200), 2);
    assert_eq!(waits["status"], "PENDING", "{waits:#}");
    let one = until(&api, &id, 2, |one| lists(one, "complete", IDENTITY));
    assert!(lists(&one, "complete", "identifyingInformation"), "{one:#}");
    assert_eq!(one["rejectionReasons"], json!([]));
}

#[test]
fn a_result_comes_as_often_as_it_likes_and_counts_once() {
    let asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("AB-1234561")).id();
    asking.review("approve", &id, "basic");
    let ver = provider.requests(1)[0].clone();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let all = [(); 6].map(|()| scope.spawn(|| asking.result(&ver, &approved(&ver)).send()));
        all.map(|one| one.join().expect("it answers")).into()
    });
    for answer in &answers {
        assert_eq!(answer.clone().wants(200).body, answers[0].body);
    }
    let taken = answers[0].json();
    assert_eq!(
        (
            &taken["id"],
            &taken["object"],
            &taken["customerId"],
            &taken["result"]
        ),
        (
            &json!(ver),
            &json!("verification"),
            &json!(id),
            &json!("approved")
        )
    );
    let granted = api.read(&id);
    assert_eq!(endorsement(&granted, 2)["status"], "ACTIVE");
    let by_provider = history(&api, &id, "usd");
    assert_eq!(by_provider[0]["actor"], "provider");
    assert_eq!(by_provider[0]["to"], "ACTIVE");
    let other = asking.result(&ver, &found(&ver, "rejected")).send();
    other.problem(409, "verificationClosed");
    assert_eq!(api.read(&id).body, granted.body);
    assert_eq!(history(&api, &id, "usd").len(), by_provider.len());
    // Whatever becomes of the customer, the result that was taken was taken.
    api.change(&id, &json!({ "lastName": "Byron" })).wants(200);
    let late = asking.result(&ver, &approved(&ver)).send().wants(200);
    assert_eq!(late.body, answers[0].body);
}

#[test]
fn a_result_about_a_customer_who_changed_changes_nothing() {
    let asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let id = api.create(&with_document("AB-1234562")).id();
    let old = provider.requests(1)[0].clone();
    // What the provider was not told does not matter to it.
    api.change(&id, &json!({ "metadata": { "plan": "x" } }))
        .wants(200);
    let changed = api.change(&id, &json!({ "lastName": "Byron" })).wants(200);
    let new = provider.requests(2)[1].clone();
    assert_ne!(old, new);
    let late = asking.result(&old, &found(&old, "rejected")).send();
    late.problem(409, "verificationClosed");
    assert_eq!(api.read(&id).json(), changed.json());
    asking
        .result(&new, &found(&new, "rejected"))
        .send()
        .wants(200);
    assert_eq!(endorsement(&api.read(&id), 2)["status"], "REJECTED");
}

#[test]
fn who_leaves_takes_the_verification_along() {
    let asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let inactive = api.create(&with_document("AB-1234563")).id();
    let first = provider.requests(1)[0].clone();
    let erased = api.create(&with_document("AB-1234564")).id();
    let second = provider.requests(2)[1].clone();
    let left = api.delete(&format!("/customers/{inactive}")).wants(200);
    let reason = json!({ "reason": "asked" });
    api.post(&format!("/customers/{erased}/erase"), &reason)
        .wants(200);
    for ver in [&first, &second] {
        let late = asking.result(ver, &approved(ver)).send();
        late.problem(409, "verificationClosed");
    }
    assert_eq!(api.read(&inactive).json(), left.json());
}

#[test]
fn issues_name_what_is_to_be_mended_or_are_refused_whole() {
    let asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let made = api.create(&with_document("AB-1234565"));
    let ver = provider.requests(1)[0].clone();
    let reason = |requirement: &str| json!({ "developerReason": "Not clear.", "reason": "Please look.", "requirement": requirement });
    let result = |reasons: Value| {
        let body = json!({ "verificationId": ver, "result": "issues", "reasons": reasons });
        asking.result(&ver, &body).send()
    };
    result(json!([])).field_error("/reasons", "required");
    result(json!([reason("firstNaem")])).field_error("/reasons/0/requirement", "valueInvalid");
    let told =
        result(json!([reason("middleName")])).field_error("/reasons/0/requirement", "valueInvalid");
    assert!(told.contains("firstName"), "{told}");
    let twice = json!([reason("lastName"), reason("lastName")]);
    result(twice).field_error("/reasons/1/requirement", "duplicate");
    let body = json!({ "verificationId": ver, "result": "fine", "resaons": [] });
    let answer = asking.result(&ver, &body).send();
    answer.field_error("/result", "valueInvalid");
    assert!(
        answer
            .field_error("/resaons", "unknownField")
            .contains("reasons")
    );
    let body =
        json!({ "verificationId": ver, "result": "rejected", "reasons": [reason("lastName")] });
    asking
        .result(&ver, &body)
        .send()
        .field_error("/reasons/0/requirement", "valueInvalid");
    assert_eq!(
        api.read(&made.id()).json(),
        made.json(),
        "nothing of it changed anything"
    );
    result(json!([
        reason("lastName"),
        reason("identifyingInformation.ssn|identifyingInformation.itin")
    ]))
    .wants(200);
    let answer = api.read(&made.id());
    let (custody, usd) = (endorsement(&answer, 1), endorsement(&answer, 2));
    assert_eq!(
        (&custody["status"], &usd["status"]),
        (&json!("ISSUES"), &json!("ISSUES"))
    );
    let name = "firstName|lastName";
    assert!(lists(&usd, "issues", name) && lists(&custody, "issues", name));
    let tax = "identifyingInformation.ssn|identifyingInformation.itin";
    assert!(lists(&usd, "issues", tax), "{usd:#}");
    // It does not ask for a tax number; so it is the verification that is at issue.
    assert!(lists(&custody, "issues", IDENTITY), "{custody:#}");
}
