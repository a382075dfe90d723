//! One thing that happened, as those who are told of it see it.

use super::event;
use super::event::EventKind;
use crate::context::Time;
use crate::error::Result;
use crate::id::EventId;
use crate::store::event::{EventRow, LinkedRow};
use crate::vault::KeyRing;

/// One published event of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Counts up from the row's id.
    pub id: EventId,
    /// What kind of thing.
    pub kind: EventKind,
    /// When.
    pub at: Time,
    /// To which resource.
    pub resource: [u8; 16],
    /// Its place in the resource's history.
    pub sequence: i64,
    /// Names of the fields that changed; empty for what is new.
    pub changed: Vec<String>,
    /// In which request.
    pub request_id: String,
}

/// The id of an event by its place in the row.
#[must_use]
pub fn id(row: &EventRow, place: usize) -> EventId {
    let id = u128::from_be_bytes(row.id) + place as u128;
    EventId::from_bytes(id.to_be_bytes())
}

/// The kinds of a row's events, each with its place; those for auditors are left out.
pub fn kinds(row: &EventRow) -> impl Iterator<Item = (usize, EventKind)> {
    let kinds = row.kinds.split(',').enumerate();
    kinds.filter_map(|(place, name)| {
        let kind = EventKind::parse(name)?;
        kind.is_published().then_some((place, kind))
    })
}

/// The published events of a row. Where the key that opens the row was destroyed, they do
/// not tell what changed.
///
/// # Errors
/// `internalError` when the row does not open with its key.
pub fn of_row(linked: &LinkedRow, ring: &KeyRing) -> Result<Vec<Occurrence>> {
    let row = &linked.row;
    let mut events = match &linked.key {
        Some(wrapped) if kinds(row).next().is_some() => {
            event::open(row, &ring.unwrap_data_key(row.data_key, wrapped)?)?
        }
        _ => Vec::new(),
    };
    let at = row.at();
    let occurrence = |(place, kind)| Occurrence {
        id: id(row, place),
        kind,
        at,
        resource: row.resource,
        sequence: row
            .sequence
            .saturating_add(i64::try_from(place).unwrap_or_default()),
        changed: events.get_mut(place).map(changed).unwrap_or_default(),
        request_id: row.request_id.clone(),
    };
    Ok(kinds(row).map(occurrence).collect())
}

/// What a receiver learns of what changed; of an endorsement, which one.
fn changed(event: &mut event::Event) -> Vec<String> {
    match &event.detail.endorsement {
        Some(name) => vec![format!("endorsements.{name}")],
        None => std::mem::take(&mut event.detail.changed),
    }
}
