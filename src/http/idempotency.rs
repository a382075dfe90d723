//! Exactly once: the key, the effect and the kept answer are one transaction.
//! Contract section 3.

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::app::App;
use super::etag;
use super::json::{canonical, canonical_entries, canonical_object};
use super::kept_answer::{pack, unpack};
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::id::first_at;
use crate::store::Tx;
use crate::store::idempotency::{self, Claim, Found, Record, SEALED_FINGERPRINT, answer_place};
use crate::vault::{PooledKey, SealingKey, Secrets};

/// The request header that carries the key.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The answer header that says that this is not the first time.
pub const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Characters of the longest key.
const LONGEST_KEY: usize = 255;

/// How often a change is prepared anew when somebody else was faster.
const ATTEMPTS: usize = 8;

/// The `Idempotency-Key` of a call that needs one.
#[derive(Clone, Debug)]
pub struct RequiredKey(pub String);

/// The `Idempotency-Key` of a call that honours one when it is sent.
#[derive(Clone, Debug)]
pub struct OptionalKey(pub Option<String>);

impl FromRequestParts<App> for RequiredKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        read_header(&parts.headers)?.map(Self).ok_or_else(|| {
            Error::new(
                Code::IdempotencyKeyMissing,
                "this call wants an Idempotency-Key header, a UUID for example",
            )
        })
    }
}

impl FromRequestParts<App> for OptionalKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        read_header(&parts.headers).map(Self)
    }
}

fn read_header(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid_key());
    }
    value
        .to_str()
        .map_err(|_| invalid_key())
        .and_then(parse_key)
        .map(Some)
}

/// Reads a key, plain or quoted as in the IETF draft (a structured-field string, RFC 8941).
///
/// # Errors
/// `idempotencyKeyInvalid` unless it is 1 to 255 visible ASCII characters.
pub fn parse_key(text: &str) -> Result<String> {
    let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    let key = if quoted {
        text[1..text.len() - 1]
            .replace("\\\"", "\"")
            .replace("\\\\", "\\")
    } else {
        text.to_owned()
    };
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if visible && (1..=LONGEST_KEY).contains(&key.len()) {
        Ok(key)
    } else {
        Err(invalid_key())
    }
}

fn invalid_key() -> Error {
    Error::new(
        Code::IdempotencyKeyInvalid,
        "an Idempotency-Key is one header of 1 to 255 visible ASCII characters",
    )
}

/// The keyed hash of a key of a project.
#[must_use]
pub fn key_hash(app: &App, project: i64, key: &str) -> [u8; 16] {
    hash_key(&app.installation.secrets, project, key)
}

fn hash_key(secrets: &Secrets, project: i64, key: &str) -> [u8; 16] {
    secrets.idempotency_hash(project, &[b"key", key.as_bytes()])
}

/// Appends the body of a POST without what it says is not there: a null is the same as nothing,
/// save in the caller's own data. A PATCH clears by it.
fn without_nulls(body: &Map<String, Value>, out: &mut Vec<u8>) {
    let given = body.iter().filter(|(_, value)| !value.is_null());
    canonical_entries(given, out, |name, value, out| match value {
        Value::Object(inner) if name != "metadata" => without_nulls(inner, out),
        value => canonical(value, out),
    });
}

/// What makes two requests the same: method, path without its version, and the
/// body by value.
#[must_use]
pub fn claim(secrets: &Secrets, project: i64, key: &str, request: RequestText<'_>) -> Claim {
    let mut body = Vec::new();
    if let Some(value) = request.body {
        match request.method {
            "POST" => without_nulls(value, &mut body),
            _ => canonical_object(value, &mut body),
        }
    }
    let parts = [
        b"request".as_slice(),
        request.method.as_bytes(),
        request.path.as_bytes(),
        &body,
    ];
    Claim {
        project,
        key_hash: hash_key(secrets, project, key),
        fingerprint: secrets.idempotency_hash(project, &parts),
    }
}

/// The record that keeps an answer, sealed with the data key of its resource.
#[must_use]
pub fn keep_answer(
    claim: Claim,
    resource: String,
    status: StatusCode,
    body: &[u8],
    key: &SealingKey,
    context: &Context,
) -> Record {
    let id = context.new_id();
    let plain = [&claim.fingerprint[..], &pack(body)].concat();
    Record {
        id,
        claim: Claim {
            fingerprint: SEALED_FINGERPRINT,
            ..claim
        },
        resource,
        data_key: key.id(),
        status: i64::from(status.as_u16()),
        answer: key.seal(answer_place(claim.project, &id), &plain, &context.random),
    }
}

