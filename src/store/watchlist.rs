//! The statements of sanctions lists.

use super::{Row, Tx};
use crate::context::Time;
use crate::error::Result;

/// A list without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchListRow {
    /// Rises by one with every list.
    pub version: i64,
    /// Over the entries.
    pub hash: String,
    /// When it came in force.
    pub imported_at: Time,
    /// How many individuals, entities, vessels and aircraft it names.
    pub counts: [i64; 4],
    /// How many names they have beside those under which they are listed.
    pub aliases: i64,
}

/// The version of the list in force.
pub fn version(tx: &mut Tx<'_>) -> Result<Option<i64>> {
    tx.first("SELECT MAX(version) FROM watchlists", &[], |row| {
        row.optional_int(0)
    })
    .map(Option::flatten)
}

/// The list in force.
pub fn in_force(tx: &mut Tx<'_>) -> Result<Option<WatchListRow>> {
    tx.first(
        "SELECT version, hash, imported_at, individuals, entities, vessels, aircraft, aliases
         FROM watchlists ORDER BY version DESC LIMIT 1",
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

/// Puts a list in force and lets go of the entries of those before it.
pub fn insert(tx: &mut Tx<'_>, list: &WatchListRow, parts: &[Vec<u8>]) -> Result<()> {
    let [individuals, entities, vessels, aircraft] = list.counts;
    tx.execute(
        "INSERT INTO watchlists (version, hash, imported_at, individuals, entities, vessels,
                                 aircraft, aliases)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            list.version.into(),
            list.hash.as_str().into(),
            list.imported_at.as_millis().into(),
            individuals.into(),
            entities.into(),
            vessels.into(),
            aircraft.into(),
            list.aliases.into(),
        ],
    )?;
    for (part, entries) in (0i64..).zip(parts) {
        tx.execute(
            "INSERT INTO watchlist_entries (version, part, entries) VALUES ($1, $2, $3)",
            &[list.version.into(), part.into(), entries.as_slice().into()],
        )?;
    }
    tx.execute(
        "DELETE FROM watchlist_entries WHERE version < $1",
        &[list.version.into()],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<WatchListRow> {
    Ok(WatchListRow {
        version: row.int(0)?,
        hash: row.text(1)?,
        imported_at: Time::from_millis(row.int(2)?),
        counts: [row.int(3)?, row.int(4)?, row.int(5)?, row.int(6)?],
        aliases: row.int(7)?,
    })
}
