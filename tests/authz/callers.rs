//! Every kind of caller against every operation that wants a token.

use std::time::Duration;

use serde_json::{Value, json};

use crate::operations::{ALL, Access, Ids, Operation};
use crate::support::{Answer, Api, InProcess, Mode, Server, eventually, fresh_name, full_customer};

/// A project with one customer, whose state must not change.
struct Owner {
    api: Api,
    ids: Ids,
    before: Value,
}

impl Owner {
    fn in_project(project: &str) -> Self {
        let server = Server::shared();
        let api = server.connect(&server.key(project, Mode::Sandbox, None));
        let made = api.create(&full_customer());
        Self {
            ids: Ids::of(&api, made.id()),
            before: made.json(),
            api,
        }
    }

    fn new() -> Self {
        Self::in_project(&fresh_name("project"))
    }

    /// Nothing was changed and nothing was added.
    #[track_caller]
    fn check_untouched(&self) {
        assert_eq!(self.api.all_customers(), std::slice::from_ref(&self.before));
        let webhooks = self.api.get("/webhooks").wants(200);
        assert_eq!(webhooks.text_at("/data/0/id"), self.ids.webhook);
        assert_eq!(webhooks.json()["data"][0]["events"], json!([]));
    }
}

#[track_caller]
fn check_refused(operation: Operation, answer: &Answer, code: &str) {
    answer.problem(401, code);
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.is_some_and(|text| text.starts_with("Bearer")),
        "{operation:?}: {answer}"
    );
    assert_eq!(answer.header("etag"), None, "{operation:?}: {answer}");
}

/// Sends every guarded operation without what the client would add.
fn send_with(owner: &Owner, operation: Operation, authorization: Option<&str>) -> Answer {
    let path = operation.path_for(&owner.ids);
    let call = operation.fill(Server::shared().call(operation.method, &path));
    match authorization {
        Some(value) => call.header("authorization", value).send(),
        None => call.send(),
    }
}

#[test]
fn without_a_token_every_guarded_operation_is_token_missing() {
    let owner = Owner::new();
    for (operation, _) in Operation::guarded() {
        check_refused(
            operation,
            &send_with(&owner, operation, None),
            "tokenMissing",
        );
    }
    owner.check_untouched();
}

#[test]
fn with_a_malformed_token_every_guarded_operation_is_token_invalid() {
    let owner = Owner::new();
    let (head, signature) = owner
        .api
        .token
        .rsplit_once('.')
        .expect("a token of three parts");
    let swapped = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for (operation, _) in Operation::guarded() {
        for token in ["nonsense", "a.b.c", head, &swapped] {
            let answer = send_with(&owner, operation, Some(&format!("Bearer {token}")));
            check_refused(operation, &answer, "tokenInvalid");
        }
    }
    owner.check_untouched();
}

#[test]
fn with_an_expired_token_every_guarded_operation_is_token_expired() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let made = api.create(&full_customer());
    let ids = Ids::of(&api, made.id());
    server.advance(3601);
    for (operation, _) in Operation::guarded() {
        check_refused(operation, &operation.send_as(&api, &ids), "tokenExpired");
    }
    assert_eq!(server.connect(&api.key).all_customers(), [made.json()]);
}

#[test]
fn with_a_token_of_a_revoked_key_every_guarded_operation_is_token_invalid() {
    let server = Server::shared();
    let project = fresh_name("project");
    let owner = Owner::in_project(&project);
    let revoked = server.connect(&server.key(&project, Mode::Sandbox, None));
    assert!(
        server
            .keys(&["revoke", &revoked.key.api_key])
            .status
            .success()
    );
    eventually(Duration::from_secs(1), "the token is refused", || {
        (revoked.get("/customers").status == 401).then_some(())
    });
    for (operation, _) in Operation::guarded() {
        check_refused(
            operation,
            &operation.send_as(&revoked, &owner.ids),
            "tokenInvalid",
        );
    }
    owner.check_untouched();
}

