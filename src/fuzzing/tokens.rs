//! Access tokens: nothing is believed that these keys did not sign as ES256.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::edge;
use crate::context::Time;
use crate::core::token::{SigningKey, SigningKeys};

const NOW: Time = Time::from_millis(1_800_000_000_000);

/// Shows any bytes as a token, as the parts of one, and as parts with a true signature.
pub(super) fn verify_any(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    if kind % 3 == 0 {
        if let Ok(text) = std::str::from_utf8(data) {
            assert!(
                KEYS.verify(text, NOW).is_err(),
                "a token that nobody signed"
            );
        }
        edge::show_token(data);
        return;
    }
    let at = data.iter().position(|byte| *byte == b'\n');
    let (head, claims) = data.split_at(at.unwrap_or(data.len()));
    let claims = claims.strip_prefix(b"\n").unwrap_or(claims);
    let signed = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = signed.join(".");
    let mut signature = PAIR
        .sign(&SystemRandom::new(), signed.as_bytes())
        .expect("the machine has randomness")
        .as_ref()
        .to_vec();
    let is_true = kind % 3 == 1;
    if !is_true {
        signature[usize::from(*kind) % 64] ^= 1;
    }
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let Ok(claims) = KEYS.verify(&token, NOW) else {
        return;
    };
    let head: Value = serde_json::from_slice(head).expect("a head that was read");
    assert!(is_true && head["alg"] == "ES256" && head["kid"] == "a");
    assert!(claims.iss == "oms" && claims.exp > NOW.as_seconds());
}

static DOCUMENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| SigningKey::generate().expect("randomness").to_vec());

static PAIR: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &DOCUMENT).expect("a key")
});

static KEYS: LazyLock<SigningKeys> = LazyLock::new(|| {
    let key = SigningKey::from_pkcs8("a".into(), &DOCUMENT).expect("a key");
    SigningKeys::new(vec![key], 0)
});
