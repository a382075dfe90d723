//! Section 2: nothing of another project or mode can be read, listed, guessed at or collided with.

use serde_json::json;

use crate::support::{Api, Mode, Server, fresh_name, full_customer, minimal_customer};

/// A client, and others that must see nothing of what it makes: one of another
/// project, one of the other mode of the same project.
fn one_and_others() -> (Api, [Api; 2]) {
    let server = Server::shared();
    let project = fresh_name("project");
    let one = server.connect(&server.key(&project, Mode::Sandbox, None));
    let live = server.connect(&server.key(&project, Mode::Live, None));
    (one, [server.sandbox(), live])
}

#[test]
fn a_foreign_customer_is_a_plain_404_for_every_method() {
    let (one, others) = one_and_others();
    let made = one.create(&full_customer());
    let path = format!("/customers/{}", made.id());
    for other in others {
        let unknown = other
            .get("/customers/cst_01h2xcejqtf2nbrexx3vqjhp41")
            .problem(404, "notFound");
        let answers = [
            other.get(&path),
            other.delete(&path),
            other.patch(&path, &json!({ "firstName": "Eve" })),
            other.patch(&path, &json!({})),
            other
                .call("GET", &path)
                .header("if-none-match", made.wants_header("etag"))
                .send(),
            other
                .call("PATCH", &path)
                .header("if-match", "\"x\"")
                .json(&json!({}))
                .send(),
        ];
        for answer in answers {
            let problem = answer.problem(404, "notFound");
            assert_eq!(problem["detail"], unknown["detail"], "{answer}");
            assert_eq!(answer.header("etag"), None, "{answer}");
        }
    }
    assert_eq!(one.read(&made.id()).json(), made.json());
}

#[test]
fn a_foreign_customer_is_not_listed_and_no_filter_finds_it() {
    let (one, others) = one_and_others();
    let key = fresh_name("key");
    let made = one
        .post_keyed("/customers", &key, &full_customer())
        .wants(201);
    for other in others {
        for query in [
            String::new(),
            "?email=ada@example.com".to_owned(),
            "?externalId=user-1842".to_owned(),
            format!("?idempotencyKey={key}"),
            "?status=active".to_owned(),
            "?endorsement=usd".to_owned(),
            "?createdAfter=2020-01-01T00:00:00Z".to_owned(),
        ] {
            assert_eq!(other.listed(&query), [""; 0], "{query}");
        }
    }
    for query in [
        "?email=ada@example.com",
        "?externalId=user-1842",
        &format!("?idempotencyKey={key}"),
    ] {
        assert_eq!(one.listed(query), [made.id()], "{query}");
    }
}

#[test]
fn the_same_idempotency_key_elsewhere_is_another_one() {
    let (one, others) = one_and_others();
    let key = fresh_name("key");
    let made = one
        .post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
    for (count, other) in others.into_iter().enumerate() {
        let body = json!({ "type": "individual", "externalId": format!("other-{count}") });
        let answer = other.post_keyed("/customers", &key, &body).wants(201);
        assert_eq!(answer.header("idempotent-replayed"), None, "{answer}");
        assert_ne!(answer.id(), made.id());
        assert_eq!(
            other.listed(&format!("?idempotencyKey={key}")),
            [answer.id()]
        );
    }
    assert_eq!(one.listed(&format!("?idempotencyKey={key}")), [made.id()]);
}

#[test]
fn the_same_person_may_be_a_customer_everywhere() {
    let (one, others) = one_and_others();
    let made = one.create(&full_customer()).id();
    for other in others {
        let same = other.create(&full_customer()).id();
        assert_ne!(same, made);
        assert_eq!(other.listed("?email=ada@example.com"), [same]);
    }
}

#[test]
fn a_key_of_one_mode_makes_nothing_in_the_other() {
    let server = Server::shared();
    let project = fresh_name("project");
    let sandbox = server.connect(&server.key(&project, Mode::Sandbox, None));
    let live = server.connect(&server.key(&project, Mode::Live, None));
    let (test, real) = (
        sandbox.create(&minimal_customer()),
        live.create(&minimal_customer()),
    );
    assert_eq!(sandbox.listed(""), [test.id()]);
    assert_eq!(live.listed(""), [real.id()]);
    assert_eq!(test.json()["endorsements"][0]["status"], "ACTIVE", "{test}");
    assert_eq!(
        real.json()["endorsements"][0]["status"],
        "INACTIVE",
        "{real}"
    );
}
