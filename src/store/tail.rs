//! The newest look-ups, in memory.
//!
//! A look-up hash is random, so putting each into its B-tree at once dirties a
//! page of its own: at a million customers that alone is most of a write. So the
//! look-ups of a commit are journalled as one row, in time order, and found here;
//! when many have gathered they are folded into the table `lookups` in the order
//! of their hashes, which touches each page once for all of them.
//!
//! Nothing lives only here: a start reads the journal again. Its length is bounded
//! by [`FOLD_AT`] twice over, that is about 50 MiB of memory.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::RwLock;

/// Look-ups that gather before they are folded; few in this crate's own tests, so
/// that these see it happen.
pub(super) const FOLD_AT: usize = if cfg!(test) { 64 } else { 400_000 };

/// The id of a row.
pub(super) type Target = [u8; 16];

/// What happens to look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// One comes.
    Adds,
    /// One goes.
    Removes,
    /// All that lead to the target go, whatever their hashes: none is named, so that an erased
    /// customer's hash does not stand in the journal for the sake of its removal.
    Forgets,
}

/// A change of look-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    /// 0 where all of the target's are meant.
    pub(super) hash: i64,
    pub(super) target: Target,
    pub(super) change: Change,
}

/// Bytes of an op in the journal: hash, target, and what happens.
const OP_BYTES: usize = 8 + 16 + 1;

impl Op {
    pub(super) const fn adding(hash: i64, target: Target) -> Self {
        let change = Change::Adds;
        Self {
            hash,
            target,
            change,
        }
    }

    pub(super) const fn removing(hash: i64, target: Target) -> Self {
        let change = Change::Removes;
        Self {
            hash,
            target,
            change,
        }
    }

    pub(super) const fn forgetting(target: Target) -> Self {
        let change = Change::Forgets;
        Self {
            hash: 0,
            target,
            change,
        }
    }

    pub(super) fn adds(&self) -> bool {
        self.change == Change::Adds
    }

    /// Whether it matters to those who look for a hash.
    pub(super) fn concerns(&self, hash: i64) -> bool {
        self.hash == hash || self.change == Change::Forgets
    }

    /// Whether it takes a look-up out.
    pub(super) fn takes_out(&self, hash: i64, target: &Target) -> bool {
        !self.adds() && self.target == *target && self.concerns(hash)
    }

    /// Ops as one journal row holds them.
    pub(super) fn write_all(ops: &[Self]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ops.len() * OP_BYTES);
        for op in ops {
            bytes.extend_from_slice(&op.hash.to_be_bytes());
            bytes.extend_from_slice(&op.target);
            bytes.push(op.change as u8);
        }
        bytes
    }

    /// The ops of a journal row; a torn one cannot be, rows are all or nothing.
    pub(super) fn read_all(bytes: &[u8]) -> impl Iterator<Item = Self> + '_ {
        bytes.chunks_exact(OP_BYTES).map(|bytes| Self {
            hash: i64::from_be_bytes(bytes[..8].try_into().expect("eight bytes")),
            target: bytes[8..24].try_into().expect("sixteen bytes"),
            change: match bytes[24] {
                0 => Change::Adds,
                1 => Change::Removes,
                _ => Change::Forgets,
            },
        })
    }
}

/// The look-ups that are not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Tail(RwLock<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// The last journal row that was taken in.
    last: i64,
    active: Lookups,
    /// Being folded; still found here until that is committed.
    frozen: Lookups,
}

/// Few rows share a hash, so the first stands without an allocation of its own. The others
/// stand in their order: of a hash that many share, a page costs no more than of one that few do.
#[derive(Debug, Default)]
struct Lookups {
    first: HashMap<i64, Target>,
    more: BTreeSet<(i64, Target)>,
}

impl Lookups {
    fn add(&mut self, hash: i64, target: Target) {
        let first = self.first.entry(hash).or_insert(target);
        if *first != target {
            self.more.insert((hash, target));
        }
    }

    fn remove(&mut self, hash: i64, target: Target) {
        if self.first.get(&hash) == Some(&target) {
            self.first.remove(&hash);
            let all = (hash, Target::default())..=(hash, [0xff; 16]);
            let next = self.more.range(all).next().copied();
            if let Some(next) = next {
                self.more.remove(&next);
                self.first.insert(hash, next.1);
            }
        } else {
            self.more.remove(&(hash, target));
        }
    }

