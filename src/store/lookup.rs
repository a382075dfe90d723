//! Blind look-ups: a keyed hash leads to the ids of rows. Where they lie is told
//! in `tail.rs`.

use std::collections::HashSet;
use std::ops::Range;

use super::Tx;
use super::tail::{Change, Op, Tail, Target};
use crate::error::Result;

/// Notes that a hash leads to a row.
pub fn insert(tx: &mut Tx<'_>, hash: i64, target: &Target) -> Result<()> {
    if tx.is_spread() {
        return tx.send(
            "INSERT INTO lookups (hash, target) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[hash.into(), target.into()],
        );
    }
    tx.journal.push(Op::adding(hash, *target));
    Ok(())
}

/// Forgets that a hash leads to a row.
pub fn delete(tx: &mut Tx<'_>, hash: i64, target: &Target) -> Result<()> {
    if !tx.is_spread() {
        tx.journal.push(Op::removing(hash, *target));
    }
    delete_folded(tx, hash, target)
}

fn delete_folded(tx: &mut Tx<'_>, hash: i64, target: &Target) -> Result<()> {
    tx.send(
        "DELETE FROM lookups WHERE hash = $1 AND target = $2",
        &[hash.into(), target.into()],
    )
}

/// Forgets all that leads to a row of which these are the hashes, without naming them again.
/// What the journal held of them before stays there until [`rewrite`].
pub fn forget(tx: &mut Tx<'_>, hashes: &[i64], target: &Target) -> Result<()> {
    if !tx.is_spread() {
        tx.journal.push(Op::forgetting(*target));
    }
    hashes
        .iter()
        .try_for_each(|hash| delete_folded(tx, *hash, target))
}

/// The journal's rows that hold hashes of rows which were forgotten since, so that nobody adds
/// to them. Slow: it reads the journal.
pub fn rows_of_forgotten(tx: &mut Tx<'_>, targets: &[Target]) -> Result<Vec<i64>> {
    let mut rows = Vec::new();
    if tx.is_spread() {
        return Ok(rows);
    }
    let sql = "SELECT id, ops FROM lookup_journal ORDER BY id";
    tx.all(sql, &[], |row| {
        let ops = row.bytes(1)?;
        if Op::read_all(&ops).any(|op| names(&op, targets)) {
            rows.push(row.int(0)?);
        }
        Ok(())
    })?;
    Ok(rows)
}

/// Writes rows of the journal anew without the hashes of rows that were forgotten since.
pub fn rewrite(tx: &mut Tx<'_>, rows: &[i64], targets: &[Target]) -> Result<()> {
    for row in rows {
        let sql = "SELECT ops FROM lookup_journal WHERE id = $1";
        let ops = tx.first(sql, &[(*row).into()], |row| row.bytes(0))?;
        let Some(ops) = ops else { continue };
        // The row stays, even with nothing in it: numbers are not used again.
        let left: Vec<_> = Op::read_all(&ops)
            .filter(|op| !names(op, targets))
            .collect();
        tx.execute(
            "UPDATE lookup_journal SET ops = $1 WHERE id = $2",
            &[Op::write_all(&left).as_slice().into(), (*row).into()],
        )?;
    }
    Ok(())
}

