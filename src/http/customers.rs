//! The customer on the wire. Contract section 5.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::app::App;
use super::auth::{Caller, CustomersRead, CustomersWrite};
use super::customer_body::{CreateCustomer, UpdateCustomer, read_create, read_update};
use super::customer_list;
use super::etag;
use super::examples;
use super::idempotency::{
    self, DataKey, Effect, OptionalKey, RequestText, RequiredKey, Written, exactly_once,
};
use super::request_body::{JsonBody, NoQuery};
use crate::context::Time;
use crate::core::customer::Profile;
use crate::core::endorsement::{EndorsementName, EndorsementStatus};
use crate::core::evaluation::{Reason, Standing};
use crate::core::policy::Requirement;
use crate::core::review::Review;
use crate::core::roster::{self, Draft};
use crate::error::{Code, Error, Result};
use crate::id::CustomerId;
use crate::store::customer::{self, CustomerRow, Status};

/// A customer as every answer shows it. The write-only fields are not in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer<'a> {
    /// TypeID with the prefix `cst`.
    #[schema(value_type = String, pattern = "^cst_[0-7][0-9a-hjkmnp-tv-z]{25}$", example = "cst_01h2xcejqtf2nbrexx3vqjhp41")]
    id: CustomerId,
    /// Always `customer`.
    #[schema(example = "customer")]
    object: &'static str,
    /// Always `individual`.
    #[schema(example = "individual")]
    r#type: &'static str,
    /// Given name.
    first_name: Option<&'a str>,
    /// Middle name.
    middle_name: Option<&'a str>,
    /// Family name.
    last_name: Option<&'a str>,
    /// Mailbox address.
    email: Option<&'a str>,
    /// E.164.
    phone: Option<&'a str>,
    /// ISO 3166-1 alpha-2.
    nationality: Option<&'a str>,
    /// Your own id; not unique.
    external_id: Option<&'a str>,
    /// `active` or `inactive`, nothing between.
    #[schema(value_type = CustomerStatus)]
    status: &'static str,
    /// Whether the agreement was signed.
    signed_agreement: bool,
    /// When it was signed; null until then.
    #[schema(value_type = Option<String>, format = DateTime)]
    signed_agreement_at: Option<Time>,
    /// One entry per wallet and asset.
    #[schema(value_type = Vec<WalletEntry>)]
    wallets: [(); 0],
    /// Those requested, in the order basic, cryptoCustody, usd.
    endorsements: Vec<Endorsement>,
    /// What you stored with the customer.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    metadata: &'a Map<String, Value>,
    /// When the customer was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When the customer last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
}

/// Whether a customer takes part.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum CustomerStatus {
    /// Takes part.
    Active,
    /// Was deactivated.
    Inactive,
}

/// One wallet and asset of a customer.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the published shape; wallets are not made yet")]
pub struct WalletEntry {
    /// TypeID with the prefix `wlt`.
    id: String,
    /// Always `custodial`.
    r#type: String,
    /// On-chain address.
    address: String,
    /// `polygon`, `ethereum` or `base`.
    network: String,
    /// `usdc`, `usdt` or `eth`.
    asset: String,
    /// Decimal string.
    balance: String,
    /// Decimal string.
    estimated_value_usd: String,
    /// When the wallet was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// What a customer may do, and what is still missing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endorsement {
    /// Which endorsement.
    #[schema(value_type = EndorsementName)]
    name: &'static str,
    /// Where it stands.
    #[schema(value_type = EndorsementStatus)]
    status: &'static str,
    /// Why it was refused or taken back.
    rejection_reasons: Vec<RejectionReason>,
    /// What it asks for, by how far that is.
    requirements: Requirements,
}

/// Why an endorsement was refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectionReason {
    /// For you, not for the customer.
    developer_reason: String,
    /// Safe to show to the customer.
    reason: String,
}

/// What an endorsement asks for.
#[derive(Default, Serialize, ToSchema)]
pub struct Requirements {
    /// Given and found good.
    complete: Vec<String>,
    /// Being checked.
    pending: Vec<String>,
    /// Still to be given.
    missing: Vec<String>,
    /// To be mended.
    issues: Vec<String>,
}

