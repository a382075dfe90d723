//! The lists in force: each put there whole and read whole, in place of the one of its name. The
//! set of them is known by a version that rises with every import and removal, so that a server
//! with screeners can tell that there is a newer set.

use std::sync::Arc;

use jiff::civil::Date;

use super::{Kind, ListName, WatchList, stored};
use crate::context::Time;
use crate::core::screening::{Hit, Screener, Subject};
use crate::error::{Error, Result};
use crate::store::{Store, watchlist};

/// What is known of a list in force without reading it.
pub use crate::store::watchlist::WatchListRow as Summary;

/// A list from so many entries on is not replaced by one of less than half:
/// that is how a file looks that was cut off at the end of a line.
const WELL_FILLED: i64 = 1000;

/// Lists in force at a time.
const MOST_LISTS: usize = 16;

/// Entries of all lists in force together: every server holds an index of them in memory.
const MOST_ENTRIES: i64 = 500_000;

/// What to do with a list that lost more than half of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shrinking {
    /// It is refused.
    Refused,
    /// Somebody knows that it is right.
    Allowed,
}

/// A list that is to come in force.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// In place of the one of this name.
    pub name: &'a ListName,
    /// The list.
    pub list: &'a WatchList,
    /// The day of which it is.
    pub dated: Date,
    /// Whether it may have lost more than half of its entries.
    pub shrinking: Shrinking,
}

/// The lists in force, ready to screen with.
#[derive(Debug)]
pub struct InForce {
    /// The version of the set.
    pub version: i64,
    /// Each list, by name.
    pub lists: Vec<(Summary, Arc<Screener>)>,
}

impl InForce {
    /// Everybody on any of the lists whom the subject may be, the likeliest first. A list
    /// finds whom it would find alone: what is common on one makes nobody on another less rare.
    #[must_use]
    pub fn screen_above(&self, subject: &Subject, threshold: f64) -> Vec<Hit> {
        let screeners = self.lists.iter().map(|(_, screener)| screener);
        let mut hits: Vec<_> = screeners
            .flat_map(|screener| screener.screen_above(subject, threshold))
            .collect();
        // The sort is stable: those alike stay in the order of the lists.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits
    }

    /// Whether a list of this name is in force.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.lists.iter().any(|(list, _)| list.name == name)
    }
}

/// Puts a list in force under its name, whole, and tells what is known of it now; `false` when
/// it was in force already: then the version stays, and a later date is noted.
///
/// # Errors
/// When the list is empty or lost more than half of its entries, there are too many, or the
/// store is away.
pub async fn import(store: &Store, new: &Import<'_>, now: Time) -> Result<(Summary, bool)> {
    if new.list.entries.is_empty() {
        return Err(Error::internal("the list is empty; the one in force stays"));
    }
    let (parts, hash) = stored::write(&new.list.entries)?;
    let row = Summary {
        version: 0,
        name: new.name.as_str().to_owned(),
        dated: new.dated,
        hash,
        imported_at: now,
        counts: Kind::ALL.map(|kind| count(new.list.count(kind))),
        aliases: count(new.list.aliases()),
    };
    let shrinking = new.shrinking;
    let shared = Arc::new((row, parts));
    store
        .write(move |tx| {
            let (row, parts) = &*shared;
            let mut lists = watchlist::in_force(tx)?;
            let place = lists.iter().position(|list| list.name == row.name);
            let old = place.map(|place| lists.remove(place));
            if let Some(mut old) = old.clone().filter(|old| old.hash == row.hash) {
                if row.dated > old.dated {
                    watchlist::set_date(tx, old.version, row.dated)?;
                    old.dated = row.dated;
                }
                return Ok((old, false));
            }
            if shrinking == Shrinking::Refused {
                refuse_halved(old.as_ref(), row)?;
            }
            refuse_too_many(&lists, row)?;
            let row = Summary {
                version: watchlist::version(tx)?.unwrap_or(0) + 1,
                ..row.clone()
            };
            watchlist::insert(tx, &row, parts)?;
            Ok((row, true))
        })
        .await
}

