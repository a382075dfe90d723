//! What a batch sends: the retries that are due and what is new, as signed bodies to be.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::batch::Order;
use crate::core::delivery as deliveries;
use crate::core::occurrence;
use crate::core::subscription::{History, Span, Subscription};
use crate::core::webhook::Webhook;
use crate::error::Result;
use crate::http::events::{self, Message};
use crate::http::webhooks;
use crate::store::customer_version::{self, Told};
use crate::store::delivery::{self, DeliveryRow};
use crate::store::webhook_subscription::{self, Numbering};
use crate::store::{Tx, event, webhook as rows};
use crate::vault::KeyRing;

/// Places that one batch looks at for something new.
const SPAN: i64 = 20_000;

/// Deliveries of one webhook that wait for another attempt before new ones are begun.
const MOST_WAITING: i64 = 10_000;

/// What a snapshot holds for a batch.
pub(super) struct Gathered {
    /// Rows of events with the deliveries that they are told by, the retries first.
    told: Vec<(Told, Vec<Numbered>)>,
    /// How far the batch looked for what is new.
    pub reached: i64,
    /// What the webhook was to be told of the places up to there, where they are passed over.
    pub passed_over: Option<String>,
}

/// A delivery with its number among those of the resource.
struct Numbered {
    row: DeliveryRow,
    sequence: i64,
}

/// One delivery that is ready to be signed and sent.
pub(super) struct Parcel {
    pub row: DeliveryRow,
    /// The resource, whose events stay in order.
    pub resource: [u8; 16],
    /// The place of the event, for what is new.
    pub place: Option<i64>,
    pub body: Bytes,
}

/// Reads what a batch needs; `None` when the webhook is not any more what the order says.
pub(super) fn gather(tx: &mut Tx<'_>, order: &Order) -> Result<Option<Gathered>> {
    let webhook = order.webhook.row.id;
    // Whoever changed it was answered: nothing leaves for the URL before, or without the new secret.
    if rows::version(tx, webhook)? != Some(order.webhook.row.version) {
        return Ok(None);
    }
    let project = order.webhook.row.project;
    let mut found: Found = Vec::new();
    for due in delivery::due(tx, webhook, order.now, order.rows)? {
        match found.last_mut() {
            Some((row, all)) if holds(row, &due) => all.push(due),
            _ => {
                if let Some(row) = event::holding(tx, project, due.event.as_bytes())? {
                    found.push((row, vec![due]));
                }
            }
        }
    }
    let history = webhook_subscription::history(tx, webhook, &order.webhook.subscription)?;
    let mut numbering = Numbering::new(&history);
    let mut reached = order.progress.through;
    let mut passed_over = None;
    let room = found.len() < usize::try_from(order.rows).unwrap_or_default()
        && (order.failures == 0 || delivery::waiting(tx, webhook, MOST_WAITING)? < MOST_WAITING);
    if room && reached < order.behind {
        let through = order.behind.min(reached + SPAN);
        let new = event::of_project(tx, project, (reached, through), order.rows)?;
        let whole = new.len() < usize::try_from(order.rows).unwrap_or_default();
        let through = new
            .last()
            .filter(|_| !whole)
            .map_or(through, |last| last.place);
        if let Some((through, events)) = too_old(order, &history, &new, through) {
            (reached, passed_over) = (through, Some(events));
        } else {
            reached = add_fresh(tx, order, &history, (new, through), &mut found)?;
        }
    }
    let mut told = Vec::with_capacity(found.len());
    for (row, deliveries) in found {
        let numbers = numbering.of_row(tx, &row)?;
        let number = |delivery: DeliveryRow| {
            let mut ids = (0..).map(|place| occurrence::id(&row.row, place));
            let place = ids.position(|id| id == delivery.event);
            let sequence = place.and_then(|place| numbers.get(place).copied());
            Numbered {
                row: delivery,
                sequence: sequence.unwrap_or_default(),
            }
        };
        let deliveries: Vec<_> = deliveries.into_iter().map(number).collect();
        if let Some(one) = customer_version::tell(tx, vec![row])?.pop() {
            told.push((one, deliveries));
        }
    }
    Ok(Some(Gathered {
        told,
        reached,
        passed_over,
    }))
}