impl<'a> Customer<'a> {
    /// The answer's view of a stored customer.
    #[must_use]
    pub fn new(row: &CustomerRow, profile: &'a Profile, review: Option<&Review>) -> Self {
        Self {
            id: row.id,
            object: "customer",
            r#type: "individual",
            first_name: profile
                .first_name
                .as_ref()
                .map(super::super::core::name::PersonName::expose),
            middle_name: profile
                .middle_name
                .as_ref()
                .map(super::super::core::name::PersonName::expose),
            last_name: profile
                .last_name
                .as_ref()
                .map(super::super::core::name::PersonName::expose),
            email: profile
                .email
                .as_ref()
                .map(super::super::core::email::Email::expose),
            phone: profile
                .phone
                .as_ref()
                .map(super::super::core::phone::Phone::expose),
            nationality: profile
                .nationality
                .map(super::super::core::country::Country::code),
            external_id: profile
                .external_id
                .as_ref()
                .map(super::super::core::external_id::ExternalId::expose),
            status: row.status.name(),
            signed_agreement: row.signed_at.is_some(),
            signed_agreement_at: row.signed_at,
            wallets: [],
            endorsements: EndorsementName::ALL
                .into_iter()
                .zip(row.endorsements)
                .filter_map(|(name, status)| {
                    let standing = review.and_then(|review| review.standing(name));
                    Some(Endorsement::new(name, status?, standing))
                })
                .collect(),
            metadata: profile.metadata.expose(),
            created_at: row.made_at(),
            updated_at: row.updated_at,
        }
    }

    /// The answer's bytes.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }
}

impl Endorsement {
    fn new(name: EndorsementName, status: EndorsementStatus, standing: Option<&Standing>) -> Self {
        let reason = |reason: &Reason| RejectionReason {
            developer_reason: reason.developer.clone(),
            reason: reason.customer.clone(),
        };
        let names = |list: &[Requirement]| list.iter().map(|one| one.name()).collect();
        let reasons = standing.map(|standing| standing.reasons.iter().map(reason).collect());
        let requirements = standing.map(|standing| Requirements {
            complete: names(&standing.complete),
            pending: names(&standing.pending),
            missing: names(&standing.missing),
            issues: names(&standing.issues),
        });
        Self {
            name: name.name(),
            status: status.name(),
            rejection_reasons: reasons.unwrap_or_default(),
            requirements: requirements.unwrap_or_default(),
        }
    }
}

/// Creates a customer.
///
/// Only `type` is required; the rest may come later by PATCH. `birthDate`, `ipAddress`,
/// `residentialAddress` and `identifyingInformation` are write-only: no answer returns them.
#[utoipa::path(
    post,
    path = "/customers",
    operation_id = "createCustomer",
    tag = "Customers",
    request_body(content = CreateCustomer, example = json!(examples::create_customer())),
    responses((status = 201, description = "The customer", body = Customer, example = json!(examples::customer(Status::Active)))),
    security(("bearer" = ["customers:write"])),
    // A retry of what was erased since.
    extensions(("x-errors" = json!([Code::NotFound])))
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller<CustomersWrite>,
    _: NoQuery,
    RequiredKey(key): RequiredKey,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let secrets = &app.installation.secrets;
    let claim = idempotency::claim(secrets, caller.key.project, &key, create_request(&body));
    let (app, tenant, body) = (&app, &caller.tenant(&app)?, &body);
    exactly_once(app, Some(claim), || async move {
        let context = tenant.settings.clock(&app.context);
        let today = context.now().date();
        let new = read_create(body, today, app.config.unknown_fields)?;
        let key = app.new_data_key()?;
        let secrets = &app.installation.secrets;
        let draft = roster::create(&new, tenant, &key, &context, secrets)?;
        effect(&draft, StatusCode::CREATED, DataKey::New(key))
    })
    .await
}