/// What a kept answer opens to.
pub struct KeptAnswer {
    plain: Zeroizing<Vec<u8>>,
    /// The request's, as the record has it.
    fingerprint: [u8; 16],
    packed: usize,
}

impl KeptAnswer {
    /// Opens the answer of a record.
    ///
    /// # Errors
    /// `internalError` when it does not open with its key.
    pub fn open(record: &Record, key: &SealingKey) -> Result<Self> {
        let plain = key.open(
            answer_place(record.claim.project, &record.id),
            &record.answer,
        )?;
        let (fingerprint, packed) = if let Some(stored) = record.fingerprint_in_the_clear() {
            (stored, 0)
        } else {
            let first = plain.first_chunk::<16>();
            let short = || Error::internal("a kept answer has no fingerprint");
            (*first.ok_or_else(short)?, 16)
        };
        Ok(Self {
            plain,
            fingerprint,
            packed,
        })
    }

    /// Whether it is the answer to this request.
    #[must_use]
    pub fn is_to(&self, claim: &Claim) -> bool {
        self.fingerprint == claim.fingerprint
    }

    fn body(&self) -> Result<Vec<u8>> {
        unpack(&self.plain[self.packed..])
    }
}

/// The request as a fingerprint sees it.
#[derive(Clone, Copy, Debug)]
pub struct RequestText<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The path below the version prefix.
    pub path: &'a str,
    /// The body, if the call has one.
    pub body: Option<&'a Map<String, Value>>,
}

