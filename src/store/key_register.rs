//! The key register's statements: wrapped data keys, secrets, signing keys.
//!
//! What is new is stored only when the newest wrapping key wrapped it: so a
//! change of keys, once begun, leaves nothing behind.

use super::{Tx, Value, wrapping_key};
use crate::context::Time;
use crate::error::{Error, Result};
use crate::vault::wrapper_of;

/// A signing key as it is stored.
#[derive(Clone, Debug)]
pub struct SigningKeyRow {
    /// The `kid`.
    pub id: String,
    /// The wrapped PKCS#8 document.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// When a newer one took over.
    pub retired_at: Option<Time>,
}

/// Stores new data keys.
pub fn insert_data_keys(tx: &mut Tx<'_>, keys: &[(i64, Vec<u8>)]) -> Result<()> {
    refuse_outdated(tx, keys.iter().map(|(_, wrapped)| wrapped.as_slice()))?;
    for (id, wrapped) in keys {
        tx.send(
            "INSERT INTO keys.data_keys (id, wrapped) VALUES ($1, $2)",
            &[(*id).into(), wrapped.as_slice().into()],
        )?;
    }
    Ok(())
}

/// Deletes a data key: whatever it sealed opens no more.
pub fn delete_data_key(tx: &mut Tx<'_>, id: i64) -> Result<bool> {
    let deleted = tx.execute("DELETE FROM keys.data_keys WHERE id = $1", &[id.into()])?;
    Ok(deleted > 0)
}

/// The wrapped bytes of a data key.
pub fn data_key(tx: &mut Tx<'_>, id: i64) -> Result<Option<Vec<u8>>> {
    tx.first(
        "SELECT wrapped FROM keys.data_keys WHERE id = $1",
        &[id.into()],
        |row| row.bytes(0),
    )
}

/// The wrapped bytes of a named secret.
pub fn secret(tx: &mut Tx<'_>, name: &str) -> Result<Option<Vec<u8>>> {
    tx.first(
        "SELECT wrapped FROM keys.secrets WHERE name = $1",
        &[name.into()],
        |row| row.bytes(0),
    )
}

/// Stores a named secret unless there is one; the caller reads it back.
pub fn insert_secret(tx: &mut Tx<'_>, name: &str, wrapped: &[u8]) -> Result<()> {
    refuse_outdated(tx, [wrapped])?;
    tx.execute(
        "INSERT INTO keys.secrets (name, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[name.into(), wrapped.into()],
    )?;
    Ok(())
}

/// Every signing key, the newest first.
pub fn signing_keys(tx: &mut Tx<'_>) -> Result<Vec<SigningKeyRow>> {
    tx.all(
        "SELECT id, wrapped, created_at, retired_at FROM keys.signing_keys
         ORDER BY created_at DESC, id",
        &[],
        |row| {
            Ok(SigningKeyRow {
                id: row.text(0)?,
                wrapped: row.bytes(1)?,
                created_at: Time::from_millis(row.int(2)?),
                retired_at: row.optional_int(3)?.map(Time::from_millis),
            })
        },
    )
}

/// Stores a signing key.
pub fn insert_signing_key(tx: &mut Tx<'_>, key: &SigningKeyRow) -> Result<()> {
    refuse_outdated(tx, [key.wrapped.as_slice()])?;
    tx.execute(
        "INSERT INTO keys.signing_keys (id, wrapped, created_at, retired_at)
         VALUES ($1, $2, $3, $4)",
        &[
            key.id.as_str().into(),
            key.wrapped.as_slice().into(),
            key.created_at.as_millis().into(),
            Value::from(key.retired_at.map(Time::as_millis)),
        ],
    )?;
    Ok(())
}

/// Marks the key that signed until now as retired.
pub fn retire_signing_keys(tx: &mut Tx<'_>, at: Time) -> Result<()> {
    tx.execute(
        "UPDATE keys.signing_keys SET retired_at = $1 WHERE retired_at IS NULL",
        &[at.as_millis().into()],
    )?;
    Ok(())
}

/// Deletes the signing keys that were retired before a moment.
pub fn delete_signing_keys_retired_before(tx: &mut Tx<'_>, edge: Time) -> Result<()> {
    tx.execute(
        "DELETE FROM keys.signing_keys WHERE retired_at < $1",
        &[edge.as_millis().into()],
    )?;
    Ok(())
}

/// Another wrapping key took over since the caller last looked: it must read
/// the register and wrap anew.
pub(super) fn refuse_outdated<'a>(
    tx: &mut Tx<'_>,
    wrapped: impl IntoIterator<Item = &'a [u8]>,
) -> Result<()> {
    let newest = wrapping_key::newest(tx)?;
    if wrapped.into_iter().all(|one| wrapper_of(one) == newest) {
        Ok(())
    } else {
        Err(Error::unavailable("the master key was just changed", 1))
    }
}

/// How many data keys there are.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    let count = tx.first("SELECT COUNT(*) FROM keys.data_keys", &[], |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}

/// How many data keys no customer has. Reads both tables whole.
pub fn orphans(tx: &mut Tx<'_>) -> Result<i64> {
    let count = tx.first(
        "SELECT COUNT(*) FROM keys.data_keys WHERE id NOT IN (SELECT data_key FROM customers)",
        &[],
        |row| row.int(0),
    )?;
    Ok(count.unwrap_or_default())
}

/// The newest data key.
pub fn newest_data_key(tx: &mut Tx<'_>) -> Result<Option<i64>> {
    let newest = tx.first("SELECT MAX(id) FROM keys.data_keys", &[], |row| {
        row.optional_int(0)
    })?;
    Ok(newest.flatten())
}
