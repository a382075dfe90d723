//! Access tokens: short-lived ES256 JWTs (RFC 7519, RFC 7518) that name an API
//! key. What the key may do is looked up, not carried, so that a revoked key's
//! tokens end with it.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::{Deserialize, Serialize};

use crate::context::Time;
use crate::error::{Code, Error, Result};

/// The `iss` of every token.
const ISSUER: &str = "oms";

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed: always `oms`.
    pub iss: String,
    /// The API key.
    pub sub: String,
    /// `sandbox` or `live`, for the reader; the key decides.
    pub mode: String,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds.
    pub exp: i64,
    /// No two tokens are alike.
    pub jti: String,
}

/// One key that signs or still verifies.
pub struct SigningKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    x: String,
    y: String,
}

impl SigningKey {
    /// The PKCS#8 document of a new P-256 key.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn generate() -> Result<zeroize::Zeroizing<Vec<u8>>> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| Error::internal("no signing key could be made"))?;
        Ok(zeroize::Zeroizing::new(document.as_ref().to_vec()))
    }

    /// A key from its PKCS#8 document.
    ///
    /// # Errors
    /// When the document is none.
    pub fn from_pkcs8(id: String, document: &[u8]) -> Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document)
            .map_err(|_| Error::internal("a stored signing key does not read"))?;
        // An uncompressed point (SEC 1, 2.3.3): 4, then x and y of 32 bytes each.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Ok(Self {
            id,
            encoding: EncodingKey::from_ec_der(document),
            decoding: DecodingKey::from_ec_components(&x, &y).map_err(Error::internal)?,
            x,
            y,
        })
    }

    /// The public half as a JSON Web Key (RFC 7517).
    #[must_use]
    pub fn jwk(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
            "kid": self.id, "x": self.x, "y": self.y,
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SigningKey({})", self.id)
    }
}

/// The keys in force: the newest signs, all verify.
#[derive(Debug)]
pub struct SigningKeys {
    keys: Vec<SigningKey>,
    newest_signs_from_s: i64,
}

impl SigningKeys {
    /// The keys in force, the newest first; there is at least one. Until the
    /// newest signs, in Unix seconds, the one before it does.
    #[must_use]
    pub const fn new(keys: Vec<SigningKey>, newest_signs_from_s: i64) -> Self {
        Self {
            keys,
            newest_signs_from_s,
        }
    }

    /// The ids of the keys, the newest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// The key set to publish (RFC 7517, section 5).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self.keys.iter().map(SigningKey::jwk).collect();
        serde_json::json!({ "keys": keys })
    }

    /// Whether a token names a key that is none of these.
    #[must_use]
    pub fn are_others(&self, token: &str) -> bool {
        let named = decode_header(token).ok().and_then(|header| header.kid);
        named.is_some_and(|named| self.ids().all(|id| id != named))
    }

    /// Signs a token.
    ///
    /// # Errors
    /// `internalError` when the library refuses, which it has no reason to.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        let before = self
            .keys
            .get(1)
            .filter(|_| claims.iat < self.newest_signs_from_s);
        let key = before
            .or(self.keys.first())
            .ok_or_else(|| Error::internal("there is no signing key"))?;
        let header = Header {
            kid: Some(key.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        encode(&header, claims, &key.encoding).map_err(Error::internal)
    }

    /// What a token says, when one of these keys signed it and its time is not over.
    ///
    /// # Errors
    /// `tokenInvalid` or `tokenExpired`.
    pub fn verify(&self, token: &str, now: Time) -> Result<Claims> {
        let invalid = || {
            Error::new(
                Code::TokenInvalid,
                "the token was not issued here or was altered",
            )
        };
        let header = decode_header(token).map_err(|_| invalid())?;
        let key = self
            .keys
            .iter()
            .find(|key| Some(&key.id) == header.kid.as_ref());
        let key = key.ok_or_else(invalid)?;
        // The library would compare with the machine's clock; ours is handed in.
        let mut rules = Validation::new(Algorithm::ES256);
        rules.validate_exp = false;
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "iss", "sub"]);
        let claims = decode::<Claims>(token, &key.decoding, &rules)
            .map_err(|_| invalid())?
            .claims;
        check_time(&claims, now)?;
        Ok(claims)
    }
}

