//! The list of customers: its filters, its cursor, its page. Contract section 5.

use std::borrow::Cow;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::customers::{Customer, CustomerStatus};
use super::fields::nearest;
use super::idempotency::{key_hash, parse_key};
use crate::context::Time;
use crate::core::email::Email;
use crate::core::endorsement::{EndorsementName, EndorsementStatus};
use crate::core::external_id::ExternalId;
use crate::core::roster;
use crate::error::{Code, Error, Result};
use crate::id::{CustomerId, first_at};
use crate::store::customer::{self, Filter, Page, Status};
use crate::store::idempotency::{self, Claim};
use crate::vault::Place;

/// Customers on a page when nothing is said.
const DEFAULT_LIMIT: usize = 50;

/// Customers on the largest page.
const LARGEST_LIMIT: usize = 100;

/// In how many rounds a page is filled at most, where those that were found do not fit. With
/// that, what a request costs is bounded, whatever its filters are.
const ROUNDS: usize = 4;

/// Above every id that a clock of this millennium makes.
const NO_EDGE: [u8; 16] = [0xff; 16];

/// What a list may be narrowed by.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListCustomers {
    /// Only customers of this status.
    #[param(value_type = Option<CustomerStatus>)]
    status: Option<Status>,
    /// Only customers with this email; case does not matter.
    #[param(value_type = Option<String>, max_length = 254, example = "ada@example.com")]
    email: Option<Email>,
    /// Only customers with this external id.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255)]
    external_id: Option<ExternalId>,
    /// Only the customer that was made or last changed with this Idempotency-Key, as long as the key is kept.
    #[param(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    /// Only customers made at this moment or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    created_after: Option<Time>,
    /// Only customers made at this moment or earlier (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<Time>,
    /// Only customers that requested this endorsement.
    endorsement: Option<EndorsementName>,
    /// Only customers whose `endorsement`, which must be given too, has this status.
    endorsement_status: Option<EndorsementStatus>,
    /// Customers on the page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u8>,
    /// The `cursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// The hash of the filters, to which a cursor is bound.
    #[param(ignore)]
    filters: [u8; 32],
}

/// A page of customers.
#[derive(ToSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerPage {
    /// Newest first. There may be fewer than `limit`, none even, although `hasMore` is true.
    #[schema(value_type = Vec<Customer>)]
    data: Vec<Box<RawValue>>,
    /// Whether there are more.
    has_more: bool,
    /// What to send as `cursor` for the next page; null on the last one.
    cursor: Option<String>,
}

impl ListCustomers {
    /// Reads a query string.
    ///
    /// # Errors
    /// `queryInvalid`, naming the parameter.
    pub fn read(query: &str) -> Result<Self> {
        let mut list = Self::default();
        let mut seen: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if seen.iter().any(|(earlier, _)| *earlier == name) {
                return Err(refuse(&name, "stands more than once"));
            }
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(refuse(&name, "must be percent-encoded UTF-8"));
            }
            list.set(&name, &value)?;
            seen.push((name, value));
        }
        if list.endorsement_status.is_some() && list.endorsement.is_none() {
            return Err(refuse("endorsementStatus", "goes with endorsement"));
        }
        seen.retain(|(name, _)| name != "cursor" && name != "limit");
        seen.sort();
        let filters = serde_json::to_vec(&seen).map_err(Error::internal)?;
        let hash = digest::digest(&digest::SHA256, &filters);
        list.filters = hash.as_ref().try_into().expect("SHA-256 gives 32 bytes");
        Ok(list)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let at = |invalid: crate::error::Invalid| refuse(name, &invalid.message);
        match name {
            "status" => {
                let status = Status::parse(value);
                self.status =
                    Some(status.ok_or_else(|| refuse(name, "must be active or inactive"))?);
            }
            "email" => self.email = Some(Email::parse(value).map_err(at)?),
            "externalId" => self.external_id = Some(ExternalId::parse(value).map_err(at)?),
            "idempotencyKey" => {
                let key = parse_key(value);
                self.idempotency_key = Some(
                    key.map_err(|_| refuse(name, "must be 1 to 255 visible ASCII characters"))?,
                );
            }
            "createdAfter" => self.created_after = Some(moment(name, value)?),
            "createdBefore" => self.created_before = Some(moment(name, value)?),
            "endorsement" => self.endorsement = Some(EndorsementName::parse(value).map_err(at)?),
            "endorsementStatus" => {
                self.endorsement_status = Some(EndorsementStatus::parse(value).map_err(at)?);
            }
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
                let limit = limit.ok_or_else(|| refuse(name, "must be a number from 1 to 100"))?;
                self.limit = u8::try_from(limit).ok();
            }
            "cursor" => self.cursor = Some(value.to_owned()),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    /// Customers on the page at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.map_or(DEFAULT_LIMIT, usize::from)
    }

    /// Whether an opened customer really has what the look-up led to.
    fn fits(&self, found: &roster::Customer) -> bool {
        let email = self.email.as_ref().is_none_or(|wanted| {
            let email = found.profile.email.as_ref();
            email.is_some_and(|email| email.folded() == wanted.folded())
        });
        email
            && self.external_id.as_ref().is_none_or(|wanted| {
                let id = found.profile.external_id.as_ref();
                id.is_some_and(|id| id.expose() == wanted.expose())
            })
    }
}