    /// The newest rows of a hash in a range, and perhaps an older one.
    fn find(&self, hash: i64, range: &Range<Target>, limit: usize, found: &mut Vec<Target>) {
        let Some(first) = self.first.get(&hash) else {
            return;
        };
        if range.contains(first) {
            found.push(*first);
        }
        if !self.more.is_empty() && range.start < range.end {
            let more = self.more.range((hash, range.start)..(hash, range.end));
            found.extend(more.rev().take(limit).map(|more| more.1));
        }
    }

    fn leads(&self, hash: i64, target: &Target) -> bool {
        self.first.get(&hash) == Some(target) || self.more.contains(&(hash, *target))
    }

    /// Forgets all that lead to a row. Slow: it looks at every one.
    fn forget(&mut self, target: &Target) {
        self.more.retain(|one| one.1 != *target);
        let led = self.first.iter().filter(|one| one.1 == target);
        let hashes: Vec<_> = led.map(|one| *one.0).collect();
        for hash in hashes {
            self.remove(hash, *target);
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }
}

impl Tail {
    /// Takes in a journal row that was committed.
    pub(super) fn publish(&self, row: i64, ops: impl IntoIterator<Item = Op>) {
        let mut parts = self
            .0
            .write()
            .expect("no code panics while it holds this lock");
        parts.last = parts.last.max(row);
        for op in ops {
            match op.change {
                Change::Adds => parts.active.add(op.hash, op.target),
                Change::Removes => {
                    parts.active.remove(op.hash, op.target);
                    parts.frozen.remove(op.hash, op.target);
                }
                Change::Forgets => {
                    parts.active.forget(&op.target);
                    parts.frozen.forget(&op.target);
                }
            }
        }
    }

    /// The rows that a hash leads to in a range, at least the `limit` newest of them; and the
    /// last journal row from which they were learnt.
    pub(super) fn find(
        &self,
        hash: i64,
        range: &Range<Target>,
        limit: usize,
        found: &mut Vec<Target>,
    ) -> i64 {
        let parts = self
            .0
            .read()
            .expect("no code panics while it holds this lock");
        parts.active.find(hash, range, limit, found);
        parts.frozen.find(hash, range, limit, found);
        parts.last
    }

    /// Whether a hash leads to a row; and the last journal row from which this was learnt.
    pub(super) fn leads(&self, hash: i64, target: &Target) -> (bool, i64) {
        let parts = self
            .0
            .read()
            .expect("no code panics while it holds this lock");
        let leads = parts.active.leads(hash, target) || parts.frozen.leads(hash, target);
        (leads, parts.last)
    }

    /// Every look-up that is not in the table yet.
    pub(super) fn all(&self) -> Vec<(i64, Target)> {
        let parts = self
            .0
            .read()
            .expect("no code panics while it holds this lock");
        let all = [&parts.active, &parts.frozen].into_iter().flat_map(|part| {
            let first = part.first.iter().map(|(hash, target)| (*hash, *target));
            first.chain(part.more.iter().copied())
        });
        all.collect()
    }

    /// Whether enough have gathered to be folded.
    pub(super) fn is_full(&self) -> bool {
        let parts = self
            .0
            .read()
            .expect("no code panics while it holds this lock");
        parts.active.len() >= FOLD_AT
    }

    /// Sets aside what has gathered and gives it in the order of the table.
    pub(super) fn freeze(&self) -> Vec<(i64, Target)> {
        let mut parts = self
            .0
            .write()
            .expect("no code panics while it holds this lock");
        parts.frozen = std::mem::take(&mut parts.active);
        let frozen = &parts.frozen;
        let first = frozen.first.iter().map(|(hash, target)| (*hash, *target));
        let mut sorted: Vec<_> = first.chain(frozen.more.iter().copied()).collect();
        drop(parts);
        sorted.sort_unstable();
        sorted
    }

