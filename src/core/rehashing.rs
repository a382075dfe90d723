//! Changes of the key by which customers are found: made known to every server first, then put
//! in force, then everybody is hashed anew, and the key before is destroyed. Requests go on
//! meanwhile; they look under both keys.
//!
//! Who is written by a key that is in force no longer is noted in the transaction that writes,
//! so that nothing depends on how fast a server hears of a change.

use zeroize::Zeroizing;

use super::installation::Installation;
use super::roster::Customer;
use crate::error::{Code, Error, Result};
use crate::failpoint;
use crate::id::CustomerId;
use crate::store::customer::{self, Found, Place};
use crate::store::hash_key::{self, HashKeyRow};
use crate::store::lookup_epoch::{self, Lease, NO_EPOCH, Stale};
use crate::store::{LogOf, Tx, lookup};
use crate::vault::{FIRST_EPOCH, HashKey, HashKeys, KEY_LENGTH, KeyRing, Secrets};

/// Customers who are hashed anew in one transaction, so that no request waits long behind it.
const BATCH: i64 = 64;

/// Who works before there is anybody.
const NOBODY: [u8; 16] = [0; 16];

/// How long a process holds the work without going on.
const LEASE_S: i64 = 15;

/// The keys of a store that is looked at.
///
/// # Errors
/// When one does not open.
pub fn read(tx: &mut Tx<'_>, ring: &KeyRing, secrets: &Secrets) -> Result<HashKeys> {
    // A copy of a version before this one does not have the tables.
    let rows = hash_key::all(tx).unwrap_or_default();
    let epochs = lookup_epoch::all(tx).unwrap_or_default();
    open(&rows, &epochs, ring, secrets)
}

fn open(
    rows: &[HashKeyRow],
    epochs: &[i64],
    ring: &KeyRing,
    secrets: &Secrets,
) -> Result<HashKeys> {
    let mut keys = Vec::with_capacity(rows.len() + 1);
    if rows.is_empty() || epochs.contains(&FIRST_EPOCH) {
        keys.push(secrets.first_hash_key());
    }
    for row in rows {
        let bytes = ring.unwrap("hash_key", &row.epoch.to_be_bytes(), &row.wrapped)?;
        keys.push(HashKey::new(row.epoch, row.in_force_at.is_some(), &bytes));
    }
    Ok(HashKeys::new(keys))
}

/// What an opened store needs before anybody is looked up: a key in force, and look-ups that
/// stand by keys that are there.
///
/// # Errors
/// When the store is away, or a key does not open.
pub async fn prepare(installation: &Installation) -> Result<()> {
    let store = &installation.store;
    if store.is_spread() {
        store.write(lookup_epoch::drop_dead).await?;
    }
    let rows = store.read(hash_key::all).await?;
    if rows.is_empty() {
        // Who is there already was hashed by a version before this one.
        let mark = store.write(|tx| {
            if lookup_epoch::all(tx)?.is_empty() && customer::count(tx)? > 0 {
                lookup_epoch::insert(tx, FIRST_EPOCH)?;
            }
            Ok(())
        });
        mark.await?;
        let first = make(installation, FIRST_EPOCH)?;
        let in_force_at = Some(first.made_at);
        insert(
            installation,
            HashKeyRow {
                in_force_at,
                ..first
            },
        )
        .await?;
    }
    let read = |tx: &mut Tx<'_>| Ok((hash_key::all(tx)?, lookup_epoch::all(tx)?));
    let (rows, mut epochs) = store.read(read).await?;
    let newest = rows.iter().rev().find(|row| row.in_force_at.is_some());
    let missing = || Error::internal("no hash key is in force");
    let newest = newest.ok_or_else(missing)?.epoch;
    if !epochs.contains(&newest) {
        let is_older = epochs.is_empty();
        let mark = store.write(move |tx| {
            // A copy of a version before this one was put in the place of the data.
            if is_older && customer::count(tx)? > 0 {
                lookup_epoch::insert(tx, FIRST_EPOCH)?;
            }
            lookup_epoch::insert(tx, newest)?;
            lookup_epoch::all(tx)
        });
        epochs = mark.await?;
    }
    learn(installation, &rows, &epochs)?;
    if epochs.contains(&NO_EPOCH) {
        tracing::warn!(
            "the data is a copy whose hash key was destroyed since; every customer is hashed anew first"
        );
        // Two that start at once do it twice, which does no harm.
        loop {
            let Some(mut next) = take_on(installation, NO_EPOCH, NOBODY).await? else {
                break;
            };
            while let Some(place) = step(installation, NO_EPOCH, NOBODY, next).await? {
                next = place;
            }
            while fix_stale(installation).await? > 0 {}
            if finish(installation, NO_EPOCH).await? {
                break;
            }
        }
    }
    Ok(())
}

