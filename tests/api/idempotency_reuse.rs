//! Section 3: the same key and another request, and what leaves no key behind.

use serde_json::{Value, json};

use crate::support::{Answer, Mode, Server, fresh_name, full_customer, minimal_customer};

#[track_caller]
fn check_reused(answer: &Answer, made: &Answer) {
    let problem = answer.problem(422, "idempotencyKeyReused");
    assert_eq!(problem["resourceId"], made.id(), "{answer}");
    assert_eq!(answer.header("idempotent-replayed"), None, "{answer}");
}

#[test]
fn another_body_is_refused_with_the_id_that_the_key_made() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let made = api
        .post_keyed("/customers", &key, &full_customer())
        .wants(201);
    let changes: [(&str, Value); 6] = [
        ("firstName", json!("Augusta")),
        ("birthDate", json!("1990-05-16")),
        ("signedAgreement", json!(false)),
        ("endorsements", json!(["usd", "cryptoCustody"])),
        (
            "metadata",
            json!({ "plan": "gold", "seats": "3", "trial": false, "coupon": null }),
        ),
        ("middleName", json!(null)),
    ];
    for (name, value) in changes {
        let mut body = full_customer();
        body[name] = value;
        check_reused(&api.post_keyed("/customers", &key, &body), &made);
    }
    assert_eq!(api.listed(""), [made.id()]);
}

#[test]
fn an_invalid_other_body_is_refused_as_reuse() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let made = api
        .post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
    check_reused(
        &api.post_keyed("/customers", &key, &json!({ "type": "nobody" })),
        &made,
    );
    check_reused(&api.post_keyed("/customers", &key, &json!({})), &made);
}

#[test]
fn another_method_or_path_is_refused() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let made = api
        .post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
    let other = api.create(&minimal_customer());
    for id in [made.id(), other.id()] {
        let path = format!("/customers/{id}");
        let change = api.call("PATCH", &path).header("idempotency-key", &key);
        check_reused(&change.json(&minimal_customer()).send(), &made);
        let delete = api.call("DELETE", &path).header("idempotency-key", &key);
        check_reused(&delete.send(), &made);
    }
    assert_eq!(api.read(&made.id()).json(), made.json());
    assert_eq!(api.read(&other.id()).json(), other.json());
}

#[test]
fn a_key_of_a_patch_is_refused_for_another_customer_and_another_patch() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let [one, two] = [(); 2].map(|()| api.create(&minimal_customer()));
    let patch = |id: &str, body: &Value| {
        let call = api.call("PATCH", &format!("/customers/{id}"));
        call.header("idempotency-key", &key).json(body).send()
    };
    let first = patch(&one.id(), &json!({ "firstName": "Ada" })).wants(200);
    check_reused(&patch(&two.id(), &json!({ "firstName": "Ada" })), &first);
    check_reused(&patch(&one.id(), &json!({ "firstName": "Eve" })), &first);
    check_reused(
        &api.post_keyed("/customers", &key, &json!({ "firstName": "Ada" })),
        &first,
    );
    assert_eq!(api.read(&two.id()).json(), two.json());
}

#[test]
fn a_request_refused_for_its_fields_leaves_the_key_free() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    api.post_keyed(
        "/customers",
        &key,
        &json!({ "type": "individual", "email": "no" }),
    )
    .problem(422, "validationFailed");
    let body = json!({ "type": "individual", "email": "yes@example.com" });
    let answer = api.post_keyed("/customers", &key, &body).wants(201);
    assert_eq!(answer.header("idempotent-replayed"), None, "{answer}");
}

#[test]
fn a_request_refused_for_its_form_leaves_the_key_free() {
    let api = Server::shared().sandbox();
    let key = fresh_name("key");
    let call = || {
        api.call("POST", "/customers")
            .header("idempotency-key", &key)
    };
    call().text("{").send().problem(400, "bodyNotJson");
    call().text("[]").send().problem(400, "bodyNotObject");
    call()
        .body("text/plain", "{}")
        .send()
        .problem(415, "unsupportedMediaType");
    call()
        .body("application/json", vec![b' '; 70_000])
        .send()
        .problem(413, "bodyTooLarge");
    call().json(&minimal_customer()).send().wants(201);
}

#[test]
fn a_request_refused_for_its_scope_leaves_the_key_free() {
    let server = Server::shared();
    let (project, key) = (fresh_name("project"), fresh_name("key"));
    let reader = server.connect(&server.key(&project, Mode::Sandbox, Some("customers:read")));
    reader
        .post_keyed("/customers", &key, &full_customer())
        .problem(403, "scopeMissing");
    let all = server.connect(&server.key(&project, Mode::Sandbox, None));
    all.post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
}

#[test]
fn a_change_refused_by_a_rule_leaves_the_key_free() {
    let api = Server::shared().sandbox();
    let [active, inactive] = [(); 2].map(|()| api.create(&full_customer()));
    api.delete(&format!("/customers/{}", inactive.id()))
        .wants(200);
    let key = fresh_name("key");
    let patch = |id: &str, body: &Value| {
        let call = api.call("PATCH", &format!("/customers/{id}"));
        call.header("idempotency-key", &key).json(body)
    };
    let ada = json!({ "firstName": "Augusta" });
    patch("cst_01h2xcejqtf2nbrexx3vqjhp41", &ada)
        .send()
        .problem(404, "notFound");
    patch(&inactive.id(), &ada)
        .send()
        .problem(409, "customerInactive");
    patch(&active.id(), &ada)
        .header("if-match", "\"other\"")
        .send()
        .problem(412, "preconditionFailed");
    let unsign = json!({ "signedAgreement": false });
    patch(&active.id(), &unsign)
        .send()
        .problem(422, "agreementCannotBeWithdrawn");
    let answer = patch(&active.id(), &ada).send().wants(200);
    assert_eq!(answer.header("idempotent-replayed"), None, "{answer}");
}
