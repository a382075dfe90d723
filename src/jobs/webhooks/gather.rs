//! What a batch sends: the retries that are due and what is new, as signed bodies to be.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::batch::Order;
use crate::core::delivery::{self as deliveries, HISTORY_S};
use crate::core::occurrence;
use crate::core::webhook::Webhook;
use crate::error::Result;
use crate::http::events;
use crate::http::webhooks;
use crate::store::customer_version::{self, Told};
use crate::store::delivery::{self, DeliveryRow};
use crate::store::{Tx, event, webhook as rows};
use crate::vault::KeyRing;

/// Places that one batch looks at for something new.
const SPAN: i64 = 20_000;

/// Deliveries of one webhook that wait for another attempt before new ones are begun.
const MOST_WAITING: i64 = 10_000;

/// What a snapshot holds for a batch.
pub(super) struct Gathered {
    /// Rows of events with the deliveries that they are told by, the retries first.
    told: Vec<(Told, Vec<DeliveryRow>)>,
    /// How far the batch looked for what is new.
    pub reached: i64,
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
    let mut found: Vec<(event::LinkedRow, Vec<DeliveryRow>)> = Vec::new();
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
    let mut reached = order.progress.through;
    let room = found.len() < usize::try_from(order.rows).unwrap_or_default()
        && (order.failures == 0 || delivery::waiting(tx, webhook, MOST_WAITING)? < MOST_WAITING);
    if room && reached < order.behind {
        let through = order.behind.min(reached + SPAN);
        let new = event::of_project(tx, project, (reached, through), order.rows)?;
        let whole = new.len() < usize::try_from(order.rows).unwrap_or_default();
        reached = new
            .last()
            .filter(|_| !whole)
            .map_or(through, |last| last.place);
        for row in new {
            let fresh = fresh(tx, order, &row)?;
            if !fresh.is_empty() {
                found.push((row, fresh));
            }
        }
    }
    let mut told = Vec::with_capacity(found.len());
    for (row, deliveries) in found {
        let one = customer_version::tell(tx, vec![row])?;
        told.extend(one.into_iter().map(|one| (one, deliveries.clone())));
    }
    Ok(Some(Gathered { told, reached }))
}

fn holds(row: &event::LinkedRow, due: &DeliveryRow) -> bool {
    let count = usize::try_from(row.row.count).unwrap_or_default();
    (0..count).any(|place| occurrence::id(&row.row, place) == due.event)
}

/// What the webhook wants of a row and was not recorded before a crash.
fn fresh(tx: &mut Tx<'_>, order: &Order, row: &event::LinkedRow) -> Result<Vec<DeliveryRow>> {
    let webhook = &order.webhook;
    let oldest = order.now.plus_seconds(-HISTORY_S);
    let mut fresh = Vec::new();
    for (place, kind) in occurrence::kinds(&row.row) {
        let id = occurrence::id(&row.row, place);
        if !webhook.subscription.wants(kind) || id.time() < oldest {
            continue;
        }
        let pending = deliveries::pending(webhook.row.id, id, kind.name(), order.now);
        if delivery::find(tx, webhook.row.id, pending.id)?.is_none() {
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
        for row in rows {
            let Some(occurrence) = occurrences.iter().find(|one| one.id == row.event) else {
                continue;
            };
            let body = events::payload(occurrence, row.id, &data)?;
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