/// Reads one customer.
#[utoipa::path(
    get,
    path = "/customers/{customerId}",
    operation_id = "getCustomer",
    tag = "Customers",
    params(
        ("customerId" = String, Path, description = "The customer's id", example = "cst_01h2xcejqtf2nbrexx3vqjhp41"),
        ("If-None-Match" = Option<String>, Header, description = "An ETag: 304 when the customer is still the same")
    ),
    responses(
        (status = 200, description = "The customer", headers(("ETag" = String, description = "The answer's entity tag")), body = Customer, example = json!(examples::customer(Status::Active))),
        (status = 304, description = "The customer is still the one of If-None-Match")
    ),
    security(("bearer" = ["customers:read"]))
)]
pub async fn read(
    State(app): State<App>,
    caller: Caller<CustomersRead>,
    _: NoQuery,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let customer = find(&app, caller.key.project, &id).await?;
    let body =
        Customer::new(&customer.row, &customer.profile, customer.review.as_ref()).to_json()?;
    let tag = etag::of(&body);
    etag::check_match(&headers, &tag)?;
    if etag::none_match(&headers, &tag)? {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(json(body, Some(tag)))
}

/// Lists customers, newest first.
///
/// Filters combine: a customer is listed when it fits all of them. One request looks at a bounded number
/// of customers, so where few fit, a page may be short, or empty, although `hasMore` is true: go on
/// with its `cursor` until `hasMore` is false.
#[utoipa::path(
    get,
    path = "/customers",
    operation_id = "listCustomers",
    tag = "Customers",
    params(customer_list::ListCustomers),
    responses((status = 200, description = "A page", body = customer_list::CustomerPage, example = json!(examples::page(&examples::customer(Status::Active))))),
    security(("bearer" = ["customers:read"]))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<CustomersRead>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let query = customer_list::ListCustomers::read(query.as_deref().unwrap_or_default())?;
    caller.wait_for_room(query.limit()).await?;
    let body = customer_list::page(&app, caller.key.project, &query).await?;
    Ok(json(body, None))
}

/// Changes a customer.
///
/// After RFC 7396: what is absent stays, `null` clears, `metadata` and `residentialAddress`
/// merge by part, `identifyingInformation` is replaced whole, `endorsements` adds to what
/// was requested. A PATCH that changes nothing answers 200 and leaves `updatedAt` as it is; one that
/// names a write-only field always counts as a change, so that nobody can test a guess.
#[utoipa::path(
    patch,
    path = "/customers/{customerId}",
    operation_id = "updateCustomer",
    tag = "Customers",
    params(
        ("customerId" = String, Path, description = "The customer's id", example = "cst_01h2xcejqtf2nbrexx3vqjhp41"),
        ("If-Match" = Option<String>, Header, description = "An ETag: 412 when the customer has changed since")
    ),
    request_body(content = UpdateCustomer, example = json!(examples::update_customer())),
    responses((status = 200, description = "The customer", body = Customer, example = json!(examples::customer(Status::Active)))),
    security(("bearer" = ["customers:write"])),
    extensions(("x-errors" = json!([Code::CustomerInactive, Code::AgreementCannotBeWithdrawn])))
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<CustomersWrite>,
    _: NoQuery,
    Path(id): Path<String>,
    OptionalKey(key): OptionalKey,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let path = format!("/customers/{id}");
    let request = RequestText {
        method: "PATCH",
        path: &path,
        body: Some(&body),
    };
    let secrets = &app.installation.secrets;
    let claim = key.map(|key| idempotency::claim(secrets, caller.key.project, &key, request));
    let (app, tenant, id, headers, body) = (&app, &caller.tenant(&app)?, &*id, &headers, &body);
    exactly_once(app, claim, || async move {
        let customer = find(app, tenant.project, id).await?;
        let context = tenant.settings.clock(&app.context);
        let today = context.now().date();
        let patch = read_update(body, today, app.config.unknown_fields)?;
        check_match(headers, &customer)?;
        let secrets = &app.installation.secrets;
        let draft = roster::update(&customer, &patch, tenant, &context, secrets)?;
        changed(customer, draft)
    })
    .await
}

