//! One endorsement of a customer: its history, and the statuses that a sandbox
//! can be driven through. Contract section 6.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::{Caller, CustomersRead, CustomersWrite};
use super::customers::{Customer, RejectionReason, effect, find, json};
use super::etag;
use super::examples;
use super::fields::{Fields, finish};
use super::idempotency::{self, DataKey, RequestText, RequiredKey, exactly_once};
use super::query;
use super::request_body::{JsonBody, NoQuery};
use crate::config::UnknownFields;
use crate::context::Time;
use crate::core::api_key::Mode;
use crate::core::change::Change;
use crate::core::decision;
use crate::core::endorsement::{EndorsementName, EndorsementStatus};
use crate::core::evaluation::Reason;
use crate::core::{event, roster};
use crate::error::{Code, Error, FieldCode, Invalid, Result};
use crate::store::customer::Status;
use crate::store::event::EventRow;
use crate::vault::Place;

/// What a sandbox endorsement is to become.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `read_simulation` reads")]
pub struct Simulation {
    /// A status that the present one may become.
    status: EndorsementStatus,
    /// Why; without it a sandbox gives samples.
    #[schema(max_items = 10)]
    rejection_reasons: Option<Vec<RejectionReason>>,
}

/// The most reasons of one simulation.
pub(super) const MAX_REASONS: usize = 10;

/// The longest reason.
const LONGEST_REASON: usize = 500;

fn read_simulation(
    body: &Map<String, Value>,
    unknown: UnknownFields,
) -> Result<(EndorsementStatus, Option<Vec<Reason>>)> {
    let mut errors = Vec::new();
    let known = &["status", "rejectionReasons"];
    let mut fields = Fields::new(body, known, unknown, &mut errors);
    let status = fields.required("status", EndorsementStatus::parse);
    let reasons = match fields.array("rejectionReasons") {
        Change::Set(list) => Some(read_reasons(&mut fields, list)),
        Change::Keep | Change::Clear => None,
    };
    finish(
        (status.unwrap_or(EndorsementStatus::Pending), reasons),
        errors,
    )
}

fn read_reasons<'a>(fields: &mut Fields<'a, '_>, list: &'a [Value]) -> Vec<Reason> {
    const NAME: &str = "rejectionReasons";
    if list.len() > MAX_REASONS {
        fields.refuse(
            NAME,
            Invalid::new(FieldCode::TooLong, "must have at most 10 entries"),
        );
    }
    let mut reasons = Vec::new();
    for (place, item) in list.iter().take(MAX_REASONS).enumerate() {
        let path = format!("{NAME}/{place}");
        let Some(object) = item.as_object() else {
            fields.refuse(
                &path,
                Invalid::new(FieldCode::TypeInvalid, "must be an object"),
            );
            continue;
        };
        let mut entry = fields.nested(&path, object, &["developerReason", "reason"]);
        let developer = entry.required("developerReason", reason);
        let customer = entry.required("reason", reason);
        if let (Some(developer), Some(customer)) = (developer, customer) {
            reasons.push(Reason {
                developer,
                customer,
            });
        }
    }
    reasons
}

/// One reason, of 1 to 500 characters.
pub(super) fn reason(text: &str) -> Result<String, Invalid> {
    let sound = !text.chars().any(char::is_control);
    match text.chars().count() {
        1..=LONGEST_REASON if sound => Ok(text.to_owned()),
        _ => Err(Invalid::new(
            FieldCode::ValueInvalid,
            "must be 1 to 500 characters on one line",
        )),
    }
}

fn named(name: &str) -> Result<EndorsementName> {
    EndorsementName::parse(name)
        .map_err(|_| Error::new(Code::NotFound, "there is no such endorsement"))
}

