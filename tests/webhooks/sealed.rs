//! Where a webhook leads and what signs its deliveries stands nowhere in the clear.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::receiver::{Act, Receiver};
use crate::support::{Cluster, Server, files_under, on_postgres};

/// The data folder and the log beside it; the files and logs of the database as well.
fn everything_kept(server: &Server) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = files_under(server.data.parent().expect("a folder"));
    if on_postgres() {
        files.extend(Cluster::shared().files_of(&server.data));
    }
    files
}

/// Bytes that are an HMAC key, as hex digits or base64 tell them.
fn key_of(secret: &str) -> Vec<u8> {
    let text = secret
        .strip_prefix("whsec_")
        .expect("every secret begins so");
    let hex = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    match text.len() {
        64 => (0..64).step_by(2).filter_map(hex).collect(),
        _ => STANDARD.decode(text).expect("base64"),
    }
}

#[test]
fn secrets_and_urls_stand_nowhere_in_the_clear() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let receiver = Receiver::always(Act::Answer(500));
    let canary = "hooks-of-canary-4711";
    let url = receiver.url().replace("hooks", canary);
    let mut secrets = Vec::new();
    for scheme in ["oms", "standard"] {
        let body = json!({"url": url, "signatureScheme": scheme});
        let made = api.post("/webhooks", &body).wants(201);
        let path = format!("/webhooks/{}", made.id());
        let rotated = api.post(&format!("{path}/rotateSecret"), &json!({}));
        secrets.extend([made, rotated.wants(200)].map(|one| one.text_at("/secret")));
        api.post(&format!("{path}/test"), &json!({})).wants(200);
    }
    receiver.wait_for(2);
    let kept = everything_kept(&server);
    let holds = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).any(|one| one == wanted);
    for (path, bytes) in &kept {
        let path = path.display();
        assert!(!holds(bytes, canary.as_bytes()), "the URL in {path}");
        for secret in &secrets {
            let text = &secret.as_bytes()["whsec_".len()..];
            assert!(!holds(bytes, text), "a secret in {path}");
            assert!(!holds(bytes, &key_of(secret)), "a key in {path}");
        }
    }
    // The search finds what stands there.
    let scheme = kept.iter().any(|(_, bytes)| holds(bytes, b"standard"));
    assert!(scheme, "the scheme is no secret");
}
