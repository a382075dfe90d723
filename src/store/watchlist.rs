//! The statements of sanctions lists.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Row, Tx};
use crate::context::Time;
use crate::error::{Error, Result};

/// A list without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchListRow {
    /// The step of the set of lists with which it came in force: each import of another list
    /// and each removal raises the version of the set by one.
    pub version: i64,
    /// Under which name it is in force.
    pub name: String,
    /// The day of which the list is.
    pub dated: Date,
    /// Over the entries.
    pub hash: String,
    /// When it came in force.
    pub imported_at: Time,
    /// How many individuals, entities, vessels and aircraft it names.
    pub counts: [i64; 4],
    /// How many names they have beside those under which they are listed.
    pub aliases: i64,
}

impl WatchListRow {
    /// How many entries it has.
    #[must_use]
    pub fn entries(&self) -> i64 {
        self.counts.iter().sum()
    }

    /// The first moment of its day, in seconds since 1970.
    #[must_use]
    pub fn dated_s(&self) -> i64 {
        let moment = self.dated.to_zoned(TimeZone::UTC);
        moment.map_or(0, |moment| moment.timestamp().as_second())
    }

    /// How many days old it is on a day.
    #[must_use]
    pub fn age_days(&self, today: Date) -> i32 {
        let age = today.since(self.dated);
        age.map_or(0, |age| age.get_days()).max(0)
    }
}

/// The last step of the set of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The version of the set.
    pub version: i64,
    /// Since when it is the one in force.
    pub since: Time,
}

/// The version of the set in force.
pub fn version(tx: &mut Tx<'_>) -> Result<Option<i64>> {
    Ok(newest(tx)?.map(|step| step.version))
}

/// The last step: an import or a removal.
pub fn newest(tx: &mut Tx<'_>) -> Result<Option<Step>> {
    tx.first(
        "SELECT version, imported_at FROM watchlists ORDER BY version DESC LIMIT 1",
        &[],
        |row| {
            Ok(Step {
                version: row.int(0)?,
                since: Time::from_millis(row.int(1)?),
            })
        },
    )
}

/// The lists in force, by name.
pub fn in_force(tx: &mut Tx<'_>) -> Result<Vec<WatchListRow>> {
    tx.all(
        "SELECT version, name, dated, hash, imported_at, individuals, entities, vessels, aircraft,
                aliases
         FROM watchlists
         WHERE removed = 0 AND version IN (SELECT MAX(version) FROM watchlists GROUP BY name)
         ORDER BY name",
        &[],
        read,
    )
}

/// The parts of a list, in order.
pub fn parts(tx: &mut Tx<'_>, version: i64) -> Result<Vec<Vec<u8>>> {
    tx.all(
        "SELECT entries FROM watchlist_entries WHERE version = $1 ORDER BY part",
        &[version.into()],
        |row| row.bytes(0),
    )
}

/// Puts a list in force and lets go of the entries of those of its name before it.
pub fn insert(tx: &mut Tx<'_>, list: &WatchListRow, parts: &[Vec<u8>]) -> Result<()> {
    insert_step(tx, list, 0)?;
    for (part, entries) in (0i64..).zip(parts) {
        tx.execute(
            "INSERT INTO watchlist_entries (version, part, entries) VALUES ($1, $2, $3)",
            &[list.version.into(), part.into(), entries.as_slice().into()],
        )?;
    }
    Ok(())
}

/// Ends the list of a name and lets go of its entries. `end` is what is known of it, with the
/// version and the time of its end.
pub fn remove(tx: &mut Tx<'_>, end: &WatchListRow) -> Result<()> {
    insert_step(tx, end, 1)
}

fn insert_step(tx: &mut Tx<'_>, list: &WatchListRow, removed: i64) -> Result<()> {
    let [individuals, entities, vessels, aircraft] = list.counts;
    tx.execute(
        "INSERT INTO watchlists (version, name, dated, hash, imported_at, individuals, entities,
                                 vessels, aircraft, aliases, removed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            list.version.into(),
            list.name.as_str().into(),
            list.dated.to_string().as_str().into(),
            list.hash.as_str().into(),
            list.imported_at.as_millis().into(),
            individuals.into(),
            entities.into(),
            vessels.into(),
            aircraft.into(),
            list.aliases.into(),
            removed.into(),
        ],
    )?;
    tx.execute(
        "DELETE FROM watchlist_entries
         WHERE version IN (SELECT version FROM watchlists WHERE name = $1 AND version < $2)",
        &[list.name.as_str().into(), list.version.into()],
    )?;
    Ok(())
}

/// Notes that a list in force is of a later day than was known: it was published again unchanged.
pub fn set_date(tx: &mut Tx<'_>, version: i64, dated: Date) -> Result<()> {
    tx.send(
        "UPDATE watchlists SET dated = $1 WHERE version = $2",
        &[dated.to_string().as_str().into(), version.into()],
    )
}

fn read(row: &Row<'_>) -> Result<WatchListRow> {
    let imported_at = Time::from_millis(row.int(4)?);
    let dated = match row.optional_text(2)? {
        Some(text) => text.parse().map_err(Error::internal)?,
        None => imported_at.date(),
    };
    Ok(WatchListRow {
        version: row.int(0)?,
        name: row.text(1)?,
        dated,
        hash: row.text(3)?,
        imported_at,
        counts: [row.int(5)?, row.int(6)?, row.int(7)?, row.int(8)?],
        aliases: row.int(9)?,
    })
}
