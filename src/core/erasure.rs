//! Erasure: the data key of a customer is destroyed, so that its row, its kept answers, its
//! events and every older backup of the data open no more. What stays is an inactive,
//! empty tombstone under a key of its own.
//!
//! In this order: (1) tombstone, event, the end of the look-ups and a note of the erasure, in
//! one transaction of the data; (2) the journal of look-ups is written anew without the
//! customer's hashes; (3) the key's end and the ledger, in one transaction of the key register;
//! (4) both logs are emptied; (5) the note is closed. A crash between them leaves the note
//! open, and whoever opens the store next, or the server that runs, goes on from there.

use std::sync::Arc;

use serde::Serialize;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::audit::hex;
use super::event::{self, Detail, Event, EventKind, Origin};
use super::installation::Installation;
use super::rehashing;
use super::roster::{self, Draft};
use crate::context::{Context, Time};
use crate::error::{Code, Error, Result};
use crate::failpoint;
use crate::id::CustomerId;
use crate::store::customer::{self, CustomerRow};
use crate::store::erasure::{self, ErasureRow};
use crate::store::event as event_rows;
use crate::store::{LogOf, Tx, key_register, lookup};
use crate::vault::{SealingKey, Secrets, fresh_data_key};

/// Erasures that are looked at in one transaction.
const BATCH: i64 = 100;

/// Rows of the journal of look-ups that are rewritten in one transaction.
const JOURNAL_BATCH: usize = 100;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// What is handed out for an erasure. The text says it all; the rest proves the text.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    object: &'static str,
    customer_id: CustomerId,
    erased_at: Time,
    destroyed_key: String,
    text: String,
    sha256: String,
    signature: String,
    public_key: String,
}

impl Certificate {
    /// The certificate of an erasure.
    #[must_use]
    pub fn new(row: &ErasureRow, secrets: &Secrets) -> Self {
        let text = row.certificate.clone();
        Self {
            object: "erasureCertificate",
            customer_id: row.customer,
            erased_at: row.erased_at,
            destroyed_key: row.data_key.to_string(),
            sha256: hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
            signature: STANDARD.encode(secrets.signer.sign(text.as_bytes())),
            public_key: STANDARD.encode(secrets.signer.public_key()),
            text,
        }
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the text, in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The Ed25519 signature of the text, in base64.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The public key of the signature, in base64.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public_key
    }
}

/// An erasure that is ready to be written.
pub struct Erasure {
    /// The note of it.
    pub row: ErasureRow,
    draft: Draft,
    keep_until: Option<Time>,
    /// By which a hold or the retention is over.
    now: Time,
}

/// Prepares the erasure of a customer; `key` seals the tombstone.
///
/// # Errors
/// `internalError` when the customer does not open.
pub fn prepare(
    installation: &Installation,
    customer: &roster::Customer,
    reason: &str,
    origin: &Origin,
    key: &SealingKey,
) -> Result<Erasure> {
    let context = &installation.context;
    let old = &customer.row;
    let events = [Event::with_reason(EventKind::CustomerErased, reason)];
    let event = event::seal(&events, (old.project, old.id), origin, key, context)?;
    let draft = roster::tombstone(customer, &event, key, context, &installation.secrets)?;
    let erased_at = draft.row().updated_at;
    let row = ErasureRow {
        customer: old.id,
        project: old.project,
        data_key: old.data_key,
        erased_at,
        certificate: certificate_text(old, erased_at, origin),
    };
    let days = i64::from(installation.retention_days);
    // The later of both times: of the id, which may have been ahead.
    let keep_until = (days > 0).then(|| old.id.time().plus_seconds(days * DAY_S));
    Ok(Erasure {
        row,
        draft,
        keep_until,
        now: context.cautious_now(),
    })
}

fn certificate_text(old: &CustomerRow, erased_at: Time, origin: &Origin) -> String {
    let (id, key) = (old.id, old.data_key);
    format!(
        "oms certificate of erasure, version 1\n\
         customer: {id}\ncreated at: {}\nerased at: {erased_at}\ndestroyed data key: {key}\n\
         by: {}\nrequest: {}\n\
         The data key was destroyed. What it sealed (profile, identity, kept answers, events) \
         opens no more, here and in every copy of the data.\n",
        old.made_at(),
        origin.actor,
        origin.request_id,
    )
}

