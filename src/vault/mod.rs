//! Envelope encryption: the master key wraps a wrapping key, that one wraps data
//! keys, a data key seals the personal data of one customer. AES-256-GCM throughout, by aws-lc-rs.
//!
//! Nothing here reads or writes the store, and no key ever leaves in the clear.

mod audit;
mod hash_keys;
mod master;
mod message;
mod pool;
mod ring;
mod rows;
mod secrets;
mod transit;

pub use audit::{ChainKey, LINK_LENGTH, Link, Signer};
pub use hash_keys::{FIRST_EPOCH, HashKey, HashKeys};
pub use master::{MASTER_KEY_FILE, MasterKey};
pub use message::MessageKeys;
pub use pool::{DataKeyPool, IdOrder, PooledKey, WrappedKey, fresh_data_key};
pub use ring::{KeyRing, WrappedWrappingKey, WrappingKey, wrapper_of};
pub use rows::RowKey;
pub use secrets::Secrets;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::context::Random;
use crate::error::{Error, Result};
use crate::metrics;

/// Bytes of every symmetric key here.
pub const KEY_LENGTH: usize = 32;

/// The first byte of everything sealed, so that a later format can stand beside this one.
const FORMAT: u8 = 1;

/// The first byte of a value that is bound to other values.
const BOUND: u8 = 2;

/// What sealing adds to the length of a value.
pub const SEALED_OVERHEAD: usize = 1 + NONCE_LEN + MAX_TAG_LEN;

/// Where a sealed value belongs. It opens nowhere else: project, row and field
/// are associated data of the encryption.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The project whose data it is; 0 for the installation's own.
    pub project: i64,
    /// The id of the row.
    pub row: &'a [u8],
    /// Table and column.
    pub field: &'static str,
}

/// A key that seals and opens; it never shows its bytes.
pub struct SealingKey {
    id: i64,
    key: LessSafeKey,
}

impl SealingKey {
    /// A key from its bytes, under the id that stands beside what it sealed.
    #[must_use]
    pub fn new(id: i64, bytes: &[u8; KEY_LENGTH]) -> Self {
        let key =
            UnboundKey::new(&AES_256_GCM, bytes).expect("the length is that of the algorithm");
        Self {
            id,
            key: LessSafeKey::new(key),
        }
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Seals a value for its place: format, nonce, ciphertext, tag.
    #[must_use]
    pub fn seal(&self, place: Place<'_>, plain: &[u8], random: &Random) -> Vec<u8> {
        self.seal_as(FORMAT, &self.associated_data(place), plain, random)
    }

    /// Seals a value that opens only together with others, which stay in the clear.
    #[must_use]
    pub fn seal_bound(
        &self,
        place: Place<'_>,
        others: &[u8],
        plain: &[u8],
        random: &Random,
    ) -> Vec<u8> {
        self.seal_as(BOUND, &self.bound_data(place, others), plain, random)
    }

    fn seal_as(&self, format: u8, data: &[u8], plain: &[u8], random: &Random) -> Vec<u8> {
        metrics::SEALED.add();
        let nonce: [u8; NONCE_LEN] = random.bytes();
        let mut sealed = Vec::with_capacity(plain.len() + SEALED_OVERHEAD);
        sealed.push(format);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(data),
                &mut sealed[1 + NONCE_LEN..],
            )
            .expect("the value is far shorter than the algorithm's limit");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// `internalError` when the value was sealed for another place or by
    /// another key, or was altered.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.open_as(FORMAT, &self.associated_data(place), place, sealed)
    }

    /// Opens what was sealed for this place together with these others.
    ///
    /// # Errors
    /// As [`Self::open`], and when one of the others was altered.
    pub fn open_bound(
        &self,
        place: Place<'_>,
        others: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.open_as(BOUND, &self.bound_data(place, others), place, sealed)
    }

    fn open_as(
        &self,
        format: u8,
        data: &[u8],
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let refuse = || {
            Error::internal(format!(
                "a sealed {} does not open with key {}",
                place.field, self.id
            ))
        };
        if sealed.len() < SEALED_OVERHEAD || sealed[0] != format {
            return Err(refuse());
        }
        let (head, body) = sealed.split_at(1 + NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| refuse())?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .key
            .open_in_place(nonce, Aad::from(data), &mut plain)
            .map_err(|_| refuse())?
            .len();
        plain.truncate(length);
        metrics::OPENED.add();
        Ok(plain)
    }