/// Drives an endorsement of a sandbox customer.
///
/// To any status that the present one may become, whatever the data says. When `basic` is taken
/// back, the others that are active go to `REVOKED_ISSUES` with it. In live mode there is no such call.
#[utoipa::path(
    post,
    path = "/customers/{customerId}/endorsements/{name}/simulate",
    operation_id = "simulateEndorsement",
    tag = "Sandbox",
    params(
        ("customerId" = String, Path, description = "The customer's id", example = "cst_01h2xcejqtf2nbrexx3vqjhp41"),
        ("name" = EndorsementName, Path, description = "Which endorsement")
    ),
    request_body(content = Simulation, example = json!(examples::simulation())),
    responses((status = 200, description = "The customer", body = Customer, example = json!(examples::customer(Status::Active)))),
    security(("bearer" = ["customers:write"])),
    extensions(("x-errors" = json!([Code::CustomerInactive, Code::TransitionNotAllowed])))
)]
pub async fn simulate(
    State(app): State<App>,
    caller: Caller<CustomersWrite>,
    _: NoQuery,
    Path((id, name)): Path<(String, String)>,
    RequiredKey(key): RequiredKey,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let path = format!("/customers/{id}/endorsements/{name}/simulate");
    let request = RequestText {
        method: "POST",
        path: &path,
        body: Some(&body),
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, request);
    let (app, tenant, body) = (&app, &caller.tenant(&app)?, &body);
    let (id, name) = (&*id, &*name);
    exactly_once(app, Some(claim), || async move {
        let customer = find(app, tenant.project, id).await?;
        let name = named(name)?;
        if tenant.settings.mode == Mode::Live {
            let detail = "live endorsements follow the policy; simulation is for a sandbox";
            return Err(Error::new(Code::NotFound, detail));
        }
        let (status, reasons) = read_simulation(body, app.config.unknown_fields)?;
        let context = tenant.settings.clock(&app.context);
        let draft = decision::simulate(&customer, name, status, reasons, (tenant, &context))?;
        effect(&draft, StatusCode::OK, DataKey::Known(customer.key))
    })
    .await
}

/// Which part of a history a page shows.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the published shape of what `query::read` reads")]
pub struct HistoryPage {
    /// Changes on the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u8>,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// One change of an endorsement.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndorsementChange {
    /// Always `endorsementChange`.
    #[schema(example = "endorsementChange")]
    object: &'static str,
    /// Its place in everything that happened to the customer.
    sequence: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who: an API key, or `cli:` and the user at the command line.
    actor: String,
    /// In which request.
    request_id: String,
    /// The status before; null when it was just requested.
    #[schema(value_type = Option<EndorsementStatus>)]
    from: Option<String>,
    /// The status after.
    #[schema(value_type = EndorsementStatus)]
    to: Option<String>,
    /// Why, for you and not for the customer.
    reason: Option<String>,
}

/// A page of changes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndorsementHistory {
    /// Newest first.
    data: Vec<EndorsementChange>,
    /// Whether there are more.
    has_more: bool,
    /// What to send as `cursor` for the next page; null on the last one.
    cursor: Option<String>,
}

