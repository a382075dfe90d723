//! Keys for hashing and for cursors, all derived from one root secret that the
//! master key wraps, so that a new master key changes none of them.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::constant_time;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use zeroize::Zeroizing;

use super::{ChainKey, HashKey, HashKeys, KEY_LENGTH, RowKey, SealingKey, Signer};

/// Bytes that are kept of a keyed hash where 128 bits are enough.
pub const SHORT_HASH: usize = 16;

/// What the installation hashes and seals with, beside customers' data.
pub struct Secrets {
    api_secret: hmac::Key,
    blind_index: hmac::Key,
    hash_keys: RwLock<Arc<HashKeys>>,
    idempotency: hmac::Key,
    /// Seals cursors, which are nobody's data but must not be forged.
    pub cursor: SealingKey,
    /// Seals what the audit log says of the installation's own doings; its id is 0.
    pub audit: SealingKey,
    /// Links the rows of the audit log.
    pub chain: ChainKey,
    /// Signs checkpoints of the audit log and certificates of erasure.
    pub signer: Signer,
    /// Authenticates the rows that grant something.
    pub rows: RowKey,
}

impl Secrets {
    /// Derives every key from the root secret.
    #[must_use]
    pub fn derive(root: &[u8; KEY_LENGTH]) -> Self {
        let root = hmac::Key::new(HMAC_SHA256, root);
        // HKDF's expand step (RFC 5869) for one block: the root is uniform already.
        let derive = |label: &str| hmac::sign(&root, &[label.as_bytes(), &[1]].concat());
        let hash_key = |label| hmac::Key::new(HMAC_SHA256, derive(label).as_ref());
        let key = |label| -> [u8; KEY_LENGTH] {
            derive(label)
                .as_ref()
                .try_into()
                .expect("HMAC-SHA256 gives 32 bytes")
        };
        let blind_index = hash_key("oms blind index v1");
        let first = HashKeys::new(vec![HashKey::first(blind_index.clone())]);
        Self {
            api_secret: hash_key("oms api secret v1"),
            blind_index,
            hash_keys: RwLock::new(Arc::new(first)),
            idempotency: hash_key("oms idempotency v1"),
            cursor: SealingKey::new(0, &Zeroizing::new(key("oms cursor v1"))),
            audit: SealingKey::new(0, &Zeroizing::new(key("oms audit detail v1"))),
            chain: ChainKey::new(&Zeroizing::new(key("oms audit chain v1"))),
            signer: Signer::new(&Zeroizing::new(key("oms audit signature v1"))),
            rows: RowKey::new(&Zeroizing::new(key("oms rows v1"))),
        }
    }

    /// The keyed hash under which an API secret is stored. The secret has 256
    /// random bits, so a slow hash would only slow us.
    #[must_use]
    pub fn hash_api_secret(&self, api_key: &str, secret: &str) -> [u8; 32] {
        sign(&self.api_secret, &[api_key.as_bytes(), secret.as_bytes()])
    }

    /// Whether a secret is the one that was hashed, in the same time either way.
    #[must_use]
    pub fn api_secret_matches(&self, api_key: &str, secret: &str, hash: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.hash_api_secret(api_key, secret), hash).is_ok()
    }

    /// The keyed hash of what is not of customers: it is keyed for as long as the store is.
    #[must_use]
    pub fn blind_index(&self, project: i64, kind: &str, value: &[u8]) -> i64 {
        blind_index(&self.blind_index, project, kind, value)
    }

    /// The keys by which customers are found, as they were a moment ago.
    #[must_use]
    pub fn hash_keys(&self) -> Arc<HashKeys> {
        let keys = self.hash_keys.read();
        Arc::clone(&keys.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes in other keys by which customers are found.
    pub fn set_hash_keys(&self, keys: HashKeys) {
        let known = self.hash_keys.write();
        *known.unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The key by which versions before this one found customers.
    #[must_use]
    pub fn first_hash_key(&self) -> HashKey {
        HashKey::first(self.blind_index.clone())
    }

    /// The keyed hash of an idempotency key or of the request that came with
    /// it. A bare hash would let a thief guess the few unknown digits of a request.
    #[must_use]
    pub fn idempotency_hash(&self, project: i64, parts: &[&[u8]]) -> [u8; SHORT_HASH] {
        let project = project.to_be_bytes();
        let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len() + 1);
        all.push(&project);
        all.extend_from_slice(parts);
        sign(&self.idempotency, &all)[..SHORT_HASH]
            .try_into()
            .expect("a hash is longer")
    }
}

/// 64 bits of the keyed hash of a value of a project.
pub(super) fn blind_index(key: &hmac::Key, project: i64, kind: &str, value: &[u8]) -> i64 {
    let hash = sign(key, &[&project.to_be_bytes(), kind.as_bytes(), value]);
    i64::from_be_bytes(hash[..8].try_into().expect("eight bytes"))
}

/// HMAC-SHA256 over parts, each with its length before it.
fn sign(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context
        .sign()
        .as_ref()
        .try_into()
        .expect("HMAC-SHA256 gives 32 bytes")
}

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_the_key_the_project_and_where_parts_end() {
        let secrets = Secrets::derive(&[1; KEY_LENGTH]);
        let email = secrets.blind_index(1, "email", b"ada@example.com");
        assert_eq!(email, secrets.blind_index(1, "email", b"ada@example.com"));
        assert_ne!(email, secrets.blind_index(2, "email", b"ada@example.com"));
        assert_ne!(
            email,
            secrets.blind_index(1, "externalId", b"ada@example.com")
        );
        let other = Secrets::derive(&[2; KEY_LENGTH]);
        assert_ne!(email, other.blind_index(1, "email", b"ada@example.com"));
        assert_ne!(
            secrets.idempotency_hash(1, &[b"ab", b"c"]),
            secrets.idempotency_hash(1, &[b"a", b"bc"])
        );
    }

    #[test]
    fn only_the_right_secret_matches() {
        let secrets = Secrets::derive(&[1; KEY_LENGTH]);
        let hash = secrets.hash_api_secret("sk_sdbx_a", "s3cret");
        assert!(secrets.api_secret_matches("sk_sdbx_a", "s3cret", &hash));
        assert!(!secrets.api_secret_matches("sk_sdbx_a", "secret", &hash));
        assert!(!secrets.api_secret_matches("sk_sdbx_b", "s3cret", &hash));
    }
}
