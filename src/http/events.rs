//! Events: what happened, to be listed, read, and told to webhooks. Contract section 9.

use aws_lc_rs::digest;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::{Caller, EventsRead};
use super::customers::{self, json};
use super::examples;
use super::query;
use super::request_body::NoQuery;
use crate::context::Time;
use crate::core::event::EventKind;
use crate::core::occurrence::{self, Occurrence};
use crate::core::roster;
use crate::core::subscription::{Subscription, fits};
use crate::error::{Code, Error, Result};
use crate::id::{CustomerId, DeliveryId, EventId, WebhookId, first_at};
use crate::store::customer::Found;
use crate::store::customer_version::{self, Told};
use crate::store::event::{self, LinkedRow};
use crate::store::event_list::{self, EventFilter};
use crate::store::held_up;
use crate::vault::{KeyRing, Place};

/// Rows that are looked at together.
const ROWS: i64 = 200;

/// Rounds of a page: a page may be short although more follow, so that no page takes long.
const ROUNDS: usize = 10;

/// Something that happened.
#[expect(clippy::struct_field_names, reason = "the name on the wire")]
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// TypeID with the prefix `evt`.
    #[schema(value_type = String, example = "evt_01h2xcejqtf2nbrexx3vqjhp41")]
    id: EventId,
    /// Always `event`.
    #[schema(example = "event")]
    object: &'static str,
    /// What kind of thing.
    #[schema(example = "customer.created")]
    event: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// Its place in everything that happened to the resource; rises.
    sequence: i64,
    /// Names of the fields that changed; empty for what is new.
    changed: Vec<String>,
    /// The resource that it happened to.
    resource_id: String,
    /// The request that did it.
    request_id: String,
    /// The whole resource as the event left it; null for a test.
    #[schema(value_type = Option<customers::Customer>)]
    data: Option<Box<RawValue>>,
}

/// What a webhook is sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookPayload<'a> {
    /// What happened, by the name that the webhook subscribed to.
    event: &'a str,
    /// TypeID with the prefix `whd`, the same on every retry.
    #[schema(value_type = String, example = "whd_01h2xcejqtf2nbrexx3vqjhp41")]
    id: DeliveryId,
    /// TypeID with the prefix `evt`, the same for every webhook.
    #[schema(value_type = String, example = "evt_01h2xcejqtf2nbrexx3vqjhp41")]
    event_id: EventId,
    /// When it happened; the same as `occurredAt`.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Time,
    /// Counts from 1 and without a gap what this webhook is told of this resource: where a number
    /// is missing, something is still on its way.
    #[schema(minimum = 0)]
    sequence: i64,
    /// Names of the fields that changed, also of those that no answer returns; never their values.
    changed: &'a [String],
    /// The whole resource as the event left it.
    #[schema(value_type = Object)]
    data: &'a RawValue,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// Newest first.
    data: Vec<Event>,
    /// Whether there may be more.
    has_more: bool,
    /// What to send as `cursor` for the next page; null on the last one.
    cursor: Option<String>,
}

/// What a list of events may be narrowed by.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the published shape of what `query::read` reads")]
pub struct ListEvents {
    /// Only events of this name, or of a group like `customer.*`.
    r#type: Option<String>,
    /// Only what happened to this resource, by its id.
    resource: Option<String>,
    /// Only events of this moment or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    created_after: Option<String>,
    /// Only events of this moment or earlier (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<String>,
    /// Events on the page. A page may be short although more follow.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u8>,
    /// The `cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// The resource that a row of events was told with, as answers show it.
///
/// # Errors
/// `internalError` when it does not open.
pub fn data_of(customer: Option<Found>, ring: &KeyRing) -> Result<Option<Box<RawValue>>> {
    let opened = customer.map(|found| roster::Customer::open(found, ring));
    let Some(customer) = opened.transpose()?.flatten() else {
        return Ok(None);
    };
    let (row, profile) = (&customer.row, &customer.profile);
    let json = customers::Customer::new(row, profile, customer.review.as_ref()).to_json()?;
    raw(json).map(Some)
}

/// JSON that is written on as it is.
///
/// # Errors
/// `internalError` when it is none.
pub fn raw(json: Vec<u8>) -> Result<Box<RawValue>> {
    let text = String::from_utf8(json).map_err(Error::internal)?;
    RawValue::from_string(text).map_err(Error::internal)
}

/// How a webhook is told of an event.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The name that the webhook subscribed to.
    pub event: &'a str,
    /// The delivery.
    pub id: DeliveryId,
    /// The event's number among those that the webhook is told of the resource.
    pub sequence: i64,
}

