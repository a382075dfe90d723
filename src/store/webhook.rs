//! The rows of webhooks: who wants to be told, how far each is, and who works for it.

use super::{Row, Tx, project, webhook_subscription};
use crate::context::Time;
use crate::core::api_key::Mode;
use crate::error::Result;
use crate::id::WebhookId;

/// A webhook as it is stored.
#[derive(Clone, Debug)]
pub struct WebhookRow {
    /// The id.
    pub id: WebhookId,
    /// When it was made, where the time in the id is not that; see [`Self::made_at`].
    pub created_at: Option<Time>,
    /// Whose.
    pub project: i64,
    /// Rises by one with every change.
    pub version: i64,
    /// Patterns with commas; empty for every event.
    pub events: String,
    /// The signature scheme's name.
    pub scheme: String,
    /// What the API keeps and shows; nothing is told differently.
    pub compliance_only: bool,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why nothing is, when the server decided so.
    pub disabled_reason: Option<String>,
    /// The data key that seals `target`.
    pub data_key: i64,
    /// Sealed: the URL and the secrets.
    pub target: Vec<u8>,
}

impl WebhookRow {
    /// The webhook's `createdAt`.
    #[must_use]
    pub fn made_at(&self) -> Time {
        self.created_at.unwrap_or_else(|| self.id.time())
    }
}

/// A row with its wrapped data key; `None` once that is destroyed.
pub type Found = (WebhookRow, Option<Vec<u8>>);

/// How far a webhook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of every event up to this place, what the webhook wants is recorded.
    pub through: i64,
    /// Since when every attempt fails.
    pub failing_since: Option<Time>,
}

/// Stores a new webhook that is told what happens from now on.
pub fn insert(tx: &mut Tx<'_>, row: &WebhookRow) -> Result<()> {
    tx.execute(
        "INSERT INTO webhooks (id, project, version, events, scheme, enabled, disabled_reason,
                               data_key, target, compliance_only, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            row.id.as_bytes().into(),
            row.project.into(),
            row.version.into(),
            row.events.as_str().into(),
            row.scheme.as_str().into(),
            i64::from(row.enabled).into(),
            row.disabled_reason.as_deref().into(),
            row.data_key.into(),
            row.target.as_slice().into(),
            i64::from(row.compliance_only).into(),
            row.created_at.map(Time::as_millis).into(),
        ],
    )?;
    let through = webhook_subscription::last_place(tx)?;
    tx.execute(
        "INSERT INTO webhook_progress (webhook, through, claimed_by, claimed_until)
         VALUES ($1, $2, 0, 0)",
        &[row.id.as_bytes().into(), through.into()],
    )?;
    webhook_subscription::end_span(tx, row.id, through, None)
}

