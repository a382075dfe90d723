//! Looks at everything that is sealed in a store, and at what leads to it:
//! every value opens or its key is gone, every look-up is there and none too
//! many. Changes nothing, and no finding holds a personal value.

use crate::error::{Error, Result};
use crate::id::CustomerId;
use crate::store::customer;
use crate::store::idempotency::{self, Record, answer_place};
use crate::store::{Tx, lookup};
use crate::vault::{KeyRing, Secrets, is_bound};

use super::audit::rows;
use super::roster::Customer;

/// Rows looked at between two words of progress.
const PAGE: i64 = 500;

/// What a check found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A sealed value of a customer does not open with its key.
    CustomerSealed,
    /// A kept answer does not open with its key.
    AnswerSealed,
    /// A customer is not found by a value that it has.
    LookupMissing,
    /// A look-up leads where nothing has its value.
    LookupForeign,
    /// A used idempotency key is not found.
    AnswerLookupMissing,
    /// A customer's row is another one than its last event left.
    CustomerPutBack,
    /// The row of a project or an API key is not as it was stored.
    GrantAltered,
}

/// What the rows of a store are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As this version stores them.
    Bound,
    /// Some may be of before that, as in an older copy.
    Older,
}

/// What a walk over the store tells as it goes.
pub trait Watch {
    /// Something is wrong with a row.
    fn found(&mut self, defect: Defect, subject: String);
    /// So many rows more are done.
    fn passed(&mut self, rows: usize);
}

/// What a walk counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Customers whose values open.
    pub customers: u64,
    /// Customers whose data key is destroyed.
    pub erased: u64,
    /// Kept answers that open.
    pub answers: u64,
    /// Kept answers whose data key is destroyed.
    pub answers_erased: u64,
    /// The largest id of a data key that a customer has.
    pub newest_data_key: i64,
    /// Look-ups that must be there.
    lookups: u64,
}