/// Takes the list of a name out of force, and tells what was known of it.
///
/// # Errors
/// When there is none of this name, it is the last one, or the store is away.
pub async fn remove(store: &Store, name: &ListName, now: Time) -> Result<Summary> {
    let name = name.clone();
    store
        .write(move |tx| {
            let lists = watchlist::in_force(tx)?;
            let named = lists.iter().find(|list| list.name == name.as_str());
            let Some(list) = named else {
                let known: Vec<_> = lists.iter().map(|list| list.name.as_str()).collect();
                let known = match known[..] {
                    [] => "none is".to_owned(),
                    _ => format!("these are: {}", known.join(", ")),
                };
                return Err(Error::internal(format!(
                    "no list named {name} is in force; {known}"
                )));
            };
            if lists.len() == 1 {
                return Err(Error::internal(format!(
                    "{name} is the only list in force, and without one nobody is screened; import another one first"
                )));
            }
            let end = Summary {
                version: watchlist::version(tx)?.unwrap_or(0) + 1,
                imported_at: now,
                ..list.clone()
            };
            watchlist::remove(tx, &end)?;
            Ok(list.clone())
        })
        .await
}

/// What is known of the lists in force, and the version of the set; `None` before the first.
///
/// # Errors
/// When the store is away.
pub async fn summaries(store: &Store) -> Result<Option<(i64, Vec<Summary>)>> {
    store
        .read(|tx| {
            let Some(version) = watchlist::version(tx)? else {
                return Ok(None);
            };
            Ok(Some((version, watchlist::in_force(tx)?)))
        })
        .await
}

/// Reads the lists in force and makes their indexes, but for those that are `known`; `None`
/// before the first.
///
/// # Errors
/// When the store is away, or what it holds is damaged.
pub async fn load(store: &Store, known: Option<&InForce>) -> Result<Option<InForce>> {
    let known = known.map_or(&[][..], |known| &known.lists);
    let versions: Vec<i64> = known.iter().map(|(list, _)| list.version).collect();
    let found = store
        .read(move |tx| {
            let Some(version) = watchlist::version(tx)? else {
                return Ok(None);
            };
            let mut lists = Vec::new();
            for list in watchlist::in_force(tx)? {
                let parts = if versions.contains(&list.version) {
                    Vec::new()
                } else {
                    watchlist::parts(tx, list.version)?
                };
                lists.push((list, parts));
            }
            Ok(Some((version, lists)))
        })
        .await?;
    let Some((version, found)) = found else {
        return Ok(None);
    };
    let mut lists = Vec::new();
    for (list, parts) in found {
        let same = known
            .iter()
            .find(|(known, _)| known.version == list.version);
        let screener = match same {
            Some((_, screener)) => Arc::clone(screener),
            None => Arc::new(screener(&list, &parts)?),
        };
        lists.push((list, screener));
    }
    Ok(Some(InForce { version, lists }))
}

fn screener(list: &Summary, parts: &[Vec<u8>]) -> Result<Screener> {
    let entries = stored::read(parts)?;
    let found = count(entries.len());
    if found != list.entries() {
        return Err(Error::internal(format!(
            "the stored watch list {} has {found} entries in place of {}; import it again",
            list.name,
            list.entries()
        )));
    }
    Ok(Screener::new(&list.name, &WatchList { entries }))
}

fn refuse_halved(old: Option<&Summary>, new: &Summary) -> Result<()> {
    let Some(old) = old.filter(|old| old.entries() >= WELL_FILLED) else {
        return Ok(());
    };
    if new.entries() * 2 >= old.entries() {
        return Ok(());
    }
    Err(Error::internal(format!(
        "the list has {} entries, the one in force as {} {}: is it cut off, or another list, which wants another \
         --name? The one in force stays; --allow-smaller puts this one in its place",
        new.entries(),
        old.name,
        old.entries()
    )))
}

fn refuse_too_many(others: &[Summary], new: &Summary) -> Result<()> {
    if others.len() >= MOST_LISTS {
        return Err(Error::internal(format!(
            "{MOST_LISTS} lists are in force, which is the most; oms watchlist remove takes one out"
        )));
    }
    let entries = others.iter().map(Summary::entries).sum::<i64>() + new.entries();
    if entries > MOST_ENTRIES {
        return Err(Error::internal(format!(
            "with this list {entries} entries would be in force, the most are {MOST_ENTRIES}"
        )));
    }
    Ok(())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