/// What a transaction does; it may run more than once.
pub type Write = Box<dyn Fn(&mut Tx<'_>) -> Result<Written> + Send>;

/// A change that is ready to be written, and the answer that tells of it.
pub struct Effect {
    /// The status of the answer.
    pub status: StatusCode,
    /// The body of the answer.
    pub body: Vec<u8>,
    /// The id of the resource that is made or changed.
    pub resource: String,
    /// The data key of the resource, which also seals the kept answer.
    pub key: DataKey,
    /// The change itself. It may run more than once.
    pub write: Write,
}

/// The data key of a resource.
pub enum DataKey {
    /// Of a resource that the effect makes.
    New(PooledKey),
    /// Of a resource that is there.
    Known(SealingKey),
}

impl DataKey {
    fn sealing(&self) -> &SealingKey {
        match self {
            Self::New(key) => key,
            Self::Known(key) => key,
        }
    }

    /// Nothing was stored under the key in the end.
    fn unused(self) {
        if let Self::New(key) = self {
            key.give_back();
        }
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written.
    Done,
    /// Somebody else changed the resource since it was read: prepare it anew.
    Stale,
}

/// What the transaction found.
enum Outcome {
    Done,
    Stale,
    Known(Box<Found>),
}

/// Carries out a change exactly once under its key, or gives the first answer again.
///
/// `prepare` reads, decides and seals; it may run again when somebody else was
/// faster. When it refuses, the key stays free, unless it was used before.
///
/// # Errors
/// Those of `prepare`; `idempotencyKeyReused`, `idempotencyInProgress`.
pub async fn exactly_once<F: Future<Output = Result<Effect>> + Send>(
    app: &App,
    claim: Option<Claim>,
    prepare: impl Fn() -> F + Send,
) -> Result<Response> {
    let store = &app.installation.store;
    let Some(claim) = claim else {
        // The body has been read: nobody is kept waiting by a client that is slow to send it.
        let _turn = store.admit().await?;
        return without_key(app, prepare).await;
    };
    let hash = claim.lookup_hash(&app.installation.secrets);
    let recall = move |tx: &mut Tx<'_>| idempotency::find(tx, &claim, hash);
    // A retry costs what a read costs and waits for no write. The transaction looks again, and
    // at the keys that others used.
    let is_known = app.used_keys.may_contain(hash);
    if (is_known || app.foreign_retries.are_common())
        && let Some(found) = store.read_for(claim.project, recall).await?
    {
        if !is_known {
            app.foreign_retries.note(true);
        }
        return replay(app, claim, found);
    }
    let _running = app.in_flight.enter(claim).await?;
    let _turn = store.admit().await?;
    let mut contended_for = None;
    for _ in 0..ATTEMPTS {
        let effect = match prepare().await {
            Ok(effect) => effect,
            Err(refused) => {
                return match store.read_for(claim.project, recall).await? {
                    Some(found) => replay(app, claim, found),
                    None => Err(refused),
                };
            }
        };
        let record = keep_answer(
            claim,
            effect.resource.clone(),
            effect.status,
            &effect.body,
            effect.key.sealing(),
            &app.context,
        );
        // Before the write: its caller may be gone when it ends, and come again.
        app.used_keys.note(hash, record.id);
        let write = effect.write;
        let outcome = store
            .write(move |tx| write_once(tx, &record, hash, &write))
            .await?;
        match outcome {
            Outcome::Done => {
                app.foreign_retries.note(false);
                return Ok(answer_of(effect.status, effect.body, false));
            }
            Outcome::Stale => {
                effect.key.unused();
                if contended_for.is_none() {
                    contended_for = Some(app.resource_locks.lock(&effect.resource).await);
                }
            }
            Outcome::Known(found) => {
                effect.key.unused();
                app.used_keys.note(hash, found.0.id);
                app.foreign_retries.note(true);
                return replay(app, claim, *found);
            }
        }
    }
    Err(contended())
}

async fn without_key<F: Future<Output = Result<Effect>> + Send>(
    app: &App,
    prepare: impl Fn() -> F + Send,
) -> Result<Response> {
    let mut contended_for = None;
    for _ in 0..ATTEMPTS {
        let effect = prepare().await?;
        if app.installation.store.write(effect.write).await? == Written::Done {
            return Ok(answer_of(effect.status, effect.body, false));
        }
        if contended_for.is_none() {
            contended_for = Some(app.resource_locks.lock(&effect.resource).await);
        }
    }
    Err(contended())
}

fn contended() -> Error {
    Error::unavailable("others keep changing this resource", 1)
}

/// The transaction: the key is looked at, the change written, the answer kept.
fn write_once(
    tx: &mut Tx<'_>,
    record: &Record,
    hash: i64,
    write: &(impl Fn(&mut Tx<'_>) -> Result<Written> + ?Sized),
) -> Result<Outcome> {
    if let Some(found) = idempotency::find(tx, &record.claim, hash)? {
        return Ok(Outcome::Known(Box::new(found)));
    }
    if write(tx)? == Written::Stale {
        return Ok(Outcome::Stale);
    }
    idempotency::insert(tx, record, hash)?;
    Ok(Outcome::Done)
}

/// Records before this id are to be swept.
#[must_use]
pub fn oldest_kept(app: &App) -> [u8; 16] {
    let kept_s = i64::try_from(app.config.idempotency_retention.as_secs()).unwrap_or(i64::MAX);
    let now = app.context.cautious_now();
    first_at(now.plus_seconds(kept_s.saturating_neg()))
}

/// The first answer again, or the refusal of another request with the same key.
fn replay(app: &App, claim: Claim, (record, wrapped): Found) -> Result<Response> {
    let wrapped = wrapped.ok_or_else(|| {
        Error::new(Code::NotFound, "what this key made has been erased")
            .with_resource(record.resource.clone())
    })?;
    let key: SealingKey = app
        .installation
        .master
        .unwrap_data_key(record.data_key, &wrapped)?;
    let kept = KeptAnswer::open(&record, &key)?;
    if !kept.is_to(&claim) {
        return Err(Error::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key came before with another method, path or body",
        )
        .with_resource(record.resource));
    }
    let status = u16::try_from(record.status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| Error::internal("a kept answer has no status"))?;
    app.metrics.replays.add();
    Ok(answer_of(status, kept.body()?, true))
}

fn answer_of(status: StatusCode, body: Vec<u8>, replayed: bool) -> Response {
    let tag = etag::of(&body);
    let json = HeaderValue::from_static("application/json");
    let mut answer = (
        status,
        [(header::CONTENT_TYPE, json), (header::ETAG, tag)],
        body,
    )
        .into_response();
    if replayed {
        let yes = HeaderValue::from_static("true");
        answer.headers_mut().insert(REPLAYED_HEADER, yes);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_is_the_same_key() {
        assert_eq!(parse_key("abc").unwrap(), "abc");
        assert_eq!(parse_key("\"abc\"").unwrap(), "abc");
        assert_eq!(parse_key("\"a\\\"b\"").unwrap(), "a\"b");
        assert_eq!(parse_key("\"").unwrap(), "\"");
    }

    #[test]
    fn a_key_is_1_to_255_visible_ascii_characters() {
        assert!(parse_key(&"k".repeat(255)).is_ok());
        for bad in ["", "\"\"", "a b", "a\tb", "schlüssel", &"k".repeat(256)] {
            assert!(parse_key(bad).is_err(), "{bad:?}");
        }
    }
}
