//! Blind look-ups: a keyed hash leads to the ids of rows. Where they lie is told
//! in `tail.rs`.

use std::collections::HashSet;
use std::ops::Range;

use super::Tx;
use super::tail::{Op, Tail, Target};
use crate::error::Result;

/// Notes that a hash leads to a row.
pub fn insert(tx: &mut Tx<'_>, hash: i64, target: &Target) -> Result<()> {
    if tx.is_spread() {
        return tx.send(
            "INSERT INTO lookups (hash, target) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[hash.into(), target.into()],
        );
    }
    tx.journal.push(Op {
        hash,
        target: *target,
        removes: false,
    });
    Ok(())
}

/// Forgets that a hash leads to a row.
pub fn delete(tx: &mut Tx<'_>, hash: i64, target: &Target) -> Result<()> {
    if !tx.is_spread() {
        tx.journal.push(Op {
            hash,
            target: *target,
            removes: true,
        });
    }
    tx.send(
        "DELETE FROM lookups WHERE hash = $1 AND target = $2",
        &[hash.into(), target.into()],
    )
}

/// The rows that a hash leads to in a range and that are not in the table yet, at least the
/// `limit` newest of them, those of this commit included.
pub fn newest_targets(
    tx: &mut Tx<'_>,
    hash: i64,
    range: &Range<Target>,
    limit: usize,
) -> Result<Vec<Target>> {
    let mut found = Vec::new();
    let Some(tail) = tx.tail() else {
        return Ok(found);
    };
    let last = tail.find(hash, range, limit, &mut found);
    let mut later = Later::read(tx, last, |op| op.hash == hash)?;
    later
        .ops
        .extend(tx.journal.iter().filter(|op| op.hash == hash));
    let removes = later.ops.iter().filter(|op| op.removes).count();
    if later.is_all {
        found.clear();
    } else if removes > 0 {
        // What is taken out again must not make a page short.
        found.clear();
        tail.find(hash, range, limit.saturating_add(removes), &mut found);
    }
    for op in later.ops {
        if op.removes {
            found.retain(|target| *target != op.target);
        } else if range.contains(&op.target) {
            found.push(op.target);
        }
    }
    Ok(found)
}

/// Whether a hash leads to a row by a look-up that is not in the table yet.
fn newest_leads(tx: &mut Tx<'_>, hash: i64, target: &Target) -> Result<bool> {
    let Some(tail) = tx.tail() else {
        return Ok(false);
    };
    let (leads, last) = tail.leads(hash, target);
    let is_it = |op: &Op| op.hash == hash && op.target == *target;
    let mut later = Later::read(tx, last, is_it)?;
    later.ops.extend(tx.journal.iter().filter(|op| is_it(op)));
    let before = leads && !later.is_all;
    Ok(later.ops.last().map_or(before, |op| !op.removes))
}

/// What another process journalled that the tail has not read, as a snapshot knows it. Only a
/// reader is behind at all: a writer reads the journal before it begins.
#[derive(Default)]
struct Later {
    ops: Vec<Op>,
    /// The other process has folded what the tail holds: the rest of the journal is here.
    is_all: bool,
}

impl Later {
    fn read(tx: &mut Tx<'_>, last: i64, wanted: impl Fn(&Op) -> bool) -> Result<Self> {
        let mut later = Self::default();
        if !tx.may_be_ahead_of_tail() {
            return Ok(later);
        }
        tx.all(
            "SELECT f.through, j.ops FROM lookup_fold f LEFT JOIN lookup_journal j ON j.id > $1
             ORDER BY j.id",
            &[last.into()],
            |row| {
                later.is_all = row.int(0)? > last;
                let ops = row.optional_bytes(1)?.unwrap_or_default();
                later.ops.extend(Op::read_all(&ops).filter(&wanted));
                Ok(())
            },
        )?;
        Ok(later)
    }
}

/// The hashes that lead to a row and that are not in the table yet, those of this
/// commit included, perhaps more. Slow: it looks at every new look-up.
fn newest_hashes(tx: &Tx<'_>, target: &Target) -> Vec<i64> {
    let own = tx.journal.iter().map(|op| (op.hash, op.target));
    newest(tx)
        .into_iter()
        .chain(own)
        .filter(|lookup| lookup.1 == *target)
        .map(|lookup| lookup.0)
        .collect()
}