/// A stranger meets a plain 404 for the owner's customer and only its own things elsewhere.
#[track_caller]
fn check_stranger(stranger: &Api, owner: &Owner) {
    let unknown = Ids::unknown();
    for (operation, _) in Operation::guarded() {
        let answer = operation.send_as(stranger, &owner.ids);
        if operation.names_a_resource() {
            let mut problem = answer.problem(404, "notFound");
            let mut expected = operation
                .send_as(stranger, &unknown)
                .problem(404, "notFound");
            problem["requestId"].take();
            expected["requestId"].take();
            assert_eq!(problem, expected, "{operation:?}: {answer}");
            assert_eq!(answer.header("etag"), None, "{operation:?}: {answer}");
        } else {
            let fits = [200, 201].contains(&answer.status)
                || operation.is_for_sandboxes() && answer.status == 404;
            assert!(fits, "{operation:?}: {answer}");
            assert!(
                !answer.text().contains(&owner.ids.customer),
                "{operation:?}: {answer}"
            );
        }
    }
    owner.check_untouched();
}

#[test]
fn with_a_token_of_another_project_every_guarded_operation_finds_nothing() {
    check_stranger(&Server::shared().sandbox(), &Owner::new());
}

#[test]
fn with_a_token_of_the_other_mode_every_guarded_operation_finds_nothing() {
    let server = Server::shared();
    let project = fresh_name("project");
    let owner = Owner::in_project(&project);
    let live = server.connect(&server.key(&project, Mode::Live, None));
    check_stranger(&live, &owner);
}

#[test]
fn without_the_scope_every_guarded_operation_is_scope_missing() {
    let server = Server::shared();
    let project = fresh_name("project");
    let owner = Owner::in_project(&project);
    for (operation, scope) in Operation::guarded() {
        let others: Vec<&str> = Operation::guarded()
            .iter()
            .map(|(_, other)| *other)
            .filter(|other| *other != scope)
            .collect();
        let key = server.key(&project, Mode::Sandbox, Some(others[0]));
        let answer = operation.send_as(&server.connect(&key), &owner.ids);
        let problem = answer.problem(403, "scopeMissing");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.contains(scope)),
            "{operation:?}: {answer}"
        );
    }
    owner.check_untouched();
}

#[test]
fn with_nothing_but_the_scope_every_guarded_operation_is_carried_out() {
    let server = Server::shared();
    let project = fresh_name("project");
    let owner = Owner::in_project(&project);
    for (operation, scope) in Operation::guarded() {
        let key = server.key(&project, Mode::Sandbox, Some(scope));
        let answer = operation.send_as(&server.connect(&key), &owner.ids);
        assert!(
            [200, 201].contains(&answer.status),
            "{operation:?}: {answer}"
        );
    }
}

#[test]
fn a_public_operation_wants_no_token() {
    let server = Server::shared();
    let key = server.sandbox().key;
    for operation in ALL
        .into_iter()
        .filter(|operation| operation.access == Access::Public)
    {
        let call = server.call(operation.method, &operation.path_for(&Ids::nonsense()));
        let answer = match operation.path {
            "/auth/token" => call.json(&key.login()).send(),
            _ => call.send(),
        };
        assert!(
            (200..400).contains(&answer.status),
            "{operation:?}: {answer}"
        );
    }
}

#[test]
fn an_operation_that_wants_a_signature_takes_no_token_for_one() {
    let owner = Owner::new();
    let signed = ALL
        .into_iter()
        .filter(|operation| operation.access == Access::Signature);
    for operation in signed {
        for id in ["ver_01h2xcejqtf2nbrexx3vqjhp41", "not-an-id"] {
            let path = operation
                .path_for(&Ids::nonsense())
                .replace("{verificationId}", id);
            let body = json!({ "verificationId": id, "result": "approved" });
            let call = Server::shared().call(operation.method, &path).json(&body);
            let token = format!("Bearer {}", owner.api.token);
            for call in [call.clone(), call.header("authorization", token)] {
                call.send().problem(401, "signatureInvalid");
            }
        }
    }
    owner.check_untouched();
}

#[test]
fn a_token_is_refused_before_the_request_is_judged() {
    let server = Server::shared();
    let owner = Owner::new();
    for (operation, _) in Operation::guarded() {
        let path = operation.path_for(&Ids::nonsense());
        let path = format!("{path}?nonsense=1");
        let call = server.call(operation.method, &path);
        let call = if operation.method == "POST" || operation.method == "PATCH" {
            call.text("{")
        } else {
            call
        };
        check_refused(operation, &call.send(), "tokenMissing");
    }
    owner.check_untouched();
    assert_eq!(
        owner.api.read(&owner.ids.customer).json()["metadata"],
        json!(full_customer()["metadata"])
    );
}
