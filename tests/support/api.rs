//! A client of the API as an integrator would write it: gets its token, sends
//! an idempotency key with every POST.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::http::{Answer, Call, Client};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A name that no other test uses.
pub fn fresh_name(kind: &str) -> String {
    format!(
        "{kind}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::SeqCst)
    )
}

/// The mode of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For trying things out.
    Sandbox,
    /// For real people and money.
    Live,
}

impl Mode {
    /// As the command line takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        }
    }
}

/// An API key and its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// The public part.
    pub api_key: String,
    /// The secret part.
    pub api_secret: String,
}

impl Key {
    /// Reads what `oms keys create --json` printed.
    #[track_caller]
    pub fn parse(printed: &str) -> Self {
        let created: Value = serde_json::from_str(printed)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {printed}"));
        let text = |name: &str| match &created[name] {
            Value::String(text) => text.clone(),
            other => panic!("{name} is {other}: {printed}"),
        };
        Self {
            api_key: text("apiKey"),
            api_secret: text("apiSecret"),
        }
    }

    /// The body that asks for a token.
    pub fn login(&self) -> Value {
        json!({ "apiKey": self.api_key, "apiSecret": self.api_secret })
    }
}

/// A client with a token.
#[derive(Clone)]
pub struct Api {
    /// `http://ADDRESS` of the server.
    pub base: String,
    /// The key it came with.
    pub key: Key,
    /// The bearer token.
    pub token: String,
    client: Client,
}

impl Api {
    /// Asks for a token.
    #[track_caller]
    pub fn connect(base: &str, client: &Client, key: &Key) -> Self {
        let answer = client
            .call("POST", &format!("{base}/v0.9/auth/token"))
            .json(&key.login())
            .send()
            .wants(200);
        Self {
            base: base.to_owned(),
            key: key.clone(),
            token: answer.text_at("/accessToken"),
            client: client.clone(),
        }
    }

    /// The same client at a server that has moved.
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            client: Client::new(),
            ..self.clone()
        }
    }

    /// A call with the token to a path under `/v0.9`.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.call_as_written(method, &format!("/v0.9{path}"))
    }

    /// A call with the token to a whole path.
    pub fn call_as_written(&self, method: &str, path: &str) -> Call {
        self.client
            .call(method, &format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
    }

    /// A POST with an idempotency key of its own.
    pub fn posting(&self, path: &str, body: &Value) -> Call {
        self.call("POST", path)
            .header("idempotency-key", fresh_name("key"))
            .json(body)
    }

    /// POST with an idempotency key that nobody used.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.posting(path, body).send()
    }

    /// POST with this idempotency key.
    #[track_caller]
    pub fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.call("POST", path)
            .header("idempotency-key", key)
            .json(body)
            .send()
    }

    /// PATCH without an idempotency key.
    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path).json(body).send()
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send()
    }

    /// DELETE without an idempotency key.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send()
    }

    /// The answer to a POST that makes a customer.
    #[track_caller]
    pub fn create(&self, body: &Value) -> Answer {
        self.post("/customers", body).wants(201)
    }

    /// The answer to a GET of one customer.
    #[track_caller]
    pub fn read(&self, id: &str) -> Answer {
        self.get(&format!("/customers/{id}")).wants(200)
    }

    /// The answer to a PATCH of one customer, whatever it is.
    #[track_caller]
    pub fn change(&self, id: &str, body: &Value) -> Answer {
        self.patch(&format!("/customers/{id}"), body)
    }

    /// One page of customers for a query that begins with `?` or is empty.
    #[track_caller]
    pub fn list(&self, query: &str) -> Answer {
        self.get(&format!("/customers{query}")).wants(200)
    }

    /// The ids of one page of customers.
    #[track_caller]
    pub fn listed(&self, query: &str) -> Vec<String> {
        ids(&self.list(query))
    }

    /// Every customer of the project, over all pages.
    #[track_caller]
    pub fn all_customers(&self) -> Vec<Value> {
        let mut customers = Vec::new();
        let mut query = "?limit=100".to_owned();
        loop {
            let page = self.list(&query);
            let body = page.json();
            customers.extend(body["data"].as_array().cloned().unwrap_or_default());
            if body["hasMore"] != true {
                return customers;
            }
            query = format!("?limit=100&cursor={}", page.text_at("/cursor"));
        }
    }
}

/// The ids of a page.
#[track_caller]
pub fn ids(page: &Answer) -> Vec<String> {
    let body = page.json();
    let data = body["data"]
        .as_array()
        .unwrap_or_else(|| panic!("no data: {page}"));
    data.iter()
        .map(|one| {
            one["id"]
                .as_str()
                .unwrap_or_else(|| panic!("no id: {page}"))
                .to_owned()
        })
        .collect()
}
