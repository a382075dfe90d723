//! Section 6: what is asked, before there is a customer and of one that is there.

use serde_json::json;

use crate::support::{Mode, Server, full_customer, minimal_customer};

#[test]
fn what_will_be_asked_depends_on_the_residence() {
    let api = Server::shared().sandbox();
    let names = |query: &str| -> Vec<String> {
        let answer = api.get(&format!("/requirements{query}")).wants(200).json();
        let data = answer["data"].as_array().expect("a list").clone();
        data.iter()
            .map(|one| one["requirement"].as_str().expect("text").to_owned())
            .collect()
    };
    let us = names("?residence=US&nationality=US&endorsements=usd");
    let taxpayer = "identifyingInformation.ssn|identifyingInformation.itin";
    assert!(
        us.contains(&taxpayer.to_owned()) && us.contains(&"residentialAddress.state".to_owned())
    );
    let de = names("?residence=DE&nationality=DE&endorsements=usd");
    assert!(
        !de.contains(&taxpayer.to_owned()) && !de.contains(&"residentialAddress.state".to_owned())
    );
    assert!(
        !names("?residence=US&endorsements=basic").contains(&"identityVerification".to_owned())
    );
    for bad in [
        "?residence=USA",
        "?endorsements=eur",
        "?who=me",
        "?residence=US&residence=US",
    ] {
        api.get(&format!("/requirements{bad}"))
            .problem(400, "queryInvalid");
    }
}

#[test]
fn each_requirement_says_what_it_takes() {
    let api = Server::shared().sandbox();
    let answer = api
        .get("/requirements?residence=US&nationality=US&endorsements=usd")
        .wants(200)
        .json();
    let data = answer["data"].as_array().expect("a list");
    let contact = data
        .iter()
        .find(|one| one["requirement"] == "email|phone")
        .expect("asked");
    assert_eq!(contact["endorsements"], json!(["basic", "usd"]));
    assert_eq!(contact["alternatives"][1]["name"], "phone");
    assert_eq!(contact["example"], "ada@example.com");
    assert_eq!(answer["schema"]["type"], "object");
    assert_eq!(answer["policy"], json!({ "name": "default", "version": 2 }));
}

#[test]
fn a_customer_s_requirements_have_a_state_and_a_rule() {
    let api = Server::shared().project(Mode::Live);
    let id = api.create(&minimal_customer()).id();
    let state = |requirement: &str| {
        let answer = api
            .get(&format!("/customers/{id}/requirements"))
            .wants(200)
            .json();
        let data = answer["data"].as_array().expect("a list").clone();
        data.into_iter()
            .find(|one| one["requirement"] == requirement)
            .expect("asked")
    };
    let contact = state("email|phone");
    assert_eq!(contact["state"], "missing");
    assert_eq!(contact["retryable"], true);
    assert_eq!(contact["alternatives"], json!(["email", "phone"]));
    assert_eq!(
        contact["endorsements"],
        json!(["basic", "cryptoCustody", "usd"])
    );
    assert_eq!(
        contact["policy"],
        json!({ "name": "default", "rule": "contact", "version": 2 })
    );
    api.change(&id, &json!({ "phone": "+14155552671" }))
        .wants(200);
    assert_eq!(state("email|phone")["state"], "complete");
    assert_eq!(state("identityVerification")["state"], "pending");
}

#[test]
fn an_active_sandbox_customer_has_nothing_left() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    let answer = api
        .get(&format!("/customers/{id}/requirements"))
        .wants(200)
        .json();
    let data = answer["data"].as_array().expect("a list");
    assert!(
        data.len() > 10 && data.iter().all(|one| one["state"] == "complete"),
        "{answer}"
    );
}
