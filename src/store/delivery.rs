//! The rows of deliveries: what was attempted for a webhook, and what waits to be.

use super::{Row, Tx};
use crate::context::Time;
use crate::core::delivery::LONGEST_WAIT_S;
use crate::error::{Error, Result};
use crate::id::{DeliveryId, EventId, WebhookId};

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is to be attempted.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Nobody took it, and it is not attempted any more.
    Failed,
}

impl State {
    /// The state on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A delivery as it is stored.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// For whom.
    pub webhook: WebhookId,
    /// The same on every attempt.
    pub id: DeliveryId,
    /// What is told.
    pub event: EventId,
    /// When that happened, where the time in its id is not that; see [`Self::at`].
    pub happened_at: Option<Time>,
    /// The event's kind.
    pub kind: String,
    /// How far it is.
    pub state: State,
    /// How often it was attempted.
    pub attempts: i64,
    /// When it was last.
    pub last_at: Option<Time>,
    /// When it is to be attempted.
    pub next_at: Option<Time>,
    /// The status that the receiver last answered with.
    pub status: Option<i64>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl DeliveryRow {
    /// When what is told happened.
    #[must_use]
    pub fn at(&self) -> Time {
        self.happened_at.unwrap_or_else(|| self.event.time())
    }
}

/// Records a delivery as it is now.
pub fn record(tx: &mut Tx<'_>, row: &DeliveryRow) -> Result<()> {
    tx.execute(
        "INSERT INTO webhook_deliveries (webhook, id, event, kind, state, attempts, last_at, next_at,
                                         status, error, happened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (webhook, id) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
             last_at = excluded.last_at, next_at = excluded.next_at, status = excluded.status,
             error = excluded.error",
        &[
            row.webhook.as_bytes().into(),
            row.id.as_bytes().into(),
            row.event.as_bytes().into(),
            row.kind.as_str().into(),
            (row.state as i64).into(),
            row.attempts.into(),
            row.last_at.map(Time::as_millis).into(),
            row.next_at.map(Time::as_millis).into(),
            row.status.into(),
            row.error.as_deref().into(),
            row.happened_at.map(Time::as_millis).into(),
        ],
    )?;
    Ok(())
}

/// One delivery of a webhook.
pub fn find(tx: &mut Tx<'_>, webhook: WebhookId, id: DeliveryId) -> Result<Option<DeliveryRow>> {
    tx.first(
        "SELECT webhook, id, event, kind, state, attempts, last_at, next_at, status, error,
                happened_at
         FROM webhook_deliveries WHERE webhook = $1 AND id = $2",
        &[webhook.as_bytes().into(), id.as_bytes().into()],
        read,
    )
}

/// What is to be attempted by now, in the order of events. What is planned for later than the
/// longest wait was planned by a clock that was ahead, and its time has come.
pub fn due(tx: &mut Tx<'_>, webhook: WebhookId, now: Time, limit: i64) -> Result<Vec<DeliveryRow>> {
    let mut due = tx.all(
        "SELECT webhook, id, event, kind, state, attempts, last_at, next_at, status, error,
                happened_at
         FROM webhook_deliveries
         WHERE webhook = $1 AND (next_at <= $2 OR next_at > $3) AND next_at IS NOT NULL
         ORDER BY next_at LIMIT $4",
        &[
            webhook.as_bytes().into(),
            now.as_millis().into(),
            now.plus_seconds(LONGEST_WAIT_S).as_millis().into(),
            limit.into(),
        ],
        read,
    )?;
    due.sort_by_key(|row| row.event);
    Ok(due)
}

/// When the next attempt for a webhook is to be; see [`due`].
pub fn next_at(tx: &mut Tx<'_>, webhook: WebhookId, now: Time) -> Result<Option<Time>> {
    let webhook = webhook.as_bytes().into();
    let latest = now.plus_seconds(LONGEST_WAIT_S);
    let beyond = tx.first(
        "SELECT 1 FROM webhook_deliveries WHERE webhook = $1 AND next_at > $2
         AND next_at IS NOT NULL LIMIT 1",
        &[webhook, latest.as_millis().into()],
        |row| row.int(0),
    )?;
    if beyond.is_some() {
        return Ok(Some(now));
    }
    let next = tx.first(
        "SELECT next_at FROM webhook_deliveries WHERE webhook = $1 AND next_at IS NOT NULL
         ORDER BY next_at LIMIT 1",
        &[webhook],
        |row| row.int(0),
    )?;
    Ok(next.map(Time::from_millis))
}

/// How many wait for another attempt, counted up to a limit.
pub fn waiting(tx: &mut Tx<'_>, webhook: WebhookId, limit: i64) -> Result<i64> {
    let count = tx.first(
        "SELECT COUNT(*) FROM (SELECT 1 FROM webhook_deliveries
                               WHERE webhook = $1 AND next_at IS NOT NULL LIMIT $2) AS w",
        &[webhook.as_bytes().into(), limit.into()],
        |row| row.int(0),
    )?;
    Ok(count.unwrap_or_default())
}

