//! What makes the audit log hard to forge: a keyed hash that links its rows, and a
//! signature over checkpoints and certificates.
//!
//! The links are keyed, so that somebody who can write the file but has no keys can forge
//! no row at all, also none since the last checkpoint. The signatures are Ed25519 (RFC 8032),
//! so that whoever has only the public key can check a checkpoint or a certificate that
//! was handed out.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::KEY_LENGTH;

/// Bytes of a link.
pub const LINK_LENGTH: usize = 32;

/// Links the rows of the audit log.
#[derive(Clone)]
pub struct ChainKey(hmac::Key);

/// Hashes one row; see [`ChainKey::link`] and [`super::RowKey::mac`].
pub struct Link(hmac::Context);

impl ChainKey {
    pub(super) fn new(bytes: &[u8; KEY_LENGTH]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, bytes))
    }

    /// Begins the hash of what follows on the hash before.
    #[must_use]
    pub fn link(&self, previous: &[u8; LINK_LENGTH]) -> Link {
        let mut link = Link::new(&self.0);
        link.0.update(previous);
        link
    }
}

impl Link {
    pub(super) fn new(key: &hmac::Key) -> Self {
        Self(hmac::Context::with_key(key))
    }

    /// Takes in a number.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.0.update(&value.to_be_bytes());
        self
    }

    /// Takes in bytes, their length before them.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.update(&(value.len() as u64).to_be_bytes());
        self.0.update(value);
        self
    }

    /// The hash.
    #[must_use]
    pub fn end(self) -> [u8; LINK_LENGTH] {
        self.0
            .sign()
            .as_ref()
            .try_into()
            .expect("HMAC-SHA256 gives 32 bytes")
    }
}

/// Signs what is handed out or must not be undone.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    pub(super) fn new(seed: &[u8; KEY_LENGTH]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Self(pair.expect("every 32 bytes are a seed"))
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// The 32 bytes of the public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// Whether this key signed the message.
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public_key())
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ChainKey")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_depends_on_the_one_before_and_on_where_values_end() {
        let key = ChainKey::new(&[1; KEY_LENGTH]);
        let hash = |previous, parts: [&[u8]; 2]| {
            let mut link = key.link(&[previous; LINK_LENGTH]);
            link.bytes(parts[0]).bytes(parts[1]);
            link.end()
        };
        let one = hash(0, [b"ab", b"c"]);
        assert_eq!(one, hash(0, [b"ab", b"c"]));
        assert_ne!(one, hash(0, [b"a", b"bc"]));
        assert_ne!(one, hash(1, [b"ab", b"c"]));
    }

    #[test]
    fn only_what_was_signed_is_signed() {
        let signer = Signer::new(&[1; KEY_LENGTH]);
        let signature = signer.sign(b"text");
        assert!(signer.signed(b"text", &signature));
        assert!(!signer.signed(b"texts", &signature));
        assert!(!Signer::new(&[2; KEY_LENGTH]).signed(b"text", &signature));
    }
}