/// Forgets every look-up that leads to a row, whatever its hash. Slow: it reads all
/// look-ups, and is for restored data only.
pub fn delete_all(tx: &mut Tx<'_>, target: &Target) -> Result<()> {
    // The tail first: what leaves it meanwhile is in the table already.
    let mut hashes = newest_hashes(tx, target);
    hashes.extend(tx.all(
        "SELECT hash FROM lookups WHERE target = $1",
        &[target.into()],
        |row| row.int(0),
    )?);
    hashes.sort_unstable();
    hashes.dedup();
    hashes
        .into_iter()
        .try_for_each(|hash| delete(tx, hash, target))
}

/// At most so many of the rows that a hash leads to, the newest first, between
/// `from` (included) and `before` (not included). Whoever asks compares the rows:
/// two values may share a hash.
pub fn targets(
    tx: &mut Tx<'_>,
    hash: i64,
    (from, before): (&Target, &Target),
    limit: usize,
) -> Result<Vec<Target>> {
    // The tail first: what leaves it meanwhile is in the table already.
    let mut found = newest_targets(tx, hash, &(*from..*before), limit)?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    found.extend(tx.all(
        "SELECT target FROM lookups WHERE hash = $1 AND target >= $2 AND target < $3
         ORDER BY target DESC LIMIT $4",
        &[hash.into(), from.into(), before.into(), most.into()],
        |row| row.array(0),
    )?);
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    found.truncate(limit);
    Ok(found)
}

/// The ends of a range that holds every row.
pub const EVERYWHERE: (&[u8; 16], &[u8; 16]) = (&[0; 16], &[0xff; 16]);

/// Whether a hash leads to a row.
pub fn leads(tx: &mut Tx<'_>, hash: i64, target: &[u8; 16]) -> Result<bool> {
    if newest_leads(tx, hash, target)? {
        return Ok(true);
    }
    let one = tx.first(
        "SELECT 1 FROM lookups WHERE hash = $1 AND target = $2",
        &[hash.into(), target.into()],
        |row| row.int(0),
    )?;
    Ok(one.is_some())
}

/// How many there are; those that are being folded count twice.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    let count = tx.first("SELECT COUNT(*) FROM lookups", &[], |row| row.int(0))?;
    let newest = i64::try_from(newest(tx).len()).unwrap_or(i64::MAX);
    Ok(count.unwrap_or_default() + newest)
}

/// Those that are not in the table yet.
#[must_use]
pub fn newest(tx: &Tx<'_>) -> Vec<(i64, Target)> {
    tx.tail().map(Tail::all).unwrap_or_default()
}

/// The look-ups in the table after one, in their order, to look at every one.
pub fn after(tx: &mut Tx<'_>, edge: (i64, [u8; 16]), limit: i64) -> Result<Vec<(i64, [u8; 16])>> {
    tx.all(
        "SELECT hash, target FROM lookups WHERE (hash, target) > ($1, $2)
         ORDER BY hash, target LIMIT $3",
        &[edge.0.into(), (&edge.1).into(), limit.into()],
        |row| Ok((row.int(0)?, row.array(1)?)),
    )
}

/// Forgets every look-up that leads to a customer whose data key is destroyed;
/// gives their number. Reads the whole table.
pub fn delete_of_erased(tx: &mut Tx<'_>) -> Result<usize> {
    let erased: HashSet<Target> = tx
        .all(
            "SELECT c.id FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
             WHERE k.id IS NULL",
            &[],
            |row| row.array(0),
        )?
        .into_iter()
        .collect();
    let mut newest = newest(tx);
    newest.retain(|(_, target)| erased.contains(target));
    for (hash, target) in &newest {
        delete(tx, *hash, target)?;
    }
    let folded = tx.execute(
        "DELETE FROM lookups WHERE target IN (
              SELECT c.id FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
              WHERE k.id IS NULL)",
        &[],
    )?;
    Ok(newest.len() + folded)
}