/// How many wait for another attempt of whatever webhook, counted up to a limit.
pub fn waiting_in_all(tx: &mut Tx<'_>, limit: i64) -> Result<i64> {
    let count = tx.first(
        "SELECT COUNT(*) FROM (SELECT 1 FROM webhook_deliveries
                               WHERE next_at IS NOT NULL LIMIT $1) AS w",
        &[limit.into()],
        |row| row.int(0),
    )?;
    Ok(count.unwrap_or_default())
}

/// Brings everything that waits forward: the receiver is there again.
pub fn bring_forward(tx: &mut Tx<'_>, webhook: WebhookId, now: Time) -> Result<()> {
    tx.execute(
        "UPDATE webhook_deliveries SET next_at = $1 WHERE webhook = $2 AND next_at > $1",
        &[now.as_millis().into(), webhook.as_bytes().into()],
    )?;
    Ok(())
}

/// Rows that are looked at for one page, beside as many as it holds, where few are in the state
/// that is asked for.
pub const SEEN_AT_MOST: usize = 500;

/// Which deliveries a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Of this webhook.
    pub webhook: WebhookId,
    /// Before this id.
    pub before: [u8; 16],
    /// In this state only.
    pub state: Option<State>,
    /// At most so many.
    pub limit: usize,
}

/// Some deliveries, and where to go on.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<DeliveryRow>,
    /// The `before` of what follows; `None` when nothing does.
    pub next: Option<[u8; 16]>,
}

/// A page: what it costs does not follow from how long the history is. First as many rows are
/// looked at as would do if all fitted.
pub fn page(tx: &mut Tx<'_>, filter: &Filter) -> Result<Page> {
    let (mut before, mut rows) = (filter.before, Vec::new());
    for chunk in [filter.limit, SEEN_AT_MOST] {
        let seen = newest_first(tx, filter.webhook, &before, chunk)?;
        let is_end = seen.len() < chunk;
        for row in seen {
            before = *row.id.as_bytes();
            if filter.state.is_none_or(|wanted| wanted == row.state) {
                rows.push(row);
            }
            if rows.len() == filter.limit {
                let next = Some(before);
                return Ok(Page { rows, next });
            }
        }
        if is_end {
            return Ok(Page { rows, next: None });
        }
    }
    let next = Some(before);
    Ok(Page { rows, next })
}

/// Deliveries of a webhook before an id, newest first.
pub fn newest_first(
    tx: &mut Tx<'_>,
    webhook: WebhookId,
    before: &[u8; 16],
    limit: usize,
) -> Result<Vec<DeliveryRow>> {
    tx.all(
        "SELECT webhook, id, event, kind, state, attempts, last_at, next_at, status, error,
                happened_at
         FROM webhook_deliveries WHERE webhook = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        &[
            webhook.as_bytes().into(),
            before.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
        read,
    )
}

/// Forgets some deliveries of a webhook before an id that wait for nothing; gives their number.
pub fn forget(tx: &mut Tx<'_>, webhook: WebhookId, before: &[u8; 16], limit: i64) -> Result<usize> {
    tx.execute(
        "DELETE FROM webhook_deliveries WHERE webhook = $1 AND id IN
             (SELECT id FROM webhook_deliveries
              WHERE webhook = $1 AND id < $2 AND next_at IS NULL ORDER BY id LIMIT $3)",
        &[webhook.as_bytes().into(), before.into(), limit.into()],
    )
}

/// Nothing of a deleted webhook waits any more.
pub fn abandon(tx: &mut Tx<'_>, webhook: WebhookId) -> Result<()> {
    tx.execute(
        "UPDATE webhook_deliveries SET next_at = NULL, state = 2
         WHERE webhook = $1 AND next_at IS NOT NULL",
        &[webhook.as_bytes().into()],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<DeliveryRow> {
    Ok(DeliveryRow {
        webhook: WebhookId::from_bytes(row.array(0)?),
        id: DeliveryId::from_bytes(row.array(1)?),
        event: EventId::from_bytes(row.array(2)?),
        kind: row.text(3)?,
        state: match row.int(4)? {
            0 => State::Pending,
            1 => State::Delivered,
            2 => State::Failed,
            _ => return Err(Error::internal("an unknown delivery state is stored")),
        },
        attempts: row.int(5)?,
        last_at: row.optional_int(6)?.map(Time::from_millis),
        next_at: row.optional_int(7)?.map(Time::from_millis),
        status: row.optional_int(8)?,
        error: row.optional_text(9)?,
        happened_at: row.optional_int(10)?.map(Time::from_millis),
    })
}