/// Replaces a webhook that is still of the version before; `false` when somebody else was faster.
/// What it subscribed to before counts for everything that happened so far.
pub fn replace(tx: &mut Tx<'_>, row: &WebhookRow, before: &str) -> Result<bool> {
    if row.events != before {
        webhook_subscription::change(tx, row.id, before)?;
    }
    let changed = tx.execute(
        "UPDATE webhooks SET version = $1, events = $2, enabled = $3, disabled_reason = $4, target = $5,
                             compliance_only = $6
         WHERE id = $7 AND project = $8 AND version = $9 AND deleted_at IS NULL",
        &[
            row.version.into(),
            row.events.as_str().into(),
            i64::from(row.enabled).into(),
            row.disabled_reason.as_deref().into(),
            row.target.as_slice().into(),
            i64::from(row.compliance_only).into(),
            row.id.as_bytes().into(),
            row.project.into(),
            (row.version - 1).into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Forgets since when a webhook fails: it is given a fresh start.
pub fn forgive(tx: &mut Tx<'_>, id: WebhookId) -> Result<()> {
    tx.execute(
        "UPDATE webhook_progress SET failing_since = NULL WHERE webhook = $1",
        &[id.as_bytes().into()],
    )?;
    Ok(())
}

/// Somebody asks for an attempt: whoever works for the webhook tries its receiver again at once.
pub fn call_again(tx: &mut Tx<'_>, id: WebhookId) -> Result<()> {
    tx.execute(
        "UPDATE webhooks SET version = version + 1 WHERE id = $1 AND deleted_at IS NULL",
        &[id.as_bytes().into()],
    )?;
    Ok(())
}

/// Deletes a webhook; its history follows later. `false` when it was changed or deleted meanwhile.
pub fn delete(tx: &mut Tx<'_>, row: &WebhookRow, now: Time) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE webhooks SET version = version + 1, enabled = 0, deleted_at = $1
         WHERE id = $2 AND version = $3 AND deleted_at IS NULL",
        &[
            now.as_millis().into(),
            row.id.as_bytes().into(),
            row.version.into(),
        ],
    )?;
    Ok(changed == 1)
}

const ONE: &str = "
    SELECT w.id, w.project, w.version, w.events, w.scheme, w.enabled, w.disabled_reason, w.data_key,
           w.target, w.compliance_only, w.created_at, k.wrapped
    FROM webhooks w LEFT JOIN keys.data_keys k ON k.id = w.data_key
    WHERE w.id = $1 AND w.project = $2 AND w.deleted_at IS NULL";

/// One webhook of a project.
pub fn find(tx: &mut Tx<'_>, project: i64, id: WebhookId) -> Result<Option<Found>> {
    tx.first(ONE, &[id.as_bytes().into(), project.into()], read)
}

/// The webhooks of a project, newest first.
pub fn of_project(
    tx: &mut Tx<'_>,
    project: i64,
    before: &[u8; 16],
    limit: i64,
) -> Result<Vec<Found>> {
    tx.all(
        "SELECT w.id, w.project, w.version, w.events, w.scheme, w.enabled, w.disabled_reason, w.data_key,
                w.target, w.compliance_only, w.created_at, k.wrapped
         FROM webhooks w LEFT JOIN keys.data_keys k ON k.id = w.data_key
         WHERE w.project = $1 AND w.id < $2 AND w.deleted_at IS NULL ORDER BY w.id DESC LIMIT $3",
        &[project.into(), before.into(), limit.into()],
        read,
    )
}

/// How many a project has.
pub fn count(tx: &mut Tx<'_>, project: i64) -> Result<i64> {
    let count = tx.first(
        "SELECT COUNT(*) FROM webhooks WHERE project = $1 AND deleted_at IS NULL",
        &[project.into()],
        |row| row.int(0),
    )?;
    Ok(count.unwrap_or_default())
}

/// The version of a webhook that is told something.
pub fn version(tx: &mut Tx<'_>, id: WebhookId) -> Result<Option<i64>> {
    tx.first(
        "SELECT version FROM webhooks WHERE id = $1 AND enabled = 1 AND deleted_at IS NULL",
        &[id.as_bytes().into()],
        |row| row.int(0),
    )
}

/// A number that changes whenever a webhook does.
pub fn generation(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    let found = tx.first(
        "SELECT COUNT(*), CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM webhooks",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    Ok(found.unwrap_or_default())
}

/// A webhook that is told something.
pub struct Told {
    /// The webhook.
    pub found: Found,
    /// The mode of its project: of the store, since another server may have made both a
    /// moment ago.
    pub mode: Mode,
    /// How far it is.
    pub progress: Progress,
}

/// Every webhook that is told something.
pub fn enabled(tx: &mut Tx<'_>) -> Result<Vec<Told>> {
    tx.all(
        "SELECT w.id, w.project, w.version, w.events, w.scheme, w.enabled, w.disabled_reason, w.data_key,
                w.target, w.compliance_only, w.created_at, k.wrapped, p.through, p.failing_since, o.mode
         FROM webhooks w JOIN webhook_progress p ON p.webhook = w.id
              JOIN projects o ON o.id = w.project
              LEFT JOIN keys.data_keys k ON k.id = w.data_key
         WHERE w.enabled = 1 AND w.deleted_at IS NULL",
        &[],
        |row| {
            Ok(Told {
                found: read(row)?,
                mode: project::read_mode(row, 14)?,
                progress: read_progress(row, 12)?,
            })
        },
    )
}

/// How far a webhook is.
pub fn progress(tx: &mut Tx<'_>, id: WebhookId) -> Result<Option<Progress>> {
    tx.first(
        "SELECT through, failing_since FROM webhook_progress WHERE webhook = $1",
        &[id.as_bytes().into()],
        |row| read_progress(row, 0),
    )
}

/// Claims a webhook for a server; gives how far it is, or `None` when another server works
/// for it. The claim holds until the server gives it back or is gone (`server.rs`).
pub fn claim(tx: &mut Tx<'_>, id: WebhookId, process: i64) -> Result<Option<Progress>> {
    let claimed = tx.execute(
        "UPDATE webhook_progress SET claimed_by = $1
         WHERE webhook = $2 AND (claimed_by = $1 OR claimed_by = 0)",
        &[process.into(), id.as_bytes().into()],
    )?;
    if claimed == 0 {
        return Ok(None);
    }
    progress(tx, id)
}

/// Notes how far a webhook is; `false` when the process does not hold the claim any more.
pub fn advance(tx: &mut Tx<'_>, id: WebhookId, process: i64, progress: Progress) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE webhook_progress SET through = $1, failing_since = $2
         WHERE webhook = $3 AND claimed_by = $4",
        &[
            progress.through.into(),
            progress.failing_since.map(Time::as_millis).into(),
            id.as_bytes().into(),
            process.into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Disables a webhook and says why; `false` when it is disabled already.
pub fn disable(tx: &mut Tx<'_>, id: WebhookId, reason: &str) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE webhooks SET enabled = 0, disabled_reason = $1, version = version + 1
         WHERE id = $2 AND enabled = 1 AND deleted_at IS NULL",
        &[reason.into(), id.as_bytes().into()],
    )?;
    Ok(changed == 1)
}

/// Every webhook, those that were deleted included, with whether it was.
pub fn ids(tx: &mut Tx<'_>) -> Result<Vec<(WebhookId, bool)>> {
    tx.all(
        "SELECT id, CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END FROM webhooks",
        &[],
        |row| Ok((WebhookId::from_bytes(row.array(0)?), row.int(1)? == 1)),
    )
}

/// Forgets a deleted webhook that has no history left.
pub fn forget(tx: &mut Tx<'_>, id: WebhookId) -> Result<()> {
    let id = id.as_bytes();
    tx.execute(
        "DELETE FROM webhooks WHERE id = $1 AND deleted_at IS NOT NULL",
        &[id.into()],
    )?;
    tx.execute(
        "DELETE FROM webhook_progress WHERE webhook = $1",
        &[id.into()],
    )?;
    tx.execute(
        "DELETE FROM webhook_subscriptions WHERE webhook = $1",
        &[id.into()],
    )?;
    Ok(())
}

fn read_progress(row: &Row<'_>, first: usize) -> Result<Progress> {
    Ok(Progress {
        through: row.int(first)?,
        failing_since: row.optional_int(first + 1)?.map(Time::from_millis),
    })
}

fn read(row: &Row<'_>) -> Result<Found> {
    let webhook = WebhookRow {
        id: WebhookId::from_bytes(row.array(0)?),
        project: row.int(1)?,
        version: row.int(2)?,
        events: row.text(3)?,
        scheme: row.text(4)?,
        enabled: row.int(5)? == 1,
        disabled_reason: row.optional_text(6)?,
        data_key: row.int(7)?,
        target: row.bytes(8)?,
        compliance_only: row.int(9)? == 1,
        created_at: row.optional_int(10)?.map(Time::from_millis),
    };
    Ok((webhook, row.optional_bytes(11)?))
}