/// Rows of events with the deliveries that tell of them.
type Found = Vec<(event::LinkedRow, Vec<DeliveryRow>)>;

/// Adds what is new up to a place, or up to the first row that is too old: gives how far that is.
fn add_fresh(
    tx: &mut Tx<'_>,
    order: &Order,
    history: &History,
    (new, through): (Vec<event::LinkedRow>, i64),
    found: &mut Found,
) -> Result<i64> {
    for row in new {
        let span = history.at(row.place);
        if is_too_old(order, span, &row) {
            return Ok(row.place - 1);
        }
        let fresh = fresh(tx, order, span, &row)?;
        if !fresh.is_empty() {
            found.push((row, fresh));
        }
    }
    Ok(through)
}

/// How far nothing is to be told because it is too old, when that begins with the first row, and
/// what was to be told of it. It is noted before anything behind it is sent, for what is passed over
/// has no number: whoever counts again must not count it.
fn too_old(
    order: &Order,
    history: &History,
    new: &[event::LinkedRow],
    through: i64,
) -> Option<(i64, String)> {
    let first = new.iter().find(|row| {
        occurrence::kinds(&row.row).any(|(_, kind)| history.at(row.place).tells(kind))
    })?;
    let span = history.at(first.place);
    if !is_too_old(order, span, first) {
        return None;
    }
    // Within one span, so that the others stay what they are.
    let next = new.iter().find(|row| {
        row.place > span.through || row.place > first.place && !is_too_old(order, span, row)
    });
    let through = next
        .map_or(through, |next| next.place - 1)
        .min(span.through);
    let events = span.wanted.as_ref().map(Subscription::to_text)?;
    Some((through, events))
}

/// Whether a row has something to be told that happened too long ago.
fn is_too_old(order: &Order, span: &Span, row: &event::LinkedRow) -> bool {
    let mut kinds = occurrence::kinds(&row.row);
    kinds.any(|(place, kind)| {
        span.name_for(kind).is_some() && occurrence::id(&row.row, place).time() < order.oldest
    })
}

fn holds(row: &event::LinkedRow, due: &DeliveryRow) -> bool {
    let count = usize::try_from(row.row.count).unwrap_or_default();
    (0..count).any(|place| occurrence::id(&row.row, place) == due.event)
}

/// What the webhook wants of a row and was not recorded before a crash.
fn fresh(
    tx: &mut Tx<'_>,
    order: &Order,
    span: &Span,
    row: &event::LinkedRow,
) -> Result<Vec<DeliveryRow>> {
    let webhook = order.webhook.row.id;
    let mut fresh = Vec::new();
    for (place, kind) in occurrence::kinds(&row.row) {
        let Some(name) = span.name_for(kind) else {
            continue;
        };
        let id = occurrence::id(&row.row, place);
        let told = (id, row.row.happened_at);
        let pending = deliveries::pending(webhook, told, name, order.now);
        if delivery::find(tx, webhook, pending.id)?.is_none() {
            fresh.push(pending);
        }
    }
    Ok(fresh)
}

/// Opens what was gathered and writes the bodies.
pub(super) fn pack(gathered: Gathered, webhook: &Webhook, ring: &KeyRing) -> Result<Vec<Parcel>> {
    let mut parcels = Vec::new();
    for ((linked, customer), rows) in gathered.told {
        let occurrences = occurrence::of_row(&linked, ring)?;
        let data: Box<RawValue> = match events::data_of(customer, ring)? {
            Some(data) => data,
            None => events::raw(webhooks::Webhook::new(webhook, None).to_json()?)?,
        };
        for Numbered { row, sequence } in rows {
            let Some(occurrence) = occurrences.iter().find(|one| one.id == row.event) else {
                continue;
            };
            let message = Message {
                event: &row.kind,
                id: row.id,
                sequence,
            };
            let body = events::payload(occurrence, message, &data)?;
            parcels.push(Parcel {
                resource: linked.row.resource,
                place: row
                    .next_at
                    .filter(|_| row.attempts == 0)
                    .map(|_| linked.place),
                row,
                body: Bytes::from(body),
            });
        }
    }
    Ok(parcels)
}
