//! The rows of what webhooks subscribed to, span by span in the order of everything, and how many
//! events of a resource a webhook was told by them.

use std::collections::HashMap;

use super::event::LinkedRow;
use super::sql::Sql;
use super::{Tx, event, order};
use crate::core::event::EventKind;
use crate::core::subscription::{History, MOST_SPANS, Span, Subscription};
use crate::error::{Error, FieldCode, Invalid, Result};
use crate::id::WebhookId;

/// The last place of everything that happened so far.
pub(super) fn last_place(tx: &mut Tx<'_>) -> Result<i64> {
    if tx.is_spread() {
        order::settle(tx)?;
    }
    event::last_place(tx)
}

/// Says that up to a place a webhook is told what fits these patterns, or nothing.
pub(super) fn end_span(
    tx: &mut Tx<'_>,
    webhook: WebhookId,
    through: i64,
    events: Option<&str>,
) -> Result<()> {
    // A second change before anything happened has nothing to tell of.
    tx.execute(
        "INSERT INTO webhook_subscriptions (webhook, through, events) VALUES ($1, $2, $3)
         ON CONFLICT (webhook, through) DO NOTHING",
        &[webhook.as_bytes().into(), through.into(), events.into()],
    )?;
    Ok(())
}

/// Ends the present span of a webhook whose patterns change.
pub(super) fn change(tx: &mut Tx<'_>, webhook: WebhookId, before: &str) -> Result<()> {
    let spans = tx.first(
        "SELECT COUNT(*) FROM webhook_subscriptions WHERE webhook = $1",
        &[webhook.as_bytes().into()],
        |row| row.int(0),
    )?;
    if spans.unwrap_or_default() >= MOST_SPANS {
        let message = format!("changed {MOST_SPANS} times already; make a new webhook");
        let wrong = Invalid::new(FieldCode::TooLong, message).at("/events");
        return Err(Error::invalid_fields(vec![wrong]));
    }
    let through = last_place(tx)?;
    end_span(tx, webhook, through, Some(before))
}

/// Says that a webhook is told nothing of what lies behind one place and not behind another,
/// both within one span, which was told what fits these patterns.
pub fn pass_over(
    tx: &mut Tx<'_>,
    webhook: WebhookId,
    (after, through): (i64, i64),
    events: &str,
) -> Result<()> {
    // What was passed over before, or lies before the webhook, grows.
    let grown = tx.execute(
        "DELETE FROM webhook_subscriptions WHERE webhook = $1 AND through = $2 AND events IS NULL",
        &[webhook.as_bytes().into(), after.into()],
    )?;
    if grown == 0 {
        end_span(tx, webhook, after, Some(events))?;
    }
    tx.execute(
        "INSERT INTO webhook_subscriptions (webhook, through, events) VALUES ($1, $2, NULL)
         ON CONFLICT (webhook, through) DO UPDATE SET events = NULL",
        &[webhook.as_bytes().into(), through.into()],
    )?;
    Ok(())
}

/// What a webhook is told, place by place. One that a version before this one made has no row of
/// its beginning: it is counted from the first event of each resource, as that version did.
pub fn history(tx: &mut Tx<'_>, webhook: WebhookId, present: &Subscription) -> Result<History> {
    let past = tx.all(
        "SELECT through, events FROM webhook_subscriptions WHERE webhook = $1 ORDER BY through",
        &[webhook.as_bytes().into()],
        |row| {
            Ok(Span {
                through: row.int(0)?,
                wanted: row.optional_text(1)?.as_deref().map(Subscription::stored),
            })
        },
    )?;
    Ok(History::new(past, present))
}

/// Numbers events among those that a webhook is told of their resource. It keeps how far each
/// resource was counted, so that many events of one resource are not counted through again each.
pub struct Numbering<'a> {
    history: &'a History,
    /// Where the row behind the last one of a resource begins, and what was told before it.
    counted: HashMap<[u8; 16], (i64, i64)>,
}

impl<'a> Numbering<'a> {
    /// Nothing was counted yet.
    #[must_use]
    pub fn new(history: &'a History) -> Self {
        Self {
            history,
            counted: HashMap::new(),
        }
    }

    /// The number of each event of a row. One that is not told has the number of the last one
    /// before it that is.
    pub fn of_row(&mut self, tx: &mut Tx<'_>, linked: &LinkedRow) -> Result<Vec<i64>> {
        let (row, span) = (&linked.row, self.history.at(linked.place));
        let known = self.counted.get(&row.resource);
        let known = known.filter(|(next, _)| *next == row.sequence);
        let mut told = match known {
            Some((_, told)) => *told,
            None => told_before(tx, self.history, &row.resource, row.sequence)?,
        };
        let number = |name| {
            told += i64::from(EventKind::parse(name).is_some_and(|kind| span.tells(kind)));
            told
        };
        let numbers = row.kinds.split(',').map(number).collect();
        let counted = (row.sequence + row.count, told);
        self.counted.insert(row.resource, counted);
        Ok(numbers)
    }
}

/// How many events of a resource before a place in its history a webhook is told.
fn told_before(
    tx: &mut Tx<'_>,
    history: &History,
    resource: &[u8; 16],
    sequence: i64,
) -> Result<i64> {
    // Kinds with their numbers: a resource may have a long history, but of few kinds.
    static KINDS: Sql = Sql::new(
        "SELECT e.kinds, COUNT(*) FROM events e
         WHERE {at e.resource $1} AND e.sequence < $2 AND {place e} > $3 AND {place e} <= $4
         GROUP BY e.kinds",
    );
    if sequence <= 1 {
        return Ok(0);
    }
    let mut told = 0;
    for (after, span) in history.spans() {
        let values = [
            resource.into(),
            sequence.into(),
            after.into(),
            span.through.into(),
        ];
        let kinds = tx.all(KINDS.of(tx), &values, |row| Ok((row.text(0)?, row.int(1)?)))?;
        for (names, rows) in kinds {
            let kinds = names.split(',').filter_map(EventKind::parse);
            told +=
                rows * i64::try_from(kinds.filter(|kind| span.tells(*kind)).count()).unwrap_or(0);
        }
    }
    Ok(told)
}
