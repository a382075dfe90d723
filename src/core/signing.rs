//! The installation's signing keys: read, made at the first start, and changed.
//! A retired key verifies until the last token it signed has expired.

use super::audit::Record;
use super::event::{Detail, EventKind, Order};
use super::installation::Installation;
use super::token::{SigningKey, SigningKeys};
use crate::context::Time;
use crate::error::{Error, Result};
use crate::store::key_register::{self, SigningKeyRow};

/// A new key signs so much later than it is published, so that every server has
/// read it before it meets a token of it. The seconds of a token are whole, so
/// one of these may be cut off.
const SIGNS_AFTER_S: i64 = 2;

/// What becomes of the key that signed until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKey {
    /// It verifies until its last token has expired.
    Retires,
    /// It ends now and all its tokens with it: it is known to somebody else.
    EndsNow,
}

/// A change of signing keys.
#[derive(Debug)]
pub struct NewSigningKey {
    /// The `kid` of the new key.
    pub id: String,
    /// Until when the old one verifies.
    pub old_until: Time,
}

impl Installation {
    /// The keys that sign tokens; the first is made when there is none.
    ///
    /// # Errors
    /// When a stored key does not open.
    pub async fn signing_keys(&self) -> Result<SigningKeys> {
        let mut rows = self.store.read(key_register::signing_keys).await?;
        if rows.is_empty() {
            let row = self.new_signing_key()?;
            rows = self
                .store
                .write(move |tx| {
                    if key_register::signing_keys(tx)?.is_empty() {
                        key_register::insert_signing_key(tx, &row)?;
                    }
                    key_register::signing_keys(tx)
                })
                .await?;
        }
        self.open_signing_keys(self.in_force(rows))
    }

    /// The keys that sign tokens, when they are others than those known.
    ///
    /// # Errors
    /// When the store is away or a stored key does not open.
    pub async fn signing_keys_unless(&self, known: &SigningKeys) -> Result<Option<SigningKeys>> {
        let rows = self.store.read(key_register::signing_keys).await?;
        let rows = self.in_force(rows);
        if rows.is_empty() || rows.iter().map(|row| row.id.as_str()).eq(known.ids()) {
            return Ok(None);
        }
        self.open_signing_keys(rows).map(Some)
    }

    /// Makes a new signing key, which every running server uses within seconds.
    ///
    /// # Errors
    /// When the key before the present one is still needed: two are in force at a time.
    pub async fn rotate_signing(&self, old: OldKey, order: &Order) -> Result<NewSigningKey> {
        let row = self.new_signing_key()?;
        let (id, now) = (row.id.clone(), row.created_at);
        let oldest_needed = self.oldest_retirement(self.context.cautious_now());
        let old_until = match old {
            OldKey::Retires => now.plus_seconds(self.token_lifetime_s + SIGNS_AFTER_S),
            OldKey::EndsNow => now,
        };
        let detail = Detail {
            to: Some(format!("signing key {id}")),
            until: Some(old_until.to_string()),
            ..Detail::default()
        };
        let record = Record::new(self, EventKind::SigningKeyChanged, detail, order);
        self.store
            .write(move |tx| {
                let retired = key_register::signing_keys(tx)?;
                let needed = retired.iter().filter_map(|row| row.retired_at).max();
                if let Some(at) = needed.filter(|at| *at > oldest_needed && old == OldKey::Retires)
                {
                    return Err(Error::internal(format!(
                        "the signing key was changed at {at}, and tokens of the one before are still good; \
                         wait for token_lifetime_s, or end the old keys and their tokens with --end-old-now"
                    )));
                }
                key_register::retire_signing_keys(tx, now)?;
                let edge = match old {
                    OldKey::Retires => oldest_needed,
                    OldKey::EndsNow => now.plus_seconds(1),
                };
                key_register::delete_signing_keys_retired_before(tx, edge)?;
                key_register::insert_signing_key(tx, &row)?;
                record.write(tx)
            })
            .await?;
        Ok(NewSigningKey { id, old_until })
    }

    /// Keys retired before this have no token left that is good.
    fn oldest_retirement(&self, now: Time) -> Time {
        now.plus_seconds(-self.token_lifetime_s - SIGNS_AFTER_S)
    }

    fn in_force(&self, mut rows: Vec<SigningKeyRow>) -> Vec<SigningKeyRow> {
        let edge = self.oldest_retirement(self.context.cautious_now());
        rows.retain(|row| row.retired_at.is_none_or(|at| at > edge));
        // A clock that went back must not let a retired key sign.
        rows.sort_by_key(|row| row.retired_at.is_some());
        rows
    }

    fn new_signing_key(&self) -> Result<SigningKeyRow> {
        let random = &self.context.random;
        let id = format!("{:016x}", u64::from_be_bytes(random.bytes()));
        let document = SigningKey::generate()?;
        Ok(SigningKeyRow {
            wrapped: self
                .master
                .wrap("signing_key", id.as_bytes(), &document, random),
            id,
            created_at: self.context.now(),
            retired_at: None,
        })
    }

    fn open_signing_keys(&self, rows: Vec<SigningKeyRow>) -> Result<SigningKeys> {
        let newest = rows.first().map_or(0, |row| row.created_at.as_seconds());
        let keys = rows.into_iter().map(|row| {
            let document = self
                .master
                .unwrap("signing_key", row.id.as_bytes(), &row.wrapped)?;
            SigningKey::from_pkcs8(row.id, &document)
        });
        let keys = keys.collect::<Result<_>>()?;
        Ok(SigningKeys::new(keys, newest + SIGNS_AFTER_S))
    }
}
