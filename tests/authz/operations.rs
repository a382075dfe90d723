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

/// The resources of a project that operations are about.
#[derive(Clone, Debug)]
pub struct Ids {
    /// A customer.
    pub customer: String,
    /// A webhook.
    pub webhook: String,
    /// A delivery of the webhook.
    pub delivery: String,
    /// An event.
    pub event: String,
}

impl Ids {
    /// Ids of the right form that nobody has.
    pub fn unknown() -> Self {
        let id = |prefix| format!("{prefix}_01h2xcejqtf2nbrexx3vqjhp41");
        Self {
            customer: id("cst"),
            webhook: id("whk"),
            delivery: id("whd"),
            event: id("evt"),
        }
    }

    /// What is no id at all.
    pub fn nonsense() -> Self {
        let id = || "not-an-id".to_owned();
        Self {
            customer: id(),
            webhook: id(),
            delivery: id(),
            event: id(),
        }
    }

    /// A webhook of the project with a delivery, beside one of its customers.
    pub fn of(api: &Api, customer: String) -> Self {
        let body = json!({ "url": "http://127.0.0.1:9/hooks" });
        let webhook = api.post("/webhooks", &body).wants(201).id();
        let path = format!("/webhooks/{webhook}/test");
        let delivery = api.post(&path, &json!({})).wants(200).id();
        let events = api.get("/events?type=customer.*").wants(200);
        Self {
            customer,
            webhook,
            delivery,
            event: events.text_at("/data/0/id"),
        }
    }
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
pub const ALL: [Operation; 32] = [
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
    scoped("POST", "/webhooks", "webhooks:write"),
    scoped("GET", "/webhooks", "webhooks:read"),
    scoped("GET", "/webhooks/{webhookId}", "webhooks:read"),
    scoped("POST", "/webhooks/{webhookId}/test", "webhooks:write"),
    scoped(
        "POST",
        "/webhooks/{webhookId}/rotateSecret",
        "webhooks:write",
    ),
    scoped("POST", "/webhooks/{webhookId}/preview", "webhooks:write"),
    scoped("GET", "/webhooks/{webhookId}/deliveries", "webhooks:read"),
    scoped(
        "POST",
        "/webhooks/{webhookId}/deliveries/{deliveryId}/retry",
        "webhooks:write",
    ),
    scoped("GET", "/webhooks/{webhookId}/diagnose", "webhooks:read"),
    scoped("PATCH", "/webhooks/{webhookId}", "webhooks:write"),
    scoped("DELETE", "/webhooks/{webhookId}", "webhooks:write"),
    scoped("GET", "/events", "events:read"),
    scoped("GET", "/events/{eventId}", "events:read"),
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

    /// Whether it speaks of one resource.
    pub fn names_a_resource(self) -> bool {
        self.path.contains("Id}")
    }

    /// The whole path, about these resources.
    pub fn path_for(self, ids: &Ids) -> String {
        let path = self
            .path
            .replace("{customerId}", &ids.customer)
            .replace("{webhookId}", &ids.webhook)
            .replace("{deliveryId}", &ids.delivery)
            .replace("{eventId}", &ids.event)
            .replace("{name}", "usd");
        let path = if self.path.ends_with("/diagnose") {
            format!("{path}?event={}", ids.event)
        } else {
            path
        };
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
            "PATCH" if self.path.starts_with("/webhooks") => {
                call.json(&json!({ "events": ["customer.created"] }))
            }
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
            "/webhooks" => json!({ "url": "https://example.com/hooks" }),
            path if path.ends_with("/preview") => json!({ "event": "customer.created" }),
            path if path.starts_with("/webhooks") => json!({}),
            _ => minimal_customer(),
        }
    }

    /// Whether a live project has nothing of the kind.
    pub fn is_for_sandboxes(self) -> bool {
        self.path == "/sandbox/clock"
    }

    /// Sends it with a token of this client.
    pub fn send_as(self, api: &Api, ids: &Ids) -> Answer {
        self.fill(api.call_as_written(self.method, &self.path_for(ids)))
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