/// Deactivates a customer.
///
/// Soft: `status` becomes `inactive` and nothing else is lost. Again: the same answer.
#[utoipa::path(
    delete,
    path = "/customers/{customerId}",
    operation_id = "deactivateCustomer",
    tag = "Customers",
    params(
        ("customerId" = String, Path, description = "The customer's id", example = "cst_01h2xcejqtf2nbrexx3vqjhp41"),
        ("If-Match" = Option<String>, Header, description = "An ETag: 412 when the customer has changed since")
    ),
    responses((status = 200, description = "The customer", body = Customer, example = json!(examples::customer(Status::Inactive)))),
    security(("bearer" = ["customers:write"]))
)]
pub async fn deactivate(
    State(app): State<App>,
    caller: Caller<CustomersWrite>,
    _: NoQuery,
    Path(id): Path<String>,
    OptionalKey(key): OptionalKey,
    headers: HeaderMap,
) -> Result<Response> {
    let path = format!("/customers/{id}");
    let request = RequestText {
        method: "DELETE",
        path: &path,
        body: None,
    };
    let secrets = &app.installation.secrets;
    let claim = key.map(|key| idempotency::claim(secrets, caller.key.project, &key, request));
    let (app, tenant, id, headers) = (&app, &caller.tenant(&app)?, &*id, &headers);
    exactly_once(app, claim, || async move {
        let customer = find(app, tenant.project, id).await?;
        check_match(headers, &customer)?;
        let draft = roster::deactivate(
            &customer,
            &tenant.origin,
            &tenant.settings.clock(&app.context),
        )?;
        changed(customer, draft)
    })
    .await
}

/// A create as its fingerprint sees it, whichever way it comes in.
#[must_use]
pub const fn create_request(body: &Map<String, Value>) -> RequestText<'_> {
    RequestText {
        method: "POST",
        path: "/customers",
        body: Some(body),
    }
}

/// The customer of a path; anything that is none of this project's is not found.
pub(super) async fn find(app: &App, project: i64, id: &str) -> Result<roster::Customer> {
    let missing = || Error::new(Code::NotFound, "there is no such customer");
    let id = CustomerId::parse(id).ok_or_else(missing)?;
    let found = app
        .installation
        .store
        .read_for(project, move |tx| customer::find(tx, project, id))
        .await?
        .ok_or_else(missing)?;
    roster::Customer::open(found, &app.installation.master)?.ok_or_else(missing)
}

fn check_match(headers: &HeaderMap, customer: &roster::Customer) -> Result<()> {
    let conditions = [header::IF_MATCH, header::IF_NONE_MATCH];
    if !conditions.iter().any(|name| headers.contains_key(name)) {
        return Ok(());
    }
    let body =
        Customer::new(&customer.row, &customer.profile, customer.review.as_ref()).to_json()?;
    etag::check_change(headers, &etag::of(&body))
}

/// The effect of writing a draft.
pub(super) fn effect(draft: &Draft, status: StatusCode, key: DataKey) -> Result<Effect> {
    let write = draft.writer();
    Ok(Effect {
        status,
        body: Customer::new(draft.row(), &draft.profile, draft.review.as_ref()).to_json()?,
        resource: draft.row().id.to_string(),
        key,
        write: Box::new(move |tx| {
            write(tx).map(|written| {
                if written {
                    Written::Done
                } else {
                    Written::Stale
                }
            })
        }),
    })
}

/// The effect of a change; that of none is the customer as it is.
fn changed(customer: roster::Customer, draft: Option<Draft>) -> Result<Effect> {
    match draft {
        Some(draft) => effect(&draft, StatusCode::OK, DataKey::Known(customer.key)),
        None => Ok(Effect {
            status: StatusCode::OK,
            body: Customer::new(&customer.row, &customer.profile, customer.review.as_ref())
                .to_json()?,
            resource: customer.row.id.to_string(),
            key: DataKey::Known(customer.key),
            write: Box::new(|_| Ok(Written::Done)),
        }),
    }
}

pub(super) fn json(body: Vec<u8>, tag: Option<HeaderValue>) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut answer = ([(header::CONTENT_TYPE, json)], body).into_response();
    if let Some(tag) = tag {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

impl Status {
    /// Reads the status on the wire.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Inactive]
            .into_iter()
            .find(|status| status.name() == text)
    }
}