/// The body of a delivery.
///
/// # Errors
/// `internalError` when it is no JSON, which it always is.
pub fn payload(occurrence: &Occurrence, message: Message<'_>, data: &RawValue) -> Result<Vec<u8>> {
    let payload = WebhookPayload {
        event: message.event,
        id: message.id,
        event_id: occurrence.id,
        created_at: occurrence.at,
        occurred_at: occurrence.at,
        sequence: message.sequence,
        changed: &occurrence.changed,
        data,
    };
    serde_json::to_vec(&payload).map_err(Error::internal)
}

/// The id of the resource that a row of events was told with: a customer, or else a webhook.
#[must_use]
pub fn resource_id(linked: &LinkedRow, customer: Option<&Found>) -> String {
    let bytes = linked.row.resource;
    match customer {
        Some(_) => CustomerId::from_bytes(bytes).to_string(),
        None => WebhookId::from_bytes(bytes).to_string(),
    }
}

/// The published events of a row, the last first, with what they are told with.
///
/// # Errors
/// `internalError` when something does not open.
pub fn of_told((linked, customer): Told, ring: &KeyRing) -> Result<Vec<Event>> {
    let occurrences = occurrence::of_row(&linked, ring)?;
    if occurrences.is_empty() {
        return Ok(Vec::new());
    }
    let resource_id = resource_id(&linked, customer.as_ref());
    let data = data_of(customer, ring)?;
    let event = |one| Event::new(one, resource_id.clone(), data.clone());
    Ok(occurrences.into_iter().rev().map(event).collect())
}

impl Event {
    /// An occurrence with the resource that it is told with.
    pub(super) fn new(one: Occurrence, resource_id: String, data: Option<Box<RawValue>>) -> Self {
        Self {
            id: one.id,
            object: "event",
            event: one.kind.name(),
            created_at: one.at,
            sequence: one.sequence,
            changed: one.changed,
            resource_id,
            request_id: one.request_id,
            data,
        }
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.id
    }

    /// One line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            id,
            created_at,
            event,
            resource_id,
            sequence,
            ..
        } = self;
        format!("{created_at}  {id}  {event}  {resource_id} #{sequence}")
    }
}

/// What a page of events is asked for.
pub struct Wanted {
    filter: EventFilter,
    /// A name, an alias or a group.
    kind: Option<String>,
    /// What happened at this moment or later.
    after: Option<Time>,
    /// What happened at this moment or earlier.
    before: Option<Time>,
    limit: usize,
    hash: [u8; 32],
}

impl Wanted {
    /// Every event of a project, newest first.
    #[must_use]
    pub const fn all(project: i64, limit: usize) -> Self {
        Self {
            filter: EventFilter {
                project,
                resource: None,
                before: [0xff; 16],
                from: [0; 16],
                limit: ROWS,
            },
            kind: None,
            after: None,
            before: None,
            limit,
            hash: [0; 32],
        }
    }

    fn read(app: &App, project: i64, text: Option<&str>) -> Result<Self> {
        let names = [
            "type",
            "resource",
            "createdAfter",
            "createdBefore",
            "limit",
            "cursor",
        ];
        let [kind, resource, after, before, limit, cursor] = query::read(text, names)?;
        let mut wanted = Self::all(project, query::limit(limit.as_deref())?);
        let filters = format!("{kind:?} {resource:?} {after:?} {before:?}");
        let hash = digest::digest(&digest::SHA256, filters.as_bytes());
        wanted.hash = hash.as_ref().try_into().expect("SHA-256 gives 32 bytes");
        if let Some(kind) = kind {
            let parsed = Subscription::parse(&[&kind]);
            parsed.map_err(|(_, invalid)| query::refuse("type", &invalid.message))?;
            wanted.kind = Some(kind);
        }
        if let Some(resource) = resource {
            let customer = CustomerId::parse(&resource).map(|id| *id.as_bytes());
            let id = customer.or_else(|| WebhookId::parse(&resource).map(|id| *id.as_bytes()));
            let id = id.ok_or_else(|| query::refuse("resource", "must be the id of a resource"))?;
            wanted.filter.resource = Some(id);
        }
        if let Some(after) = after {
            let moment = query::moment("createdAfter", &after)?;
            // No id is behind the time at which it was made.
            wanted.filter.from = first_at(moment);
            wanted.after = Some(moment);
        }
        if let Some(before) = before {
            wanted.before = Some(query::moment("createdBefore", &before)?);
        }
        if let Some(cursor) = cursor {
            wanted.filter.before = query::open_cursor(app, wanted.place(), &cursor)?;
        }
        Ok(wanted)
    }