/// Whether an op has a hash beside one of these rows.
fn names(op: &Op, targets: &[Target]) -> bool {
    op.change != Change::Forgets && targets.contains(&op.target)
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
    let mut later = Later::read(tx, last, |op| op.concerns(hash))?;
    later
        .ops
        .extend(tx.journal.iter().filter(|op| op.concerns(hash)));
    let removes = later.ops.iter().filter(|op| !op.adds()).count();
    if later.is_all {
        found.clear();
    } else if removes > 0 {
        // What is taken out again must not make a page short.
        found.clear();
        tail.find(hash, range, limit.saturating_add(removes), &mut found);
    }
    for op in later.ops {
        if !op.adds() {
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
    let is_it = |op: &Op| op.concerns(hash) && op.target == *target;
    let mut later = Later::read(tx, last, is_it)?;
    later.ops.extend(tx.journal.iter().filter(|op| is_it(op)));
    let before = leads && !later.is_all;
    Ok(later.ops.last().map_or(before, Op::adds))
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

/// Forgets every look-up that leads to a row, whatever its hash. Slow: it reads all
/// look-ups, and is for restored data only.
pub fn delete_all(tx: &mut Tx<'_>, target: &Target) -> Result<()> {
    forget(tx, &[], target)?;
    tx.send("DELETE FROM lookups WHERE target = $1", &[target.into()])
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
    for target in newest.iter().map(|lookup| lookup.1).collect::<HashSet<_>>() {
        forget(tx, &[], &target)?;
    }
    let folded = tx.execute(
        "DELETE FROM lookups WHERE target IN (
              SELECT c.id FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
              WHERE k.id IS NULL)",
        &[],
    )?;
    Ok(newest.len() + folded)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::context::Random;
    use crate::store::{LogOf, Store};

    /// The files in which a hash stands beside its row.
    fn files_with(folder: &Path, pairs: &[(i64, Target)]) -> Vec<String> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(hash, target)| [&hash.to_be_bytes()[..], target].concat())
            .collect();
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let stands = |path: &Path| {
            let bytes = std::fs::read(path).unwrap();
            let mut windows = bytes.windows(24);
            windows.any(|window| pairs.iter().any(|pair| pair == window))
        };
        files
            .filter(|path| stands(path))
            .map(|path| path.display().to_string())
            .collect()
    }

    /// Through folds, splits of pages and rows that come between: nothing that was forgotten
    /// stands in any file, whether it was folded or not.
    #[tokio::test]
    async fn what_is_forgotten_stands_in_no_file() {
        let random = Random::seeded(11);
        let folder = std::env::temp_dir().join(format!("oms-lookup-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        Store::create_folder(&folder).unwrap();
        let store = Store::open(&Config::for_data(&folder)).unwrap();
        let mut pairs: Vec<(i64, Target)> = Vec::new();
        for number in 0..1_500u128 {
            let target = number.to_be_bytes();
            let hashes = [0; 3].map(|_: i64| i64::from_be_bytes(random.bytes()));
            pairs.extend(hashes.map(|hash| (hash, target)));
            let write = store.write(move |tx| {
                hashes
                    .iter()
                    .try_for_each(|hash| insert(tx, *hash, &target))
            });
            write.await.unwrap();
            // One who goes soon, and one who came long ago.
            for gone in [number, number / 2] {
                if number % 50 != 0 || !pairs.iter().any(|pair| pair.1 == gone.to_be_bytes()) {
                    continue;
                }
                let target = gone.to_be_bytes();
                let (its, others): (Vec<_>, Vec<_>) =
                    pairs.drain(..).partition(|pair| pair.1 == target);
                pairs = others;
                let hashes: Vec<_> = its.iter().map(|pair| pair.0).collect();
                let write = store.write(move |tx| forget(tx, &hashes, &target));
                write.await.unwrap();
                let rows = store.read(move |tx| rows_of_forgotten(tx, &[target]));
                let rows = rows.await.unwrap();
                let write = store.write(move |tx| rewrite(tx, &rows, &[target]));
                write.await.unwrap();
                for log in [LogOf::Keys, LogOf::Data] {
                    assert!(store.empty_log(log).await.unwrap());
                }
                assert_eq!(files_with(&folder, &its), [""; 0], "row {gone} at {number}");
            }
        }
        assert!(!files_with(&folder, &pairs[..3]).is_empty());
        let folded =
            store.read(|tx| tx.first("SELECT COUNT(*) FROM lookups", &[], |row| row.int(0)));
        assert!(
            folded.await.unwrap().unwrap() > 3_000,
            "hardly anything was folded"
        );
        store.close();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