fn learn(installation: &Installation, rows: &[HashKeyRow], epochs: &[i64]) -> Result<()> {
    let secrets = &installation.secrets;
    let keys = open(rows, epochs, &installation.master, secrets)?;
    secrets.set_hash_keys(keys);
    Ok(())
}

/// Takes in keys that another process made, put in force or destroyed.
///
/// # Errors
/// When the store is away, or a key does not open.
pub async fn refresh(installation: &Installation) -> Result<()> {
    let read = |tx: &mut Tx<'_>| Ok((hash_key::all(tx)?, lookup_epoch::all(tx)?));
    let (rows, epochs) = installation.store.read(read).await?;
    let mut found: Vec<_> = rows
        .iter()
        .map(|row| (row.epoch, row.in_force_at.is_some()))
        .collect();
    if epochs.contains(&FIRST_EPOCH) {
        found.insert(0, (FIRST_EPOCH, true));
    }
    if installation.secrets.hash_keys().epochs() != found {
        learn(installation, &rows, &epochs)?;
    }
    Ok(())
}

/// The key of an epoch after another one. Its number is the time, so that it is of no other key,
/// not even in a copy of another history.
fn make(installation: &Installation, after: i64) -> Result<HashKeyRow> {
    let (context, ring) = (&installation.context, &installation.master);
    let epoch = context.now().as_millis().max(after + 1);
    let bytes = Zeroizing::new(context.random.bytes::<KEY_LENGTH>());
    let id = epoch.to_be_bytes();
    let wrapped = ring.wrap("hash_key", &id, &*bytes, &context.random);
    if *ring.unwrap("hash_key", &id, &wrapped)? != bytes[..] {
        return Err(Error::internal("a hash key does not open again"));
    }
    Ok(HashKeyRow {
        epoch,
        wrapped,
        made_at: context.now(),
        in_force_at: None,
        spent_at: None,
    })
}

/// Makes the key of the next epoch, for every server to hear of.
///
/// # Errors
/// When the store is away.
pub async fn begin(installation: &Installation, after: i64) -> Result<()> {
    insert(installation, make(installation, after)?).await?;
    refresh(installation).await
}

/// Stores a key, unless another process made one meanwhile.
async fn insert(installation: &Installation, row: HashKeyRow) -> Result<()> {
    let insert = installation.store.write(move |tx| {
        let others = hash_key::all(tx)?;
        let is_wanted = match row.in_force_at {
            Some(_) => others.is_empty(),
            None => others.iter().all(|one| one.in_force_at.is_some()),
        };
        if is_wanted {
            hash_key::insert(tx, &row)?;
        }
        Ok(())
    });
    insert.await
}

/// From now on what is stored is hashed by the key of an epoch, which every server has heard of.
///
/// # Errors
/// When the store is away.
pub async fn put_in_force(installation: &Installation, epoch: i64) -> Result<()> {
    let store = &installation.store;
    // The data first: no look-up stands by an epoch that it does not name.
    store
        .write(move |tx| lookup_epoch::insert(tx, epoch))
        .await?;
    failpoint::reach("rehashing.announced");
    let now = installation.context.now();
    store
        .write(move |tx| hash_key::put_in_force(tx, epoch, now))
        .await?;
    refresh(installation).await
}

/// Destroys the keys of epochs by which nobody stands, in every file.
///
/// # Errors
/// When the store is away, or somebody reads the key register without end.
pub async fn destroy(installation: &Installation, epochs: Vec<i64>) -> Result<()> {
    let store = &installation.store;
    let delete = store.write(move |tx| {
        let mut epochs = epochs.iter();
        epochs.try_for_each(|epoch| hash_key::delete(tx, *epoch))
    });
    delete.await?;
    refresh(installation).await?;
    if store.empty_log(LogOf::Keys).await? {
        return Ok(());
    }
    Err(Error::unavailable("the key register is being read", 5))
}

/// One customer who is hashed anew.
struct Rehash {
    stale: Stale,
    removed: Vec<i64>,
    added: Vec<i64>,
}

impl Rehash {
    /// `None` when the customer's data key is destroyed.
    fn of(found: Found, installation: &Installation, keys: &HashKeys) -> Result<Option<Self>> {
        let stale = Stale {
            project: found.0.project,
            customer: found.0.id,
            version: found.0.version,
            used: keys.newest().epoch(),
            known: keys.newest_known(),
        };
        let Some(customer) = Customer::open(found, &installation.master)? else {
            return Ok(None);
        };
        let identity = customer.open_identity()?;
        let newest = keys.newest();
        let others = keys.iter().filter(|key| key.epoch() < newest.epoch());
        Ok(Some(Self {
            stale,
            removed: others
                .flat_map(|key| customer.hashes(&identity, key))
                .collect(),
            added: customer.hashes(&identity, newest),
        }))
    }

    fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        let Stale {
            project, customer, ..
        } = self.stale;
        if customer::version(tx, project, customer)? != Some(self.stale.version) {
            return lookup_epoch::note(tx, self.stale);
        }
        let target = customer.as_bytes();
        for hash in &self.removed {
            lookup::delete(tx, *hash, target)?;
        }
        let mut added = self.added.iter();
        added.try_for_each(|hash| lookup::insert(tx, *hash, target))
    }
}

/// Takes on hashing anew everybody who may stand by an epoch: the place from where to go on;
/// `None` when another process is at it.
///
/// # Errors
/// When the store is away.
pub async fn take_on(
    installation: &Installation,
    epoch: i64,
    owner: [u8; 16],
) -> Result<Option<Place>> {
    refresh(installation).await?;
    let now = installation.context.settled_now();
    let lease = lease(installation, owner);
    let claim = installation
        .store
        .write(move |tx| lookup_epoch::claim(tx, epoch, &lease, now));
    claim.await
}

/// Hashes anew the next few: the place behind them; `None` when there are no more. Who comes
/// behind the last is hashed by the newest key, or noted.
///
/// # Errors
/// When the store is away, or another process took over.
pub async fn step(
    installation: &Installation,
    epoch: i64,
    owner: [u8; 16],
    place: Place,
) -> Result<Option<Place>> {
    let store = &installation.store;
    let page = store.read(move |tx| customer::after(tx, place, BATCH));
    let page = page.await?;
    let Some((last, _)) = page.last() else {
        return Ok(None);
    };
    let next = (last.project, *last.id.as_bytes());
    let keys = installation.secrets.hash_keys();
    let newest = keys.newest().epoch();
    if newest <= epoch {
        return Err(is_not_known());
    }
    let mut changes = Vec::with_capacity(page.len());
    for found in page {
        let id = found.0.id;
        changes.extend(passed_over(id, Rehash::of(found, installation, &keys))?);
    }
    let lease = lease(installation, owner);
    let write = store.write(move |tx| {
        if !lookup_epoch::advance(tx, epoch, &next, &lease)? {
            return Err(Error::unavailable("another process hashes anew now", 5));
        }
        if hash_key::in_force(tx)? != Some(newest) {
            return Err(is_not_known());
        }
        changes.iter().try_for_each(|change| change.write(tx))
    });
    write.await?;
    failpoint::reach("rehashing.step");
    Ok(Some(next))
}

fn is_not_known() -> Error {
    Error::unavailable("the newest hash key is not known here yet", 1)
}

/// An altered row is found by nothing; the others go on.
fn passed_over(id: CustomerId, change: Result<Option<Rehash>>) -> Result<Option<Rehash>> {
    match change {
        Err(error) if error.code() != Code::ServiceUnavailable => {
            let cause = error.cause().map(ToString::to_string).unwrap_or_default();
            tracing::error!(%id, cause, "a customer cannot be hashed anew and is passed over");
            Ok(None)
        }
        other => other,
    }
}

/// Behind the last step: nobody stands by an epoch any more; `false` while somebody is noted
/// who might.
///
/// # Errors
/// When the store is away.
pub async fn finish(installation: &Installation, epoch: i64) -> Result<bool> {
    let finish = installation
        .store
        .write(move |tx| lookup_epoch::finish(tx, epoch));
    let finished = finish.await?;
    failpoint::reach("rehashing.finished");
    refresh(installation).await?;
    Ok(finished)
}

fn lease(installation: &Installation, owner: [u8; 16]) -> Lease {
    Lease {
        owner,
        until: installation.context.settled_now().plus_seconds(LEASE_S),
    }
}

/// Puts the look-ups of some in order who are noted; gives their number.
///
/// # Errors
/// When the store is away.
pub async fn fix_stale(installation: &Installation) -> Result<usize> {
    let store = &installation.store;
    let noted = store.read(|tx| lookup_epoch::stale(tx, BATCH)).await?;
    let count = noted.len();
    for stale in noted {
        let Stale {
            project, customer, ..
        } = stale;
        let found = store.read(move |tx| customer::find(tx, project, customer));
        let keys = installation.secrets.hash_keys();
        let newest = keys.newest().epoch();
        let change = match found.await? {
            Some(found) => passed_over(customer, Rehash::of(found, installation, &keys))?,
            None => None,
        };
        // Who wrote did not know by which epochs else the customer was found, or the key that
        // was used is gone.
        let is_unknown = stale.known < newest || keys.iter().all(|key| key.epoch() != stale.used);
        let write = store.write(move |tx| {
            if hash_key::in_force(tx)? != Some(newest) {
                return Err(is_not_known());
            }
            if is_unknown {
                lookup::delete_all(tx, customer.as_bytes())?;
            }
            lookup_epoch::forget_stale(tx, stale)?;
            change.iter().try_for_each(|change| change.write(tx))
        });
        write.await?;
    }
    Ok(count)
}