/// Lists what happened to an endorsement, newest first.
#[utoipa::path(
    get,
    path = "/customers/{customerId}/endorsements/{name}/history",
    operation_id = "listEndorsementChanges",
    tag = "Customers",
    params(
        ("customerId" = String, Path, description = "The customer's id", example = "cst_01h2xcejqtf2nbrexx3vqjhp41"),
        ("name" = EndorsementName, Path, description = "Which endorsement"),
        HistoryPage
    ),
    responses((status = 200, description = "A page", headers(("ETag" = String, description = "The answer's entity tag")), body = EndorsementHistory, example = json!(examples::page(&examples::endorsement_change())))),
    security(("bearer" = ["customers:read"]))
)]
pub async fn history(
    State(app): State<App>,
    caller: Caller<CustomersRead>,
    Path((id, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let customer = find(&app, caller.key.project, &id).await?;
    let name = named(&name)?;
    let [limit, cursor] = query::read(query.as_deref(), ["limit", "cursor"])?;
    let limit = query::limit(limit.as_deref())?;
    caller.wait_for_room(limit).await?;
    let before = match &cursor {
        Some(cursor) => open_cursor(&app, &customer, name, cursor)?,
        None => i64::MAX,
    };
    let mut changes = read_changes(&app, &customer, name, (before, limit)).await?;
    let has_more = changes.len() > limit;
    changes.truncate(limit);
    let last = changes
        .last()
        .filter(|_| has_more)
        .map(|last| last.sequence);
    let page = EndorsementHistory {
        data: changes,
        has_more,
        cursor: last.map(|last| seal_cursor(&app, &customer, name, last)),
    };
    let body = serde_json::to_vec(&page).map_err(Error::internal)?;
    let tag = etag::of(&body);
    Ok(json(body, Some(tag)))
}

/// Rows of events read at once.
const ROWS: i64 = 100;

/// One more change than fits, if there are so many.
async fn read_changes(
    app: &App,
    customer: &roster::Customer,
    name: EndorsementName,
    (before, limit): (i64, usize),
) -> Result<Vec<EndorsementChange>> {
    let (project, id) = (customer.row.project, *customer.row.id.as_bytes());
    let mut changes = Vec::new();
    let mut edge = before;
    while changes.len() <= limit {
        let rows = app
            .installation
            .store
            .read_for(project, move |tx| {
                crate::store::event::latest(tx, (project, &id), edge, ROWS)
            })
            .await?;
        let Some(oldest) = rows.last() else { break };
        edge = oldest.sequence;
        for row in &rows {
            // What stands under another key is for auditors, or of a time before
            // an erasure.
            if row.data_key != customer.key.id() {
                continue;
            }
            let events = event::open(row, &customer.key)?;
            let numbered = (row.sequence..).zip(events);
            let found: Vec<_> = numbered
                .filter(|(sequence, event)| {
                    *sequence < before && event.detail.endorsement.as_deref() == Some(name.name())
                })
                .collect();
            changes.extend(found.into_iter().rev().map(|one| change(row, one)));
        }
    }
    Ok(changes)
}

fn change(row: &EventRow, (sequence, event): (i64, event::Event)) -> EndorsementChange {
    EndorsementChange {
        object: "endorsementChange",
        sequence,
        at: row.at(),
        actor: row.actor.clone(),
        request_id: row.request_id.clone(),
        from: event.detail.from,
        to: event.detail.to,
        reason: event.detail.reason,
    }
}

fn seal_cursor(app: &App, customer: &roster::Customer, name: EndorsementName, last: i64) -> String {
    let place = cursor_place(customer, name);
    let cursor = &app.installation.secrets.cursor;
    URL_SAFE_NO_PAD.encode(cursor.seal(place, &last.to_be_bytes(), &app.context.random))
}

fn open_cursor(
    app: &App,
    customer: &roster::Customer,
    name: EndorsementName,
    text: &str,
) -> Result<i64> {
    let opened = URL_SAFE_NO_PAD.decode(text).ok().and_then(|sealed| {
        let cursor = &app.installation.secrets.cursor;
        let bytes = cursor.open(cursor_place(customer, name), &sealed).ok()?;
        bytes.as_slice().try_into().ok().map(i64::from_be_bytes)
    });
    opened.ok_or_else(|| query::refuse("cursor", "must be one that a page of this history gave"))
}

const fn cursor_place(customer: &roster::Customer, name: EndorsementName) -> Place<'_> {
    Place {
        project: customer.row.project,
        row: customer.row.id.as_bytes(),
        field: match name {
            EndorsementName::Basic => "cursor.history.basic",
            EndorsementName::CryptoCustody => "cursor.history.cryptoCustody",
            EndorsementName::Usd => "cursor.history.usd",
        },
    }
}