/// The rows that a walk passes, for a progress bar.
///
/// # Errors
/// When they cannot be counted.
pub fn rows(tx: &mut Tx<'_>) -> Result<u64> {
    let rows = customer::count(tx)? + idempotency::count(tx)?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// Opens every sealed value and follows every look-up.
///
/// # Errors
/// When a table cannot be read.
pub fn walk(
    tx: &mut Tx<'_>,
    master: &KeyRing,
    secrets: &Secrets,
    form: Form,
    watch: &mut dyn Watch,
) -> Result<Tally> {
    let mut tally = Tally::default();
    if form == Form::Bound {
        let altered = rows::altered_grants(tx, secrets)?;
        for subject in altered {
            watch.found(Defect::GrantAltered, subject);
        }
    }
    let mut edge = (i64::MIN, [0; 16]);
    loop {
        let page = customer::after(tx, edge, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        edge = (last.project, *last.id.as_bytes());
        let rows = page.len();
        for found in page {
            look_at_customer(tx, found, master, secrets, form, &mut tally, watch)?;
        }
        watch.passed(rows);
    }
    let mut edge = [0; 16];
    loop {
        let page = idempotency::after(tx, &edge, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        edge = last.id;
        let rows = page.len();
        for found in page {
            look_at_answer(tx, &found, master, secrets, &mut tally, watch)?;
        }
        watch.passed(rows);
    }
    // Every look-up that must be there was asked for: only when there are more
    // of them does anybody have to go and see which.
    if u64::try_from(lookup::count(tx)?) != Ok(tally.lookups) {
        find_foreign(tx, master, secrets, form, watch)?;
    }
    Ok(tally)
}

/// Opens the newest and the oldest sealed values, to see that keys and data belong together.
///
/// # Errors
/// When one does not open, or a table cannot be read.
pub fn sample(tx: &mut Tx<'_>, master: &KeyRing) -> Result<u64> {
    let mut opened = 0;
    let oldest = customer::after(tx, (i64::MIN, [0; 16]), PAGE)?;
    for found in customer::latest(tx, PAGE)?.into_iter().chain(oldest) {
        if let Some(customer) = open(found, master, Form::Older)? {
            customer.open_identity()?;
            opened += 1;
        }
    }
    Ok(opened)
}

fn look_at_customer(
    tx: &mut Tx<'_>,
    found: customer::Found,
    master: &KeyRing,
    secrets: &Secrets,
    form: Form,
    tally: &mut Tally,
    watch: &mut dyn Watch,
) -> Result<()> {
    let id = found.0.id;
    tally.newest_data_key = tally.newest_data_key.max(found.0.data_key);
    let is_put_back = form == Form::Bound && rows::is_put_back(tx, &found.0)?;
    let hashes = match expected(found, master, secrets, form) {
        Expected::Erased => {
            tally.erased += 1;
            return Ok(());
        }
        Expected::Unknown(cause) => {
            watch.found(Defect::CustomerSealed, format!("{id}: {cause}"));
            return Ok(());
        }
        Expected::Hashes(hashes) => hashes,
    };
    tally.customers += 1;
    if is_put_back {
        watch.found(Defect::CustomerPutBack, id.to_string());
    }
    for of_value in hashes {
        let mut is_found = false;
        for hash in of_value {
            if lookup::leads(tx, hash, id.as_bytes())? {
                tally.lookups += 1;
                is_found = true;
            }
        }
        if !is_found {
            watch.found(Defect::LookupMissing, id.to_string());
        }
    }
    Ok(())
}

fn look_at_answer(
    tx: &mut Tx<'_>,
    (record, wrapped): &idempotency::Found,
    master: &KeyRing,
    secrets: &Secrets,
    tally: &mut Tally,
    watch: &mut dyn Watch,
) -> Result<()> {
    let name = || format!("the answer about {}", record.resource);
    match wrapped {
        None => tally.answers_erased += 1,
        Some(wrapped) => match open_answer(record, wrapped, master) {
            Ok(()) => tally.answers += 1,
            Err(cause) => watch.found(
                Defect::AnswerSealed,
                format!("{}: {}", name(), private(&cause)),
            ),
        },
    }
    let hash = record.claim.lookup_hash(secrets);
    let (is_found, lookups) = idempotency::is_found(tx, record, hash)?;
    tally.lookups += lookups;
    if !is_found {
        watch.found(Defect::AnswerLookupMissing, name());
    }
    Ok(())
}

fn open_answer(record: &Record, wrapped: &[u8], master: &KeyRing) -> Result<()> {
    let key = master.unwrap_data_key(record.data_key, wrapped)?;
    let place = answer_place(record.claim.project, &record.id);
    key.open(place, &record.answer).map(drop)
}

/// Under which hashes a stored customer must be found, by any of those of each value.
enum Expected {
    Hashes(Vec<Vec<i64>>),
    Erased,
    Unknown(String),
}

fn open(found: customer::Found, master: &KeyRing, form: Form) -> Result<Option<Customer>> {
    if form == Form::Older && !is_bound(&found.0.profile) {
        return Customer::open_unbound(found, master);
    }
    Customer::open(found, master)
}

fn expected(found: customer::Found, master: &KeyRing, secrets: &Secrets, form: Form) -> Expected {
    let opened = open(found, master, form).and_then(|customer| {
        let Some(customer) = customer else {
            return Ok(None);
        };
        let identity = customer.open_identity()?;
        Ok(Some(customer.lookups(&identity, &secrets.hash_keys())))
    });
    match opened {
        Ok(Some(hashes)) => Expected::Hashes(hashes),
        Ok(None) => Expected::Erased,
        Err(cause) => Expected::Unknown(private(&cause)),
    }
}

/// Looks where each look-up leads, and tells of those that should not.
fn find_foreign(
    tx: &mut Tx<'_>,
    master: &KeyRing,
    secrets: &Secrets,
    form: Form,
    watch: &mut dyn Watch,
) -> Result<()> {
    let mut page = lookup::newest(tx);
    let mut edge = (i64::MIN, [0; 16]);
    loop {
        for (hash, target) in page {
            if let Some(subject) = foreign(tx, (hash, &target), master, secrets, form)? {
                watch.found(Defect::LookupForeign, subject);
            }
        }
        page = lookup::after(tx, edge, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        edge = *last;
    }
}

/// What a look-up leads to, if nothing there has its value.
fn foreign(
    tx: &mut Tx<'_>,
    (hash, target): (i64, &[u8; 16]),
    master: &KeyRing,
    secrets: &Secrets,
    form: Form,
) -> Result<Option<String>> {
    if let Some(found) = customer::anywhere(tx, target)? {
        let id = CustomerId::from_bytes(*target);
        return Ok(match expected(found, master, secrets, form) {
            Expected::Hashes(hashes) if hashes.iter().flatten().any(|one| *one == hash) => None,
            // It is told of already, and nobody knows what leads to it.
            Expected::Unknown(_) => None,
            Expected::Hashes(_) => Some(id.to_string()),
            Expected::Erased => Some(format!("{id}, whose data key is destroyed")),
        });
    }
    let record = idempotency::by_id(tx, target)?;
    let good = record.is_some_and(|(record, _)| record.claim.lookup_hash(secrets) == hash);
    Ok((!good).then(|| match CustomerId::from_bytes(*target) {
        id if id.time().as_millis() > 0 => format!("row {id}, which is not there"),
        _ => "a row that is not there".to_owned(),
    }))
}

/// The whole of an error of ours; none of them holds a stored value.
fn private(error: &Error) -> String {
    error
        .cause()
        .map_or_else(|| error.detail().to_owned(), ToString::to_string)
}