    /// Every part has a fixed length or a length before it, so no two places give the same bytes.
    fn associated_data(&self, place: Place<'_>) -> Vec<u8> {
        let mut data = Vec::with_capacity(64);
        data.push(FORMAT);
        data.extend_from_slice(&self.id.to_be_bytes());
        data.extend_from_slice(&place.project.to_be_bytes());
        data.extend_from_slice(&(place.row.len() as u64).to_be_bytes());
        data.extend_from_slice(place.row);
        data.extend_from_slice(place.field.as_bytes());
        data
    }

    fn bound_data(&self, place: Place<'_>, others: &[u8]) -> Vec<u8> {
        let mut data = Vec::with_capacity(192);
        data.push(BOUND);
        data.extend_from_slice(&self.id.to_be_bytes());
        data.extend_from_slice(&place.project.to_be_bytes());
        for part in [place.row, place.field.as_bytes(), others] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// Whether a sealed value is bound to others.
#[must_use]
pub fn is_bound(sealed: &[u8]) -> bool {
    sealed.first() == Some(&BOUND)
}

/// What stands for a sealed value where it is not there itself: its tag, which nobody
/// without the key finds another value for. Of a tag, the tag.
#[must_use]
pub fn tag(sealed: &[u8]) -> &[u8] {
    &sealed[sealed.len().saturating_sub(MAX_TAG_LEN)..]
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SealingKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place {
        project: 1,
        row: b"row",
        field: "customers.profile",
    };

    #[test]
    fn a_sealed_value_opens_only_in_its_place_with_its_key() {
        let random = Random::seeded(1);
        let bytes = random.bytes();
        let key = SealingKey::new(7, &bytes);
        let sealed = key.seal(PLACE, b"Ada", &random);
        assert_eq!(sealed.len(), 3 + SEALED_OVERHEAD);
        assert_eq!(key.open(PLACE, &sealed).unwrap().as_slice(), b"Ada");

        let foreign = [
            Place {
                project: 2,
                ..PLACE
            },
            Place {
                row: b"raw",
                ..PLACE
            },
            Place {
                field: "customers.identity",
                ..PLACE
            },
        ];
        for place in foreign {
            assert!(key.open(place, &sealed).is_err());
        }
        assert!(SealingKey::new(8, &bytes).open(PLACE, &sealed).is_err());
        assert!(
            SealingKey::new(7, &random.bytes())
                .open(PLACE, &sealed)
                .is_err()
        );
    }

    #[test]
    fn a_bound_value_opens_only_with_what_it_is_bound_to() {
        let random = Random::seeded(3);
        let key = SealingKey::new(7, &random.bytes());
        let sealed = key.seal_bound(PLACE, b"active", b"Ada", &random);
        let opened = key.open_bound(PLACE, b"active", &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"Ada");
        assert!(key.open_bound(PLACE, b"inactive", &sealed).is_err());
        let mut relabelled = sealed.clone();
        relabelled[0] = FORMAT;
        assert!(key.open(PLACE, &sealed).is_err() && key.open(PLACE, &relabelled).is_err());
        let mut free = key.seal(PLACE, b"Ada", &random);
        free[0] = BOUND;
        assert!(key.open_bound(PLACE, b"", &free).is_err());
        assert!(is_bound(&sealed) && !is_bound(b"") && !is_bound(&relabelled));
        assert_eq!(tag(tag(&sealed)), &sealed[sealed.len() - MAX_TAG_LEN..]);
        assert_eq!(tag(b""), b"");
    }

    #[test]
    fn an_altered_value_does_not_open() {
        let random = Random::seeded(2);
        let key = SealingKey::new(7, &random.bytes());
        let sealed = key.seal(PLACE, b"Ada", &random);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key.open(PLACE, &altered).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(
                key.open(PLACE, &sealed[..length]).is_err(),
                "length {length}"
            );
        }
    }
}
