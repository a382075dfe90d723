//! Section 5: `GET /customers/{customerId}`.

use serde_json::json;

use crate::support::{Server, full_customer, minimal_customer};

#[test]
fn what_was_made_is_what_is_read() {
    let api = Server::shared().sandbox();
    let made = api.create(&full_customer());
    let read = api.read(&made.id());
    assert_eq!(read.json(), made.json(), "{read}");
}

#[test]
fn an_unknown_customer_is_404() {
    let api = Server::shared().sandbox();
    api.get("/customers/cst_01h2xcejqtf2nbrexx3vqjhp41")
        .problem(404, "notFound");
}

#[test]
fn the_etag_is_strong_and_stays_while_nothing_changes() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let [one, two] = [(); 2].map(|()| api.read(&id));
    let tag = one.wants_header("etag");
    assert!(
        tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'),
        "{one}"
    );
    assert_eq!(two.wants_header("etag"), tag, "{two}");
}

#[test]
fn the_etag_changes_with_the_customer_and_differs_between_customers() {
    let api = Server::shared().sandbox();
    let [id, other] = [(); 2].map(|()| api.create(&minimal_customer()).id());
    let before = api.read(&id).wants_header("etag").to_owned();
    assert_ne!(api.read(&other).wants_header("etag"), before);
    api.change(&id, &json!({ "firstName": "Ada" })).wants(200);
    assert_ne!(api.read(&id).wants_header("etag"), before);
}

#[test]
fn if_none_match_with_the_current_etag_is_304_without_a_body() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let path = format!("/customers/{id}");
    let tag = api.read(&id).wants_header("etag").to_owned();
    for value in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        "*".to_owned(),
    ] {
        let answer = api
            .call("GET", &path)
            .header("if-none-match", value)
            .send()
            .wants(304);
        assert_eq!(answer.body, b"", "{answer}");
        assert_eq!(answer.wants_header("etag"), tag, "{answer}");
    }
}

#[test]
fn if_none_match_with_another_etag_gives_the_customer() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let path = format!("/customers/{id}");
    let old = api.read(&id).wants_header("etag").to_owned();
    api.change(&id, &json!({ "lastName": "Byron" })).wants(200);
    for value in [old, "\"other\"".to_owned()] {
        let answer = api
            .call("GET", &path)
            .header("if-none-match", value)
            .send()
            .wants(200);
        assert_eq!(answer.json()["lastName"], "Byron", "{answer}");
    }
}

#[test]
fn an_unknown_query_parameter_is_refused_by_name() {
    let api = Server::shared().sandbox();
    let id = api.create(&minimal_customer()).id();
    let answer = api.get(&format!("/customers/{id}?expand=wallets"));
    let problem = answer.problem(400, "queryInvalid");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("expand")),
        "{answer}"
    );
}