/// Whether the token's time is not over.
///
/// # Errors
/// `tokenExpired`.
pub fn check_time(claims: &Claims, now: Time) -> Result<()> {
    if now.as_seconds() < claims.exp {
        return Ok(());
    }
    Err(Error::new(
        Code::TokenExpired,
        "the token's time is over; get a new one",
    ))
}

impl Claims {
    /// The claims of a token for a key.
    #[must_use]
    pub fn new(api_key: &str, mode: &str, now: Time, lifetime_s: i64, id: String) -> Self {
        Self {
            iss: ISSUER.into(),
            sub: api_key.into(),
            mode: mode.into(),
            iat: now.as_seconds(),
            exp: now.as_seconds() + lifetime_s,
            jti: id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(id: &str) -> SigningKeys {
        let document = SigningKey::generate().unwrap();
        SigningKeys::new(
            vec![SigningKey::from_pkcs8(id.into(), &document).unwrap()],
            0,
        )
    }

    #[test]
    fn a_new_key_verifies_at_once_and_signs_from_its_time_on() {
        let documents = [(); 2].map(|()| SigningKey::generate().unwrap());
        let key = |id: &str, at: usize| SigningKey::from_pkcs8(id.into(), &documents[at]).unwrap();
        let from = NOW.plus_seconds(2).as_seconds();
        let keys = SigningKeys::new(vec![key("new", 0), key("old", 1)], from);
        for (seconds, signer) in [(1, "old"), (2, "new")] {
            let now = NOW.plus_seconds(seconds);
            let claims = Claims::new("sk_sdbx_x", "sandbox", now, 60, "1".into());
            let token = keys.sign(&claims).unwrap();
            let header = decode_header(&token).unwrap();
            assert_eq!(header.kid.as_deref(), Some(signer));
            assert!(keys.verify(&token, now).is_ok());
        }
    }

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    #[test]
    fn a_token_is_good_until_its_time_is_over() {
        let keys = keys("a");
        let claims = Claims::new("sk_sdbx_x", "sandbox", NOW, 60, "1".into());
        let token = keys.sign(&claims).unwrap();
        assert_eq!(keys.verify(&token, NOW).unwrap().sub, "sk_sdbx_x");
        let last = keys.verify(&token, NOW.plus_seconds(59));
        assert!(last.is_ok());
        let over = keys.verify(&token, NOW.plus_seconds(60)).unwrap_err();
        assert_eq!(over.code(), Code::TokenExpired);
    }

    #[test]
    fn a_foreign_altered_or_unsigned_token_is_invalid() {
        let (ours, theirs) = (keys("a"), keys("a"));
        let claims = Claims::new("sk_sdbx_x", "sandbox", NOW, 60, "1".into());
        let token = ours.sign(&claims).unwrap();
        let [head, body, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"a"}"#);
        let hmac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"a"}"#);
        let longer = URL_SAFE_NO_PAD.encode(
            String::from_utf8(URL_SAFE_NO_PAD.decode(body).unwrap())
                .unwrap()
                .replace("sk_sdbx_x", "sk_live_x"),
        );
        for forged in [
            theirs.sign(&claims).unwrap(),
            format!("{none}.{body}."),
            format!("{hmac}.{body}.{signature}"),
            format!("{head}.{longer}.{signature}"),
            format!("{head}.{body}"),
            String::new(),
        ] {
            let refused = ours.verify(&forged, NOW).unwrap_err();
            assert_eq!(refused.code(), Code::TokenInvalid, "{forged}");
        }
    }
}
