//! The table of operations, held against the `OpenAPI` document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, Api, Call, Server, fresh_name, minimal_customer};

/// One operation of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// In upper case.
    pub method: &'static str,
    /// As the document writes it, without a version prefix.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever has a token with this scope.
    Scope(&'static str),
    /// Whoever signs with the secret of the verification provider; tests/verification.
    Signature,
}

const fn public(method: &'static str, path: &'static str) -> Operation {
    Operation {
        method,
        path,
        access: Access::Public,
    }
}

const fn scoped(method: &'static str, path: &'static str, scope: &'static str) -> Operation {
    Operation {
        method,
        path,
        access: Access::Scope(scope),
    }
}

/// Every operation on the public listener.
pub const ALL: [Operation; 19] = [
    public("POST", "/auth/token"),
    public("GET", "/.well-known/jwks.json"),
    public("GET", "/openapi.json"),
    public("GET", "/docs"),
    public("GET", "/healthz"),
    public("GET", "/readyz"),
    scoped("POST", "/customers", "customers:write"),
    scoped("GET", "/customers", "customers:read"),
    scoped("GET", "/customers/{customerId}", "customers:read"),
    scoped("GET", "/requirements", "customers:read"),
    scoped(
        "GET",
        "/customers/{customerId}/requirements",
        "customers:read",
    ),
    scoped(
        "GET",
        "/customers/{customerId}/endorsements/{name}/history",
        "customers:read",
    ),
    scoped(
        "POST",
        "/customers/{customerId}/endorsements/{name}/simulate",
        "customers:write",
    ),
    scoped("GET", "/sandbox/scenarios", "customers:read"),
    scoped("POST", "/sandbox/clock", "customers:write"),
    scoped("PATCH", "/customers/{customerId}", "customers:write"),
    scoped("DELETE", "/customers/{customerId}", "customers:write"),
    scoped("POST", "/customers/{customerId}/erase", "customers:erase"),
    Operation {
        method: "POST",
        path: "/verifications/{verificationId}/result",
        access: Access::Signature,
    },
];

/// Paths that the document may leave out: it need not describe itself and its page.
const MAY_BE_UNDESCRIBED: [&str; 5] = [
    "/openapi.json",
    "/docs",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
];

impl Operation {
    /// The operations that want a token, with their scope.
    pub fn guarded() -> Vec<(Self, &'static str)> {
        let guarded = ALL
            .into_iter()
            .filter_map(|operation| match operation.access {
                Access::Public | Access::Signature => None,
                Access::Scope(scope) => Some((operation, scope)),
            });
        let guarded: Vec<_> = guarded.collect();
        assert!(!guarded.is_empty());
        guarded
    }

    /// Whether it speaks of one customer.
    pub fn names_a_customer(self) -> bool {
        self.path.contains("{customerId}")
    }

    /// The whole path, about this customer.
    pub fn path_for(self, customer: &str) -> String {
        let path = self
            .path
            .replace("{customerId}", customer)
            .replace("{name}", "usd");
        match self.access {
            Access::Public if self.path != "/auth/token" => path,
            _ => format!("/v0.9{path}"),
        }
    }

    /// A request that is in order but for who sends it.
    pub fn fill(self, call: Call) -> Call {
        match self.method {
            "POST" => call
                .header("idempotency-key", fresh_name("key"))
                .json(&self.body()),
            "PATCH" => call.json(&json!({ "firstName": "Mallory" })),
            _ => call,
        }
    }

    /// A body that a POST takes.
    fn body(self) -> Value {
        match self.path {
            "/sandbox/clock" => json!({ "advance": "PT1S" }),
            path if path.ends_with("/erase") => json!({ "reason": "they asked for it" }),
            path if path.ends_with("/simulate") => json!({ "status": "REVOKED_ISSUES" }),
            _ => minimal_customer(),
        }
    }

    /// Whether a live project has nothing of the kind.
    pub fn is_for_sandboxes(self) -> bool {
        self.path == "/sandbox/clock"
    }

    /// Sends it with a token of this client.
    pub fn send_as(self, api: &Api, customer: &str) -> Answer {
        self.fill(api.call_as_written(self.method, &self.path_for(customer)))
            .send()
    }
}

/// Method and path of every operation in the document, without version prefixes.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"]
        .as_object()
        .expect("the document has paths")
    {
        let bare = match path.strip_prefix("/v0.") {
            Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
            None => path,
        };
        for method in item.as_object().expect("a path has operations").keys() {
            let method = method.to_uppercase();
            if [
                "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE",
            ]
            .contains(&method.as_str())
            {
                found.insert((method, bare.to_owned()));
            }
        }
    }
    found
}

fn document() -> Value {
    Server::shared()
        .call("GET", "/openapi.json")
        .send()
        .wants(200)
        .json()
}

#[test]
fn every_described_operation_is_in_the_table() {
    let known: BTreeSet<_> = ALL
        .iter()
        .map(|operation| (operation.method.to_owned(), operation.path.to_owned()))
        .collect();
    let new: Vec<_> = described(&document())
        .into_iter()
        .filter(|one| !known.contains(one))
        .collect();
    assert!(new.is_empty(), "no test says who may call {new:?}");
}

#[test]
fn every_operation_of_the_table_is_described() {
    let described = described(&document());
    for operation in ALL {
        let one = (operation.method.to_owned(), operation.path.to_owned());
        assert!(
            described.contains(&one) || MAY_BE_UNDESCRIBED.contains(&operation.path),
            "{operation:?}"
        );
    }
}

#[test]
fn the_document_says_of_each_operation_whether_it_wants_a_token() {
    let document = document();
    let everywhere = document
        .get("security")
        .cloned()
        .unwrap_or_else(|| json!([]));
    let wants_token = |security: &Value| {
        security
            .as_array()
            .is_some_and(|all| !all.is_empty() && !all.contains(&json!({})))
    };
    for (path, item) in document["paths"]
        .as_object()
        .expect("the document has paths")
    {
        for operation in ALL
            .iter()
            .filter(|operation| path.ends_with(operation.path))
        {
            let Some(described) = item.get(operation.method.to_lowercase()) else {
                continue;
            };
            let security = described.get("security").unwrap_or(&everywhere);
            assert_eq!(
                wants_token(security),
                operation.access != Access::Public,
                "{operation:?}: {described:#}"
            );
        }
    }
}