    const fn place(&self) -> Place<'_> {
        Place {
            project: self.filter.project,
            row: &self.hash,
            field: "cursor.events",
        }
    }

    fn fits(&self, event: &Event) -> bool {
        // A group holds what lists show, so canonical names only; an alias is as good as its event.
        let wanted = |wanted: &String| {
            fits(wanted, event.event)
                || EventKind::published_as(wanted).is_some_and(|kind| kind.name() == event.event)
        };
        *event.id.as_bytes() < self.filter.before
            && self.after.is_none_or(|after| after <= event.created_at)
            && self.before.is_none_or(|before| event.created_at <= before)
            && self.kind.as_ref().is_none_or(wanted)
    }
}

/// The events of a page, and the id before which the next one begins.
///
/// # Errors
/// When the store is away, or something does not open.
pub async fn page(
    installation: &crate::core::installation::Installation,
    wanted: &Wanted,
) -> Result<(Vec<Event>, Option<EventId>)> {
    let mut events = Vec::new();
    let mut filter = wanted.filter.clone();
    if let Some(moment) = wanted.before {
        let edge = installation
            .store
            .read_for(filter.project, move |tx| held_up::events_until(tx, moment));
        filter.before = filter.before.min(edge.await?);
    }
    for _ in 0..ROUNDS {
        let now = filter.clone();
        let told = installation.store.read_for(now.project, move |tx| {
            let (rows, next) = event_list::newest_first(tx, &now)?;
            Ok((customer_version::tell(tx, rows)?, next))
        });
        let (told, next) = told.await?;
        for one in told {
            for event in of_told(one, &installation.master)? {
                if !wanted.fits(&event) {
                    continue;
                }
                if events.len() == wanted.limit {
                    let last = events.last().map(Event::id);
                    return Ok((events, last));
                }
                events.push(event);
            }
        }
        match next {
            Some(next) => filter.before = next,
            None => return Ok((events, None)),
        }
    }
    Ok((events, Some(EventId::from_bytes(filter.before))))
}

/// Lists what happened, newest first.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "listEvents",
    tag = "Events",
    params(ListEvents),
    responses((status = 200, description = "A page", body = EventPage, example = json!(examples::page(&examples::event())))),
    security(("bearer" = ["events:read"]))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<EventsRead>,
    RawQuery(text): RawQuery,
) -> Result<Response> {
    let wanted = Wanted::read(&app, caller.key.project, text.as_deref())?;
    caller.wait_for_room(wanted.limit).await?;
    let (data, next) = page(&app.installation, &wanted).await?;
    let page = EventPage {
        has_more: next.is_some(),
        cursor: next.map(|next| query::seal_cursor(&app, wanted.place(), next.as_bytes())),
        data,
    };
    Ok(json(
        serde_json::to_vec(&page).map_err(Error::internal)?,
        None,
    ))
}

/// One event of a project.
///
/// # Errors
/// `notFound`.
pub async fn find(
    installation: &crate::core::installation::Installation,
    project: i64,
    text: &str,
) -> Result<Event> {
    let missing = || Error::new(Code::NotFound, "there is no such event");
    let id = EventId::parse(text).ok_or_else(missing)?;
    let found = installation.store.read_for(project, move |tx| {
        let row = event::holding(tx, project, id.as_bytes())?;
        customer_version::tell(tx, row.into_iter().collect())
    });
    let told = found.await?.pop().ok_or_else(missing)?;
    let events = of_told(told, &installation.master)?;
    events
        .into_iter()
        .find(|event| event.id == id)
        .ok_or_else(missing)
}

/// Reads one event.
#[utoipa::path(
    get,
    path = "/events/{eventId}",
    operation_id = "getEvent",
    tag = "Events",
    params(("eventId" = String, Path, description = "The event's id", example = "evt_01h2xcejqtf2nbrexx3vqjhp41")),
    responses((status = 200, description = "The event", body = Event, example = json!(examples::event()))),
    security(("bearer" = ["events:read"]))
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller<EventsRead>,
    _: NoQuery,
    Path(id): Path<String>,
) -> Result<Response> {
    let event = find(&app.installation, caller.key.project, &id).await?;
    Ok(json(
        serde_json::to_vec(&event).map_err(Error::internal)?,
        None,
    ))
}
