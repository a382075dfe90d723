//! Projects and their API keys. A key counts only when its row bears the hash that it was
//! stored with, and begins as keys of its project's mode do.

use super::{Row, Tx, project as projects};
use crate::context::Time;
use crate::core::api_key::{ApiKey, Mode, Scopes};
use crate::error::{Error, Result};
use crate::vault::{LINK_LENGTH, RowKey};

/// A key as it is stored, whether that is to be believed or not.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// What the row says.
    pub key: ApiKey,
    /// The hash that the row bears.
    pub mac: Option<Vec<u8>>,
}

impl StoredKey {
    /// Whether the row is as it was stored.
    #[must_use]
    pub fn is_genuine(&self, rows: &RowKey) -> bool {
        self.key.api_key.starts_with(self.key.mode.key_prefix())
            && rows.matches(self.mac.as_deref(), &mac(rows, &self.key))
    }

    /// The key, if the row is as it was stored; otherwise the log names it.
    fn believed(self, rows: &RowKey) -> Option<ApiKey> {
        if self.is_genuine(rows) {
            return Some(self.key);
        }
        let name = &self.key.api_key;
        tracing::error!(
            api_key = name,
            "the row of an API key was altered outside of oms; the key is refused"
        );
        None
    }
}

/// The hash of a key's row.
#[must_use]
pub fn mac(rows: &RowKey, key: &ApiKey) -> [u8; LINK_LENGTH] {
    let mut mac = rows.mac("api_keys");
    mac.bytes(key.api_key.as_bytes())
        .int(key.project)
        .bytes(key.mode.name().as_bytes())
        .bytes(&key.secret_hash)
        .bytes(key.scopes.to_string().as_bytes())
        .int(key.created_at.as_millis())
        .int(i64::from(key.revoked_at.is_some()))
        .int(key.revoked_at.map_or(0, Time::as_millis));
    mac.end()
}

/// The project of this name and mode, made if there is none.
pub fn ensure_project(
    tx: &mut Tx<'_>,
    (name, mode): (&str, Mode),
    now: Time,
    rows: &RowKey,
) -> Result<i64> {
    let made = tx.execute(
        "INSERT INTO projects (id, name, mode, created_at)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3 FROM projects WHERE true
         ON CONFLICT (name, mode) DO NOTHING",
        &[name.into(), mode.name().into(), now.as_millis().into()],
    )?;
    let number = project(tx, name, mode)?
        .ok_or_else(|| Error::internal("a project that was just made is not there"))?;
    if made > 0 {
        projects::stamp(tx, number, rows)?;
    } else {
        projects::genuine(tx, number, rows)?;
    }
    Ok(number)
}

/// The project of this name and mode, if there is one.
pub fn project(tx: &mut Tx<'_>, name: &str, mode: Mode) -> Result<Option<i64>> {
    tx.first(
        "SELECT id FROM projects WHERE name = $1 AND mode = $2",
        &[name.into(), mode.name().into()],
        |row| row.int(0),
    )
}

/// Whether there is any key yet.
pub fn any(tx: &mut Tx<'_>) -> Result<bool> {
    let one = tx.first("SELECT 1 FROM api_keys LIMIT 1", &[], |row| row.int(0))?;
    Ok(one.is_some())
}

/// Stores a new key; gives its row's hash.
pub fn insert(tx: &mut Tx<'_>, key: &ApiKey, rows: &RowKey) -> Result<[u8; LINK_LENGTH]> {
    let mac = mac(rows, key);
    tx.execute(
        "INSERT INTO api_keys
         (api_key, project, secret_hash, scopes, created_at, revoked_at, changed_at, mac)
         VALUES ($1, $2, $3, $4, $5, NULL, $5, $6)",
        &[
            key.api_key.as_str().into(),
            key.project.into(),
            key.secret_hash.as_slice().into(),
            key.scopes.to_string().as_str().into(),
            key.created_at.as_millis().into(),
            (&mac).into(),
        ],
    )?;
    Ok(mac)
}

/// Revokes a key for good and gives its row's hash, which it has anew only if it was as it
/// was stored: a key that was altered outside of oms is refused with or without this.
pub fn revoke(tx: &mut Tx<'_>, stored: &StoredKey, now: Time, rows: &RowKey) -> Result<Vec<u8>> {
    let mut key = stored.key.clone();
    key.revoked_at = key.revoked_at.or(Some(now));
    let mac = if stored.is_genuine(rows) {
        mac(rows, &key).to_vec()
    } else {
        stored.mac.clone().unwrap_or_default()
    };
    tx.execute(
        "UPDATE api_keys SET revoked_at = $1, changed_at = $2, mac = $3 WHERE api_key = $4",
        &[
            key.revoked_at.map(Time::as_millis).into(),
            now.as_millis().into(),
            mac.as_slice().into(),
            key.api_key.as_str().into(),
        ],
    )?;
    Ok(mac)
}

/// Gives a key's row the hash that it has.
pub fn stamp(tx: &mut Tx<'_>, key: &ApiKey, rows: &RowKey) -> Result<()> {
    tx.execute(
        "UPDATE api_keys SET mac = $1 WHERE api_key = $2",
        &[(&mac(rows, key)).into(), key.api_key.as_str().into()],
    )?;
    Ok(())
}

/// One key, if its row is to be believed.
pub fn find(tx: &mut Tx<'_>, api_key: &str, rows: &RowKey) -> Result<Option<ApiKey>> {
    let found = stored(tx, api_key)?;
    Ok(found.and_then(|found| found.believed(rows)))
}

/// One key as it is stored.
pub fn stored(tx: &mut Tx<'_>, api_key: &str) -> Result<Option<StoredKey>> {
    tx.first("SELECT k.api_key, k.project, p.name, p.mode, k.secret_hash, k.scopes, k.created_at, k.revoked_at, k.mac
         FROM api_keys k JOIN projects p ON p.id = k.project
         WHERE k.api_key = $1", &[api_key.into()], read)
}

/// Every key whose row is to be believed, by project and age.
pub fn all(tx: &mut Tx<'_>, rows: &RowKey) -> Result<Vec<ApiKey>> {
    let every = every(tx)?.into_iter();
    Ok(every.filter_map(|stored| stored.believed(rows)).collect())
}

/// Every key as it is stored, by project and age.
pub fn every(tx: &mut Tx<'_>) -> Result<Vec<StoredKey>> {
    tx.all("SELECT k.api_key, k.project, p.name, p.mode, k.secret_hash, k.scopes, k.created_at, k.revoked_at, k.mac
         FROM api_keys k JOIN projects p ON p.id = k.project
         ORDER BY p.name, p.mode, k.created_at, k.api_key", &[], read)
}

/// A number that changes whenever a key is made or revoked.
pub fn generation(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    let found = tx.first(
        "SELECT COUNT(*), COALESCE(MAX(changed_at), 0) + COUNT(revoked_at) FROM api_keys",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    Ok(found.unwrap_or_default())
}

fn read(row: &Row<'_>) -> Result<StoredKey> {
    let key = ApiKey {
        api_key: row.text(0)?,
        project: row.int(1)?,
        project_name: row.text(2)?,
        mode: projects::read_mode(row, 3)?,
        secret_hash: row.bytes(4)?,
        scopes: Scopes::parse(&row.text(5)?)
            .map_err(|_| Error::internal("an unknown scope is stored"))?,
        created_at: Time::from_millis(row.int(6)?),
        revoked_at: row.optional_int(7)?.map(Time::from_millis),
    };
    let mac = row.optional_bytes(8)?;
    Ok(StoredKey { key, mac })
}
