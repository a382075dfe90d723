//! A small verification provider, to try things out and to start an adapter for a vendor
//! from: it checks the signature of a request, decides by a simple rule, and posts the
//! signed result until it is taken. docs/verification.md tells the protocol.
//!
//! ```text
//! PROVIDER_SECRET=whsec_… OMS_URL=http://127.0.0.1:8080 cargo run --example verification_provider
//! ```
//!
//! The rule looks at the last digit of the first document's number: 0 is rejected, 1 is to be
//! mended, everything else is approved. `PROVIDER_LISTEN` says where it listens
//! (127.0.0.1:9090), `PROVIDER_ANSWERS=no` makes it take requests and say nothing.
//! It prints ids and results, never what it was told about anybody.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Seconds by which the clocks of the two may differ.
const TOLERANCE_S: u64 = 300;

/// How often a result is posted before the provider gives up.
const ATTEMPTS: u32 = 20;

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

struct Provider {
    key: hmac::Key,
    oms: String,
    answers: bool,
    client: ureq::Agent,
    /// The verifications that are being worked on: a request that comes again is the same one.
    known: Mutex<HashSet<String>>,
}

#[tokio::main]
async fn main() {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let wanted = |name| variable(name).unwrap_or_else(|| panic!("set {name}"));
    let client = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(15)))
        .build();
    let provider = Arc::new(Provider {
        key: read_secret(&wanted("PROVIDER_SECRET")),
        oms: wanted("OMS_URL").trim_end_matches('/').to_owned(),
        answers: variable("PROVIDER_ANSWERS").as_deref() != Some("no"),
        client: client.into(),
        known: Mutex::default(),
    });
    let listen = variable("PROVIDER_LISTEN").unwrap_or_else(|| "127.0.0.1:9090".to_owned());
    let listener = tokio::net::TcpListener::bind(&listen)
        .await
        .unwrap_or_else(|error| panic!("cannot listen on {listen}: {error}"));
    let address = listener.local_addr().expect("it is bound");
    println!("listening on http://{address}");
    let routes = Router::new().route("/verify", post(verify));
    axum::serve(listener, routes.with_state(provider))
        .await
        .expect("the listener stays open");
}

/// `whsec_` and the base64 of the key.
fn read_secret(text: &str) -> hmac::Key {
    let key = text.trim().strip_prefix("whsec_").expect("whsec_…");
    let key = STANDARD.decode(key).expect("base64 after whsec_");
    hmac::Key::new(HMAC_SHA256, &key)
}

/// Takes a request: at once, because the work may take days.
async fn verify(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    if !provider.is_signed(&headers, &body) {
        println!("refused a request that is not signed");
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let Some(id) = request["verificationId"].as_str().map(str::to_owned) else {
        return StatusCode::BAD_REQUEST;
    };
    let new = provider
        .known
        .lock()
        .expect("nobody panics with it")
        .insert(id.clone());
    println!("request {id} {}", if new { "new" } else { "again" });
    if new && provider.answers {
        tokio::task::spawn_blocking(move || {
            provider.answer(&id, &request);
            let mut known = provider.known.lock().expect("nobody panics with it");
            known.remove(&id);
        });
    }
    StatusCode::ACCEPTED
}

/// The rule.
fn decide(request: &Value) -> Value {
    let id = &request["verificationId"];
    let number = request["customer"]["identifyingInformation"][0]["number"].as_str();
    match number.and_then(|number| number.chars().last()) {
        Some('0') => json!({
            "verificationId": id,
            "result": "rejected",
            "reasons": [{
                "developerReason": "The document is on the list of forged ones.",
                "reason": "We cannot verify your identity.",
            }],
        }),
        Some('1') => json!({
            "verificationId": id,
            "result": "issues",
            "reasons": [{
                "developerReason": "The document has expired.",
                "reason": "Please send a document that is still valid.",
                "requirement": "identifyingInformation",
            }],
        }),
        _ => json!({ "verificationId": id, "result": "approved" }),
    }
}

impl Provider {
    /// HMAC-SHA256 over `id.timestamp.body`, by the secret that both know, and not long ago.
    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(id), Some(at), Some(signatures)) = (
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
        ) else {
            return false;
        };
        let fresh = at
            .parse::<u64>()
            .is_ok_and(|at| at.abs_diff(now_s()) <= TOLERANCE_S);
        let text = signed_text(id, at, body);
        fresh
            && signatures.split(' ').any(|one| {
                let signature = one.strip_prefix("v1,").map(|one| STANDARD.decode(one));
                signature
                    .and_then(Result::ok)
                    .is_some_and(|one| hmac::verify(&self.key, &text, &one).is_ok())
            })
    }

    /// Posts the result until it is taken, or can never be.
    fn answer(&self, id: &str, request: &Value) {
        let path = request["resultPath"].as_str().unwrap_or_default();
        let body = decide(request).to_string();
        let result = decide(request)["result"].clone();
        let mut wait = Duration::from_millis(200);
        for _ in 0..ATTEMPTS {
            // The time is signed, so every attempt is signed anew.
            let at = now_s().to_string();
            let message = format!("msg_{id}");
            let signature = hmac::sign(&self.key, &signed_text(&message, &at, body.as_bytes()));
            let sent = self
                .client
                .post(format!("{}{path}", self.oms))
                .header("content-type", "application/json")
                .header("webhook-id", &message)
                .header("webhook-timestamp", &at)
                .header(
                    "webhook-signature",
                    format!("v1,{}", STANDARD.encode(signature)),
                )
                .send(&body);
            let status = sent.map_or(0, |answer| answer.status().as_u16());
            println!("result {id} {result} {status}");
            // 409: the customer changed meanwhile, or a person decided. Others of these
            // speak of a fault that trying again does not mend.
            if matches!(status, 200..=299 | 400 | 401 | 404 | 409 | 422) {
                return;
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

fn signed_text(id: &str, at: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", at.as_bytes(), b".", body].concat()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own, with the machine's clock"
)]
fn now_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
