//! Projects and their API keys.

use super::{Row, Tx, project as projects};
use crate::context::Time;
use crate::core::api_key::{ApiKey, Mode, Scopes};
use crate::error::{Error, Result};

/// The project of this name and mode, made if there is none.
pub fn ensure_project(tx: &mut Tx<'_>, name: &str, mode: Mode, now: Time) -> Result<i64> {
    tx.execute(
        "INSERT INTO projects (id, name, mode, created_at)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3 FROM projects WHERE true
         ON CONFLICT (name, mode) DO NOTHING",
        &[name.into(), mode.name().into(), now.as_millis().into()],
    )?;
    project(tx, name, mode)?
        .ok_or_else(|| Error::internal("a project that was just made is not there"))
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

/// Stores a new key.
pub fn insert(tx: &mut Tx<'_>, key: &ApiKey) -> Result<()> {
    tx.execute(
        "INSERT INTO api_keys
         (api_key, project, secret_hash, scopes, created_at, revoked_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, NULL, $5)",
        &[
            key.api_key.as_str().into(),
            key.project.into(),
            key.secret_hash.as_slice().into(),
            key.scopes.to_string().as_str().into(),
            key.created_at.as_millis().into(),
        ],
    )?;
    Ok(())
}

/// Revokes a key for good; `false` when there is none.
pub fn revoke(tx: &mut Tx<'_>, api_key: &str, now: Time) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1), changed_at = $1
         WHERE api_key = $2",
        &[now.as_millis().into(), api_key.into()],
    )?;
    Ok(changed > 0)
}

/// One key.
pub fn find(tx: &mut Tx<'_>, api_key: &str) -> Result<Option<ApiKey>> {
    tx.first("SELECT k.api_key, k.project, p.name, p.mode, k.secret_hash, k.scopes, k.created_at, k.revoked_at
         FROM api_keys k JOIN projects p ON p.id = k.project
         WHERE k.api_key = $1", &[api_key.into()], read)
}

/// Every key, by project and age.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<ApiKey>> {
    tx.all("SELECT k.api_key, k.project, p.name, p.mode, k.secret_hash, k.scopes, k.created_at, k.revoked_at
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

fn read(row: &Row<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        api_key: row.text(0)?,
        project: row.int(1)?,
        project_name: row.text(2)?,
        mode: projects::read_mode(row, 3)?,
        secret_hash: row.bytes(4)?,
        scopes: Scopes::parse(&row.text(5)?)
            .map_err(|_| Error::internal("an unknown scope is stored"))?,
        created_at: Time::from_millis(row.int(6)?),
        revoked_at: row.optional_int(7)?.map(Time::from_millis),
    })
}
