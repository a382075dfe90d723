//! Section 5: `DELETE /customers/{customerId}`, which loses nothing.

use serde_json::json;

use crate::support::{InProcess, Server, full_customer};

#[test]
fn it_makes_the_customer_inactive_and_loses_nothing_else() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let made = api.create(&full_customer());
    server.advance(5);
    let answer = api.delete(&format!("/customers/{}", made.id())).wants(200);
    let mut expected = made.json();
    expected["status"] = json!("inactive");
    expected["updatedAt"] = json!(server.now());
    assert_eq!(answer.json(), expected, "{answer}");
    assert_eq!(api.read(&made.id()).json(), expected);
}

#[test]
fn a_second_time_it_answers_the_same() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let path = format!("/customers/{}", api.create(&full_customer()).id());
    let first = api.delete(&path).wants(200);
    server.advance(5);
    let second = api.delete(&path).wants(200);
    assert_eq!(second.text(), first.text());
}

#[test]
fn an_inactive_customer_is_still_listed() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    api.delete(&format!("/customers/{id}")).wants(200);
    assert_eq!(api.listed(""), [id]);
}

#[test]
fn the_etag_changes() {
    let api = Server::shared().sandbox();
    let made = api.create(&full_customer());
    api.delete(&format!("/customers/{}", made.id())).wants(200);
    assert_ne!(
        api.read(&made.id()).wants_header("etag"),
        made.wants_header("etag")
    );
}

#[test]
fn an_unknown_customer_is_404() {
    let api = Server::shared().sandbox();
    api.delete("/customers/cst_01h2xcejqtf2nbrexx3vqjhp41")
        .problem(404, "notFound");
}
