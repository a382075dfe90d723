//! Messages signed as Standard Webhooks signs them, so that its stock libraries check
//! ours and we check theirs: HMAC-SHA256 over id, time and the raw body.
//! <https://www.standardwebhooks.com>

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::context::Time;

/// What stands before the base64 of a secret.
const SECRET_PREFIX: &str = "whsec_";

/// Bytes of the shortest and the longest secret.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The most secrets that are good at a time: the new one and the one before.
const MOST_SECRETS: usize = 2;

/// The most signatures of one message that are looked at.
const MOST_SIGNATURES: usize = 8;

/// The secrets of one correspondent, the newest first. All of them sign, and each is enough.
#[derive(Clone)]
pub struct MessageKeys(Vec<hmac::Key>);

impl MessageKeys {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes; while secrets are changed, the new
    /// one and on the next line the old one.
    ///
    /// # Errors
    /// What would be accepted, never what was there.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Option<Vec<_>> = lines.by_ref().take(MOST_SECRETS).map(key).collect();
        match keys {
            Some(keys) if !keys.is_empty() && lines.next().is_none() => Ok(Self(keys)),
            _ => Err(
                "whsec_ and the base64 of 24 to 64 bytes, on one line, or two while it is changed",
            ),
        }
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, at: Time, body: &[u8]) -> String {
        let at = at.as_seconds().to_string();
        let one = |key| {
            let mut context = hmac::Context::with_key(key);
            signed_parts(id, &at, body, |part| context.update(part));
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// Whether one of the signatures is of one of these secrets. Says nothing of the time.
    #[must_use]
    pub fn verify(&self, signatures: &str, (id, at): (&str, &str), body: &[u8]) -> bool {
        let mut text = Vec::with_capacity(id.len() + at.len() + body.len() + 2);
        signed_parts(id, at, body, |part| text.extend_from_slice(part));
        let text = Zeroizing::new(text);
        let given = signatures.split(' ').take(MOST_SIGNATURES);
        given
            .filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok())
            .any(|one| {
                let mut keys = self.0.iter();
                // In constant time, as the library compares.
                keys.any(|key| hmac::verify(key, &text, &one).is_ok())
            })
    }
}

fn key(line: &str) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(line.strip_prefix(SECRET_PREFIX)?).ok()?;
    let bytes = Zeroizing::new(bytes);
    SECRET_LENGTHS
        .contains(&bytes.len())
        .then(|| hmac::Key::new(HMAC_SHA256, &bytes))
}

fn signed_parts(id: &str, at: &str, body: &[u8], mut take: impl FnMut(&[u8])) {
    for part in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
        take(part);
    }
}

impl fmt::Debug for MessageKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MessageKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: Time = Time::from_millis(1_614_265_330_000);
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_example_is_signed_and_verified() {
        let keys = MessageKeys::parse(SECRET).unwrap();
        assert_eq!(keys.sign(ID, AT, BODY), SIGNATURE);
        let at = (ID, "1614265330");
        assert!(keys.verify(SIGNATURE, at, BODY));
        assert!(keys.verify(&format!("v1a,xx v1,AAAA {SIGNATURE}"), at, BODY));
        for (signatures, at, body) in [
            ("", at, BODY),
            (&SIGNATURE[3..], at, BODY),
            (SIGNATURE, (ID, "1614265331"), BODY),
            (SIGNATURE, ("msg_other", "1614265330"), BODY),
            (SIGNATURE, at, b"{}"),
        ] {
            assert!(!keys.verify(signatures, at, body), "{signatures} {at:?}");
        }
    }

    #[test]
    fn while_secrets_change_both_are_good() {
        let old = MessageKeys::parse(SECRET).unwrap();
        let new = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = MessageKeys::parse(&format!("{new}\n{SECRET}\n")).unwrap();
        let signed = both.sign(ID, AT, BODY);
        let at = (ID, "1614265330");
        assert!(signed.ends_with(SIGNATURE), "{signed}");
        assert!(old.verify(&signed, at, BODY) && both.verify(SIGNATURE, at, BODY));
        assert!(
            !MessageKeys::parse(&new)
                .unwrap()
                .verify(SIGNATURE, at, BODY)
        );
    }

    #[test]
    fn anything_else_is_no_secret() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let three = [SECRET; 3].join("\n");
        for bad in [
            "",
            "\n",
            "whsec_",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &long,
            &three,
        ] {
            assert!(MessageKeys::parse(bad).is_err(), "{bad}");
        }
    }
}
