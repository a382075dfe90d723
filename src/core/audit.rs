//! The audit log: who did what, when, why and in which request. Its rows are the events;
//! this signs their heads from time to time, notes who opened personal data, and reads them out.

pub mod rows;
pub mod verify;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::event::{self, Detail, Event, EventKind, INSTALLATION, Order, Origin};
use super::installation::Installation;
use crate::context::{Context, Time};
use crate::error::Result;
use crate::id::{CustomerId, RequestId, first_at};
use crate::store::Tx;
use crate::store::audit::{self as checkpoints, CheckpointRow};
use crate::store::event::{self as event_rows, LinkedRow};
use crate::store::held_up;
use crate::vault::Secrets;

/// Rows read at once.
const PAGE: i64 = 2_000;

/// Openings noted in one transaction.
const OPENINGS: usize = 500;

/// The id of a run of the command line, in the place of a request's.
#[must_use]
pub fn run_id(context: &Context) -> String {
    RequestId::from_bytes(context.new_id()).to_string()
}

/// Notes that somebody opens personal data of these customers, before they are opened.
///
/// # Errors
/// When the store is away; then nothing may be opened.
pub async fn note_opening(
    installation: &Installation,
    project: i64,
    customers: &[CustomerId],
    origin: &Origin,
    reason: &str,
) -> Result<()> {
    let event = [Event::with_reason(EventKind::CustomerOpened, reason)];
    for batch in customers.chunks(OPENINGS) {
        let (key, context) = (&installation.secrets.audit, &installation.context);
        let rows = batch
            .iter()
            .map(|id| event::seal(&event, (project, *id), origin, key, context));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let write = installation.store.write(move |tx| {
            rows.iter()
                .try_for_each(|row| event_rows::append(tx, row, false))
        });
        write.await?;
    }
    Ok(())
}

/// What the log is told of something done to the installation itself, in the transaction
/// that does it.
#[derive(Clone)]
pub struct Record {
    event: Event,
    origin: Origin,
    secrets: Arc<Secrets>,
    context: Context,
}

impl Record {
    /// What happens, by whose order.
    #[must_use]
    pub fn new(
        installation: &Installation,
        kind: EventKind,
        detail: Detail,
        order: &Order,
    ) -> Self {
        let detail = Detail {
            reason: order.reason.clone(),
            ..detail
        };
        Self {
            event: Event { kind, detail },
            origin: order.origin.clone(),
            secrets: Arc::clone(&installation.secrets),
            context: installation.context.clone(),
        }
    }

    /// Writes it; the transaction may run again.
    ///
    /// # Errors
    /// When the store is away.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        let (place, key) = ((0, INSTALLATION), &self.secrets.audit);
        let events = std::slice::from_ref(&self.event);
        let row = event::seal(events, place, &self.origin, key, &self.context)?;
        event_rows::append(tx, &row, false)
    }
}

/// Signs the heads of all writers that wrote since the last checkpoint, those that
/// crashed included; `false` when there is nothing new.
///
/// # Errors
/// When the store is away.
pub async fn checkpoint(installation: &Installation) -> Result<bool> {
    let read = installation.store.read(|tx| {
        let last = checkpoints::newest(tx)?;
        let through = last.as_ref().map_or(0, |last| last.through);
        let fresh = event_rows::fresh_heads(tx, through)?;
        Ok((last, fresh, checkpoints::noted(tx)?))
    });
    let (last, (heads, through), noted) = read.await?;
    let signed = last.as_ref().map_or(&[][..], |last| &last.heads);
    if heads.iter().all(|head| signed.contains(head)) {
        return Ok(false);
    }
    let number = last.as_ref().map_or(0, |last| last.number);
    let noted = noted.map_or(0, |(number, _)| number);
    let mut row = CheckpointRow {
        number: number.max(noted) + 1,
        made_at: installation.context.now(),
        through,
        heads,
        signature: Vec::new(),
    };
    let before = last.map(|last| last.signature).unwrap_or_default();
    row.signature = installation
        .secrets
        .signer
        .sign(&signed_text(&row, &before));
    let stored = installation
        .store
        .write(move |tx| checkpoints::insert(tx, &row));
    stored.await
}

/// What a checkpoint's signature covers.
fn signed_text(row: &CheckpointRow, before: &[u8]) -> Vec<u8> {
    let mut text = b"oms audit checkpoint v1\n".to_vec();
    for number in [row.number, row.made_at.as_millis(), row.through] {
        text.extend_from_slice(&number.to_be_bytes());
    }
    text.extend_from_slice(&(before.len() as u64).to_be_bytes());
    text.extend_from_slice(before);
    text.extend_from_slice(&checkpoints::pack(&row.heads));
    text
}

/// Reads the log out by time, a JSON object for each row; `from` is in, `to` is not.
///
/// # Errors
/// When the store is away, a row does not open, or `show` fails.
pub async fn export(
    installation: &Installation,
    (from, to): (Option<Time>, Option<Time>),
    mut show: impl FnMut(&Value) -> Result<()>,
) -> Result<()> {
    let mut after = from.map_or([0; 16], |from| before(first_at(from)));
    let last = to.map(|to| Time::from_millis(to.as_millis() - 1));
    let end = match last {
        Some(last) => {
            let edge = installation
                .store
                .read(move |tx| held_up::events_until(tx, last));
            edge.await?
        }
        None => [0xff; 16],
    };
    // Ids rise, whatever the clock did, so they bound where such rows are, and no more.
    let is_of_its_time =
        |at: Time| from.is_none_or(|from| from <= at) && last.is_none_or(|last| at <= last);
    let projects = installation.keys().await?;
    let projects: HashMap<i64, Arc<str>> = projects
        .into_iter()
        .map(|key| {
            (
                key.project,
                format!("{} ({})", key.project_name, key.mode.name()).into(),
            )
        })
        .collect();
    loop {
        let page = installation
            .store
            .read(move |tx| event_rows::between(tx, &after, &end, PAGE));
        let page = page.await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.row.id;
        for row in page.iter().filter(|row| is_of_its_time(row.row.at())) {
            let project = projects.get(&row.row.project).map(AsRef::as_ref);
            show(&exported(installation, row, project)?)?;
        }
    }
}

/// The id just below this one.
fn before(id: [u8; 16]) -> [u8; 16] {
    (u128::from_be_bytes(id).saturating_sub(1)).to_be_bytes()
}

fn exported(
    installation: &Installation,
    linked: &LinkedRow,
    project: Option<&str>,
) -> Result<Value> {
    let row = &linked.row;
    let events = match (&linked.key, row.data_key) {
        (_, 0) => Some(event::open(row, &installation.secrets.audit)?),
        (Some(wrapped), id) => {
            let key = installation.master.unwrap_data_key(id, wrapped)?;
            Some(event::open(row, &key)?)
        }
        (None, _) => None,
    };
    let customer = CustomerId::from_bytes(row.resource);
    let resource = if customer == INSTALLATION {
        "installation".to_owned()
    } else {
        customer.to_string()
    };
    Ok(json!({
        "at": row.at(),
        "who": row.actor,
        "what": row.kinds.split(',').collect::<Vec<_>>(),
        "resource": resource,
        "sequence": row.sequence,
        "project": project,
        "requestId": row.request_id,
        "events": events.map_or_else(|| json!("erased"), |events| json!(events)),
        "writer": linked.head.writer.to_string(),
        "position": linked.head.position,
        "hash": hex(&linked.head.hash),
    }))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