impl Erasure {
    /// The first transaction; `false` when somebody else changed the customer since.
    ///
    /// # Errors
    /// The closure's: `customerOnHold`.
    pub fn writer(&self) -> impl Fn(&mut Tx<'_>) -> Result<bool> + Send + 'static {
        let (write, row) = (self.draft.writer(), self.row.clone());
        let (keep_until, now) = (self.keep_until, self.now);
        move |tx| {
            let held = erasure::held_until(tx, row.customer)?;
            for (until, why) in [(held, "a legal hold"), (keep_until, "the retention time")] {
                if let Some(until) = until.filter(|until| *until > now) {
                    let mut detail = format!("{why} keeps this customer until {until}");
                    if until <= row.erased_at {
                        detail.push_str("; a clock that was set, or a server that was just started, is believed after ten minutes");
                    }
                    return Err(Error::new(Code::CustomerOnHold, detail)
                        .with_resource(row.customer.to_string()));
                }
            }
            if !write(tx)? {
                return Ok(false);
            }
            erasure::insert(tx, &row)?;
            Ok(true)
        }
    }
}

/// The erasure of a customer, if there was one.
///
/// # Errors
/// When the store is away.
pub async fn find(installation: &Installation, id: CustomerId) -> Result<Option<ErasureRow>> {
    installation
        .store
        .read(move |tx| erasure::find(tx, id))
        .await
}

/// Erases a customer for good. Again: the same certificate.
///
/// # Errors
/// `notFound`, `customerOnHold`.
pub async fn erase(
    installation: &Installation,
    id: CustomerId,
    reason: &str,
    origin: &Origin,
) -> Result<Certificate> {
    rehashing::refresh(installation).await?;
    loop {
        if let Some(row) = find(installation, id).await? {
            finish(installation).await?;
            return Ok(Certificate::new(&row, &installation.secrets));
        }
        let missing = || Error::new(Code::NotFound, format!("there is no customer {id}"));
        let found = installation
            .store
            .read(move |tx| customer::anywhere(tx, id.as_bytes()));
        let found = found.await?.ok_or_else(missing)?;
        let customer = roster::Customer::open(found, &installation.master)?.ok_or_else(missing)?;
        let key = new_key(installation).await?;
        let erasure = prepare(installation, &customer, reason, origin, &key)?;
        installation.store.write(erasure.writer()).await?;
    }
}

/// A data key for a tombstone, durable before it seals.
async fn new_key(installation: &Installation) -> Result<SealingKey> {
    loop {
        let by = installation.master.current();
        let (key, wrapped) = fresh_data_key(&by, &installation.context)
            .ok_or_else(|| Error::internal("no data key could be made"))?;
        let stored = installation
            .store
            .write(move |tx| key_register::insert_data_keys(tx, std::slice::from_ref(&wrapped)));
        let Err(error) = stored.await else {
            return Ok(key);
        };
        // Another wrapping key took over: the key is made anew under it.
        installation.refresh_ring().await?;
        if installation.master.current().id() == by.id() {
            return Err(error);
        }
    }
}

/// The steps behind the first of every erasure that has not come so far.
///
/// # Errors
/// When the store is away, or somebody reads the key register without end.
pub async fn finish(installation: &Installation) -> Result<()> {
    loop {
        let store = &installation.store;
        let undone = store.read(|tx| erasure::undone(tx, BATCH)).await?;
        if undone.is_empty() {
            return Ok(());
        }
        failpoint::reach("erasure.noted");
        let undone = Arc::new(undone);
        forget_hashes(installation, &undone).await?;
        failpoint::reach("erasure.forgotten");
        let rows = Arc::clone(&undone);
        let destroy = store.write(move |tx| {
            rows.iter()
                .try_for_each(|row| erasure::destroy_key(tx, row))
        });
        destroy.await?;
        failpoint::reach("erasure.destroyed");
        if !store.empty_log(LogOf::Keys).await? {
            return Err(Error::unavailable("the key register is being read", 5));
        }
        failpoint::reach("erasure.scrubbed");
        if !store.empty_log(LogOf::Data).await? {
            // The key is gone from every file. Hashes in the log go as soon as its readers do.
            tracing::warn!(
                "the log of the data is being read, and holds hashes of erased customers; it is emptied later"
            );
            return Ok(());
        }
        let now = installation.context.now();
        let close = store.write(move |tx| {
            undone
                .iter()
                .try_for_each(|row| erasure::finish(tx, row.customer, now))
        });
        close.await?;
    }
}

/// Writes the journal of look-ups anew, without those that led to erased customers.
async fn forget_hashes(installation: &Installation, erased: &[ErasureRow]) -> Result<()> {
    let targets: Arc<[_]> = erased.iter().map(|row| *row.customer.as_bytes()).collect();
    let of = Arc::clone(&targets);
    let store = &installation.store;
    let rows = store.read(move |tx| lookup::rows_of_forgotten(tx, &of));
    for rows in rows.await?.chunks(JOURNAL_BATCH) {
        let (rows, targets) = (rows.to_vec(), Arc::clone(&targets));
        let rewrite = store.write(move |tx| lookup::rewrite(tx, &rows, &targets));
        rewrite.await?;
    }
    Ok(())
}

/// Completes what a crash left half done, and erases again whom the ledger names but a
/// restored copy of the data still has.
///
/// # Errors
/// As [`finish`].
pub async fn recover(installation: &Installation) -> Result<()> {
    loop {
        let again = installation
            .store
            .read(|tx| erasure::undone_by_restore(tx, BATCH))
            .await?;
        if again.is_empty() {
            break;
        }
        for row in again {
            erase_again(installation, row).await?;
        }
    }
    finish(installation).await
}

/// Writes the tombstone over a customer whose key the ledger says is destroyed.
async fn erase_again(installation: &Installation, row: ErasureRow) -> Result<()> {
    let key = new_key(installation).await?;
    let (context, id) = (installation.context.clone(), row.customer);
    let origin = Origin {
        actor: "restore".into(),
        request_id: super::audit::run_id(&context),
    };
    let reason = "the ledger of erasures has this customer";
    let events = [Event::with_reason(EventKind::CustomerErased, reason)];
    let event = event::seal(&events, (row.project, id), &origin, &key, &context)?;
    let write = installation.store.write(move |tx| {
        let Some((old, _)) = customer::find(tx, row.project, id)? else {
            return Ok(());
        };
        let tombstone = roster::emptied(&old, &key, &context);
        let event = event.leaving(&tombstone.profile);
        if customer::replace(tx, &tombstone)? {
            lookup::delete_all(tx, id.as_bytes())?;
            event_rows::append(tx, &event, false)?;
            erasure::insert(tx, &row)?;
        }
        Ok(())
    });
    write.await
}

/// Holds a customer until a time (`Some`), or lifts the hold.
///
/// # Errors
/// `notFound` when there is no such customer, or no hold to lift.
pub async fn hold(
    installation: &Installation,
    id: CustomerId,
    until: Option<Time>,
    reason: &str,
    origin: &Origin,
) -> Result<()> {
    let context: Context = installation.context.clone();
    let (secrets, origin) = (Arc::clone(&installation.secrets), origin.clone());
    let kind = match until {
        Some(_) => EventKind::CustomerHeld,
        None => EventKind::CustomerReleased,
    };
    let detail = Detail {
        reason: Some(reason.to_owned()),
        until: until.map(|until| until.to_string()),
        ..Detail::default()
    };
    let events = [Event { kind, detail }];
    let missing = move |what: &str| Error::new(Code::NotFound, format!("there is no {what} {id}"));
    let write = installation.store.write(move |tx| {
        let found = customer::anywhere(tx, id.as_bytes())?;
        let (row, _) = found.ok_or_else(|| missing("customer"))?;
        match until {
            Some(until) => erasure::hold(tx, id, until, context.now())?,
            None if erasure::lift(tx, id)? => {}
            None => return Err(missing("hold on customer")),
        }
        let place = (row.project, id);
        let row = event::seal(&events, place, &origin, &secrets.audit, &context)?;
        event_rows::append(tx, &row, false)
    });
    write.await
}
