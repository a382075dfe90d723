//! From a row to what the transaction writes: the way of `POST /customers`,
//! with the same claim, the same answer and the same record.
//!
//! Nobody outside can compute the key of a row. Were it a bare hash of an external id, which
//! answers show, a POST with it and a guessed birth date would be told whether it fits.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::rows::{Row, hex};
use crate::config::Config;
use crate::context::Context;
use crate::core::customer::NewCustomer;
use crate::core::installation::Installation;
use crate::core::roster::{self, Tenant};
use crate::error::{Code, Error, Result};
use crate::http::customer_body::read_create;
use crate::http::customers::{Customer, create_request};
use crate::http::idempotency::{KeptAnswer, claim, keep_answer};
use crate::store::Tx;
use crate::store::idempotency::{self, Claim, Found, Record};
use crate::vault::{DataKeyPool, PooledKey};

/// Reads rows as the API reads bodies.
pub(super) struct Reader<'a> {
    pub config: &'a Config,
    pub context: &'a Context,
    /// The SHA-256 of the file's content.
    pub file: &'a str,
}

/// A row that is in order.
pub(super) struct ReadRow {
    body: Map<String, Value>,
    new: NewCustomer,
    /// Which row it is, across runs: its external id, or its file and line.
    identity: String,
}

impl Reader<'_> {
    /// Reads a row.
    ///
    /// # Errors
    /// As the API refuses its body.
    pub(super) fn read(&self, row: &Row) -> Result<ReadRow> {
        let body = row.body(self.config.max_body_bytes)?;
        let today = self.context.now().date();
        let new = read_create(&body, today, self.config.unknown_fields)?;
        let identity = match &new.profile.external_id {
            Some(id) => format!("externalId.{}", id.expose()),
            None => format!("file.{}.{}", self.file, row.line),
        };
        Ok(ReadRow {
            body,
            new,
            identity,
        })
    }
}

/// Writes a customer; may run more than once.
type Make = Box<dyn Fn(&mut Tx<'_>) -> Result<bool> + Send + Sync>;

/// What a row becomes in the store.
pub(super) struct Write {
    claim: Claim,
    record: Record,
    hash: i64,
    make: Make,
}

/// What became of a row.
#[derive(Clone)]
pub(super) enum Written {
    /// A customer was made.
    Created,
    /// An earlier run, or an earlier row, used the row's key.
    Known(Box<Found>, Claim),
}

impl Written {
    /// What the row's key made before by other contents, if it was used before by others. Of
    /// who was erased since nobody knows the contents.
    ///
    /// # Errors
    /// When the answer that was kept does not open.
    pub(super) fn other(&self, installation: &Installation) -> Result<Option<String>> {
        let Self::Known(known, claim) = self else {
            return Ok(None);
        };
        let (record, Some(wrapped)) = &**known else {
            return Ok(None);
        };
        let ring = &installation.master;
        let key = ring.unwrap_data_key(record.data_key, wrapped)?;
        let same = KeptAnswer::open(record, &key)?.is_to(claim);
        Ok((!same).then(|| record.resource.clone()))
    }
}

/// Seals a row for its project.
pub(super) fn seal(
    row: &ReadRow,
    tenant: &Tenant,
    installation: &Installation,
    pool: &DataKeyPool,
    reader: &Reader<'_>,
) -> Result<(Write, PooledKey)> {
    let (secrets, context) = (&installation.secrets, reader.context);
    let key = pool.take()?;
    let hash = secrets.idempotency_hash(tenant.project, &[b"import", row.identity.as_bytes()]);
    let row_key = format!("import.{}", hex(&hash));
    let claim = claim(secrets, tenant.project, &row_key, create_request(&row.body));
    let clock = tenant.settings.clock(context);
    let draft = roster::create(&row.new, tenant, &key, &clock, secrets)?;
    let answer = Customer::new(draft.row(), &draft.profile, draft.review.as_ref()).to_json()?;
    let resource = draft.row().id.to_string();
    let record = keep_answer(claim, resource, StatusCode::CREATED, &answer, &key, context);
    let write = Write {
        claim,
        record,
        hash: claim.lookup_hash(secrets),
        make: Box::new(draft.writer()),
    };
    Ok((write, key))
}

impl Write {
    /// What the transaction does for this row, exactly once.
    ///
    /// # Errors
    /// When the store is away.
    pub(super) fn run(&self, tx: &mut Tx<'_>) -> Result<Written> {
        let record = &self.record;
        match idempotency::find(tx, &record.claim, self.hash)? {
            None => {
                (self.make)(tx)?;
                idempotency::insert(tx, record, self.hash)?;
                Ok(Written::Created)
            }
            // Ours: a commit whose end was not heard of.
            Some((known, _)) if known.id == record.id => Ok(Written::Created),
            Some(known) => Ok(Written::Known(Box::new(known), self.claim)),
        }
    }
}

/// The refusal of a row whose key made something else.
pub(super) fn reused(resource: &str) -> Error {
    Error::new(
        Code::IdempotencyKeyReused,
        "a customer was imported for this externalId (or line) with other contents; change it with PATCH",
    )
    .with_resource(resource)
}