    /// Whether a look-up that was set aside is still to be folded.
    pub(super) fn is_frozen(&self, hash: i64, target: Target) -> bool {
        let parts = self
            .0
            .read()
            .expect("no code panics while it holds this lock");
        parts.frozen.leads(hash, &target)
    }

    /// Becomes another one, in one step for those who look.
    pub(super) fn replace(&self, other: Self) {
        let parts = other.0.into_inner();
        let parts = parts.expect("no code panics while it holds this lock");
        *self
            .0
            .write()
            .expect("no code panics while it holds this lock") = parts;
    }

    /// Forgets what was set aside: it is in the table now.
    pub(super) fn thaw(&self) {
        let mut parts = self
            .0
            .write()
            .expect("no code panics while it holds this lock");
        parts.frozen = Lookups::default();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn target(number: u8) -> Target {
        [number; 16]
    }

    proptest! {
        /// Against a plain set, whatever comes, goes, freezes and thaws.
        #[test]
        fn the_tail_finds_what_a_plain_set_holds(
            steps in prop::collection::vec((0u8..8, 0i64..4, 0u8..4), 1..200)
        ) {
            let tail = Tail::default();
            let (mut model, mut table) = (HashSet::new(), HashSet::new());
            let mut frozen = Vec::new();
            for (row, (step, hash, number)) in steps.into_iter().enumerate() {
                let row = i64::try_from(row).unwrap();
                match step {
                    0..=2 => {
                        tail.publish(row, [Op::adding(hash, target(number))]);
                        model.insert((hash, target(number)));
                    }
                    3 => {
                        tail.publish(row, [Op::removing(hash, target(number))]);
                        model.remove(&(hash, target(number)));
                        table.remove(&(hash, target(number)));
                    }
                    4 if frozen.is_empty() => frozen = tail.freeze(),
                    5 => {
                        tail.publish(row, [Op::forgetting(target(number))]);
                        model.retain(|one: &(i64, Target)| one.1 != target(number));
                        table.retain(|one: &(i64, Target)| one.1 != target(number));
                    }
                    _ => {
                        let left = frozen.drain(..).filter(|(hash, target)| tail.is_frozen(*hash, *target));
                        table.extend(left);
                        tail.thaw();
                    }
                }
                for hash in 0..4 {
                    let mut found = Vec::new();
                    tail.find(hash, &([0; 16]..[0xff; 16]), usize::MAX, &mut found);
                    let mut found: HashSet<_> = found.into_iter().map(|target| (hash, target)).collect();
                    found.extend(table.iter().filter(|row| row.0 == hash));
                    let wanted: HashSet<_> = model.iter().filter(|row| row.0 == hash).copied().collect();
                    prop_assert_eq!(found, wanted);
                }
            }
        }

        /// Of however many that share a hash, the newest of a range come, and few others.
        #[test]
        fn the_newest_of_a_range_are_found(
            targets in prop::collection::hash_set(any::<u8>(), 0..60),
            frozen in 0usize..60,
            (from, before) in (any::<u8>(), any::<u8>()),
            limit in 1usize..8,
        ) {
            let tail = Tail::default();
            for (place, number) in targets.iter().enumerate() {
                if place == frozen {
                    tail.freeze();
                }
                tail.publish(1, [Op::adding(7, target(*number))]);
            }
            let mut found = Vec::new();
            tail.find(7, &(target(from)..target(before)), limit, &mut found);
            prop_assert!(found.len() <= 2 * (limit + 1));
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.truncate(limit);
            let mut wanted: Vec<_> = targets.iter().filter(|n| (from..before).contains(n)).map(|n| target(*n)).collect();
            wanted.sort_unstable_by(|a, b| b.cmp(a));
            wanted.truncate(limit);
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn a_journal_row_reads_as_it_was_written(ops in prop::collection::vec((any::<i64>(), any::<[u8; 16]>(), 0u8..3), 0..20)) {
            let op = |(hash, target, change)| match change {
                0 => Op::adding(hash, target),
                1 => Op::removing(hash, target),
                _ => Op::forgetting(target),
            };
            let ops: Vec<_> = ops.into_iter().map(op).collect();
            let bytes = Op::write_all(&ops);
            prop_assert_eq!(Op::read_all(&bytes).collect::<Vec<_>>(), ops);
        }
    }
}