/// The names of the parameters, for a hint at the nearest.
const PARAMETERS: [&str; 10] = [
    "status",
    "email",
    "externalId",
    "idempotencyKey",
    "createdAfter",
    "createdBefore",
    "endorsement",
    "endorsementStatus",
    "limit",
    "cursor",
];

fn unknown(name: &str) -> Error {
    let hint = match nearest(name, &PARAMETERS) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", PARAMETERS.join(", ")),
    };
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    refuse(&name, &format!("is unknown; {hint}"))
}

fn refuse(name: &str, what: &str) -> Error {
    Error::new(
        Code::QueryInvalid,
        format!("the query parameter {name} {what}"),
    )
}

fn moment(name: &str, value: &str) -> Result<Time> {
    Time::parse(value).ok_or_else(|| {
        refuse(
            name,
            "must be a moment like 2026-01-31T12:00:00Z; write %2B for a plus",
        )
    })
}

/// The body of a page.
///
/// # Errors
/// `queryInvalid` when the cursor is forged, altered, or of other filters.
pub async fn page(app: &App, project: i64, list: &ListCustomers) -> Result<Vec<u8>> {
    let limit = list.limit();
    let mut filter = filter(app, project, list)?;
    let only = match &list.idempotency_key {
        Some(key) => Some(made_by(app, project, key).await?),
        None => None,
    };
    let mut data: Vec<Box<RawValue>> = Vec::with_capacity(limit);
    let mut last = None;
    let mut round = 0;
    loop {
        round += 1;
        let found = match only {
            Some(id) => one(app, &filter, id).await?,
            None => read_page(app, filter.clone()).await?,
        };
        for row in found.rows {
            let Some(customer) = roster::Customer::open(row, &app.installation.master)? else {
                continue;
            };
            if !list.fits(&customer) {
                continue;
            }
            if data.len() == limit {
                return render(app, project, list, data, last);
            }
            let json = Customer::new(&customer.row, &customer.profile, customer.review.as_ref())
                .to_json()?;
            data.push(raw(json)?);
            last = Some(customer.row.id);
        }
        match found.next {
            Some(next) if only.is_none() && round < ROUNDS => filter.before = next,
            next => {
                let seen = next.filter(|_| only.is_none()).map(CustomerId::from_bytes);
                return render(app, project, list, data, seen);
            }
        }
    }
}

fn filter(app: &App, project: i64, list: &ListCustomers) -> Result<Filter> {
    let keys = app.installation.secrets.hash_keys();
    let email = list
        .email
        .as_ref()
        .map(|email| keys.hashes(project, "email", email.folded().expose().as_bytes()));
    let external_id = list
        .external_id
        .as_ref()
        .map(|id| keys.hashes(project, "externalId", id.expose().as_bytes()));
    let before = match &list.cursor {
        Some(cursor) => open_cursor(app, project, list, cursor)?,
        None => NO_EDGE,
    };
    Ok(Filter {
        project,
        before,
        // No id is behind the time at which it was made.
        from: list.created_after.map_or([0; 16], first_at),
        created_after: list.created_after,
        created_before: list.created_before,
        status: list.status,
        endorsement: list.endorsement.map(|name| (name, list.endorsement_status)),
        hashes: email.or(external_id),
        limit: list.limit() + 1,
    })
}

async fn read_page(app: &App, filter: Filter) -> Result<Page> {
    app.installation
        .store
        .read_for(filter.project, move |tx| customer::page(tx, &filter))
        .await
}

