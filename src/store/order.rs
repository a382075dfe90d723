//! One order of everything that happened, for those who are told of it one after the other.
//!
//! The embedded engine writes in one order, the `place` of a row. Where many write at once,
//! such an order at the time of writing would be one row that all of them wait for. There it
//! is given afterwards, by whoever asks: each writer's new rows get a range of places in one
//! step, `event_places`. A row has its place once and for good, and rows get theirs only after
//! they were committed, so that nobody who reads up to a place misses one before it.

use super::Tx;
use crate::error::Result;

/// Writers whose new rows get places in one transaction.
const MOST_WRITERS: i64 = 1_000;

/// Whether rows wait for their places.
pub(super) fn is_behind(tx: &mut Tx<'_>) -> Result<bool> {
    let one = tx.first(
        "SELECT 1 FROM writers w LEFT JOIN placed_writers p ON p.writer = w.id
         WHERE w.position > COALESCE(p.position, 0) LIMIT 1",
        &[],
        |row| row.int(0),
    )?;
    Ok(one.is_some())
}

/// Gives every committed row its place.
pub(super) fn settle(tx: &mut Tx<'_>) -> Result<()> {
    let ahead = tx.all(
        "SELECT w.id, COALESCE(p.position, 0), w.position
         FROM writers w LEFT JOIN placed_writers p ON p.writer = w.id
         WHERE w.position > COALESCE(p.position, 0) ORDER BY w.touched_at, w.id LIMIT $1",
        &[MOST_WRITERS.into()],
        |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)),
    )?;
    let mut last = last(tx)?;
    for (writer, start, position) in ahead {
        let first = last + 1;
        last += position - start;
        tx.send(
            "INSERT INTO event_places (last, first, writer, start) VALUES ($1, $2, $3, $4)",
            &[last.into(), first.into(), writer.into(), start.into()],
        )?;
        tx.send(
            "INSERT INTO placed_writers (writer, position) VALUES ($1, $2)
             ON CONFLICT (writer) DO UPDATE SET position = excluded.position",
            &[writer.into(), position.into()],
        )?;
    }
    Ok(())
}

/// The last place that was given.
pub(super) fn last(tx: &mut Tx<'_>) -> Result<i64> {
    let last = tx.first(
        "SELECT last FROM event_places ORDER BY last DESC LIMIT 1",
        &[],
        |row| row.int(0),
    )?;
    Ok(last.unwrap_or(0))
}
