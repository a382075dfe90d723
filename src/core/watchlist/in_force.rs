//! The list in force: put there whole, read whole, known by a version that
//! rises, so that whoever holds a screener can tell that there is a newer list.

use std::sync::Arc;

use super::{Kind, WatchList, stored};
use crate::context::Time;
use crate::core::screening::Screener;
use crate::error::{Error, Result};
use crate::store::{Store, watchlist};

/// What is known of the list in force without reading it.
pub use crate::store::watchlist::WatchListRow as Summary;

/// A list from so many entries on is not replaced by one of less than half:
/// that is how a file looks that was cut off at the end of a line.
const WELL_FILLED: i64 = 1000;

/// What to do with a list that lost more than half of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrinking {
    /// It is refused.
    Refused,
    /// Somebody knows that it is right.
    Allowed,
}

/// The list in force, ready to screen with.
#[derive(Debug)]
pub struct InForce {
    /// Its version.
    pub version: i64,
    /// Its index.
    pub screener: Screener,
}

/// Puts a list in force, whole, and tells what is known of it now; `false` when
/// it was in force already, and its version stays.
///
/// # Errors
/// When the list is empty or lost more than half of its entries, or the store is away.
pub async fn import(
    store: &Store,
    list: &WatchList,
    now: Time,
    shrinking: Shrinking,
) -> Result<(Summary, bool)> {
    if list.entries.is_empty() {
        return Err(Error::internal("the list is empty; the one in force stays"));
    }
    let (parts, hash) = stored::write(&list.entries)?;
    let row = Summary {
        version: 0,
        hash,
        imported_at: now,
        counts: Kind::ALL.map(|kind| count(list.count(kind))),
        aliases: count(list.aliases()),
    };
    let shared = Arc::new((row, parts));
    store
        .write(move |tx| {
            let (row, parts) = &*shared;
            let old = watchlist::in_force(tx)?;
            match old {
                Some(old) if old.hash == row.hash => return Ok((old, false)),
                Some(old) if shrinking == Shrinking::Refused && halved(&old, row) => {
                    return Err(Error::internal(format!(
                        "the list has {} entries, the one in force {}: is it cut off? The one in force stays; \
                         --allow-smaller puts this one in its place",
                        total(row),
                        total(&old)
                    )));
                }
                _ => {}
            }
            let row = Summary {
                version: watchlist::version(tx)?.unwrap_or(0) + 1,
                ..row.clone()
            };
            watchlist::insert(tx, &row, parts)?;
            Ok((row, true))
        })
        .await
}

/// The version of the list in force; `None` before the first.
///
/// # Errors
/// When the store is away.
pub async fn version(store: &Store) -> Result<Option<i64>> {
    store.read(watchlist::version).await
}

/// What is known of the list in force.
///
/// # Errors
/// When the store is away.
pub async fn summary(store: &Store) -> Result<Option<Summary>> {
    store.read(watchlist::in_force).await
}

/// Reads the list in force and makes its index; `None` before the first.
///
/// # Errors
/// When the store is away, or what it holds is damaged.
pub async fn load(store: &Store) -> Result<Option<InForce>> {
    let found = store
        .read(|tx| {
            let version = watchlist::version(tx)?;
            version
                .map(|version| Ok((version, watchlist::parts(tx, version)?)))
                .transpose()
        })
        .await?;
    found
        .map(|(version, parts)| {
            let entries = stored::read(&parts)?;
            Ok(InForce {
                version,
                screener: Screener::new(&WatchList { entries }),
            })
        })
        .transpose()
}

fn halved(old: &Summary, new: &Summary) -> bool {
    total(old) >= WELL_FILLED && total(new) * 2 < total(old)
}

fn total(list: &Summary) -> i64 {
    list.counts.iter().sum()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