/// What a key made: the id of a customer, or one that nobody has.
async fn made_by(app: &App, project: i64, key: &str) -> Result<CustomerId> {
    let claim = Claim {
        project,
        key_hash: key_hash(app, project, key),
        fingerprint: [0; 16],
    };
    let hash = claim.lookup_hash(&app.installation.secrets);
    let record = app
        .installation
        .store
        .read_for(project, move |tx| idempotency::find(tx, &claim, hash))
        .await?;
    let id = record.and_then(|(record, _)| CustomerId::parse(&record.resource));
    Ok(id.unwrap_or(CustomerId::from_bytes([0; 16])))
}

/// The page of one customer, if the other filters let it through.
async fn one(app: &App, filter: &Filter, id: CustomerId) -> Result<Page> {
    let next = (u128::from_be_bytes(*id.as_bytes()) + 1).to_be_bytes();
    let filter = Filter {
        before: filter.before.min(next),
        from: filter.from.max(*id.as_bytes()),
        ..filter.clone()
    };
    read_page(app, filter).await
}

fn raw(json: Vec<u8>) -> Result<Box<RawValue>> {
    let text = String::from_utf8(json).map_err(Error::internal)?;
    RawValue::from_string(text).map_err(Error::internal)
}

fn render(
    app: &App,
    project: i64,
    list: &ListCustomers,
    data: Vec<Box<RawValue>>,
    more_after: Option<CustomerId>,
) -> Result<Vec<u8>> {
    let page = CustomerPage {
        data,
        has_more: more_after.is_some(),
        cursor: more_after.map(|last| seal_cursor(app, project, list, last)),
    };
    serde_json::to_vec(&page).map_err(Error::internal)
}

/// A cursor is the last id of its page, sealed for its project and filters:
/// opaque, and of no use with others.
fn seal_cursor(app: &App, project: i64, list: &ListCustomers, last: CustomerId) -> String {
    let place = cursor_place(project, list);
    let cursor = &app.installation.secrets.cursor;
    URL_SAFE_NO_PAD.encode(cursor.seal(place, last.as_bytes(), &app.context.random))
}

fn open_cursor(app: &App, project: i64, list: &ListCustomers, text: &str) -> Result<[u8; 16]> {
    let opened = URL_SAFE_NO_PAD.decode(text).ok().and_then(|sealed| {
        let cursor = &app.installation.secrets.cursor;
        let id = cursor.open(cursor_place(project, list), &sealed).ok()?;
        id.as_slice().try_into().ok()
    });
    opened.ok_or_else(|| {
        refuse(
            "cursor",
            "must be one that a page with the same filters gave",
        )
    })
}

const fn cursor_place(project: i64, list: &ListCustomers) -> Place<'_> {
    Place {
        project,
        row: &list.filters,
        field: "cursor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_read_and_every_other_refused() {
        let all = "status=active&email=Ada%40example.com&externalId=a&idempotencyKey=k\
                   &createdAfter=2026-01-01T00:00:00Z&createdBefore=2026-02-01T00:00:00Z\
                   &endorsement=usd&endorsementStatus=ACTIVE&limit=7&cursor=abc";
        let list = ListCustomers::read(all).unwrap();
        assert_eq!(list.limit(), 7);
        for name in PARAMETERS {
            assert!(all.contains(&format!("{name}=")), "{name}");
        }
        for (bad, hint) in [
            ("limit=0", "1 to 100"),
            ("limit=101", "1 to 100"),
            ("limit=x", "1 to 100"),
            ("limit=1&limit=2", "more than once"),
            ("emial=a", "did you mean email?"),
            ("external_id=a", "did you mean externalId?"),
            ("page=2", "known are status, email,"),
            ("offset=2", "known are status, email,"),
            ("startingAfter=a", "known are status, email,"),
            ("status=gone", "active or inactive"),
            ("createdAfter=yesterday", "2026-01-31T12:00:00Z"),
            ("endorsementStatus=ACTIVE", "goes with endorsement"),
            ("externalId=%ff", "UTF-8"),
        ] {
            let refused = ListCustomers::read(bad).err().unwrap();
            assert!(
                refused.detail().contains(hint),
                "{bad}: {}",
                refused.detail()
            );
        }
    }

    #[test]
    fn a_cursor_is_bound_to_the_filters_but_not_to_their_order_or_the_limit() {
        let hash = |query| ListCustomers::read(query).unwrap().filters;
        assert_eq!(
            hash("status=active&externalId=a"),
            hash("externalId=a&status=active&limit=3")
        );
        assert_ne!(hash("status=active"), hash("status=inactive"));
    }
}
