//! Which words have a key: many millions of pairs, made once and looked up without a
//! tree or an allocation of its own for each key.

/// Words by their keys.
#[derive(Default)]
pub(super) struct Keys {
    pairs: Vec<(u64, u32)>,
    /// Where the pairs begin whose keys begin with so many.
    starts: Vec<usize>,
}

/// The bits that a key begins with.
const BITS: u32 = 16;

impl Keys {
    /// Sorts the pairs of keys and words.
    pub(super) fn new(mut pairs: Vec<(u64, u32)>) -> Self {
        pairs.sort_unstable();
        let mut starts = Vec::with_capacity((1 << BITS) + 1);
        for (place, (key, _)) in pairs.iter().enumerate() {
            while starts.len() <= first_bits(*key) {
                starts.push(place);
            }
        }
        starts.resize((1 << BITS) + 1, pairs.len());
        Self { pairs, starts }
    }

    /// The words that have a key, in order.
    pub(super) fn of(&self, key: u64) -> impl Iterator<Item = u32> {
        let bits = first_bits(key);
        let range = self.starts.get(bits).zip(self.starts.get(bits + 1));
        let near = range.map_or(&[][..], |(start, end)| &self.pairs[*start..*end]);
        let from = near.partition_point(|(other, _)| *other < key);
        let same = near[from..]
            .iter()
            .take_while(move |(other, _)| *other == key);
        same.map(|(_, word)| *word)
    }
}

fn first_bits(key: u64) -> usize {
    usize::try_from(key >> (u64::BITS - BITS)).expect("16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_by_its_keys_and_no_other() {
        let keys = [0, 1, 1 << 48, (1 << 48) + 5, u64::MAX - 1, u64::MAX];
        let pairs = keys
            .iter()
            .zip(0u32..)
            .flat_map(|(key, word)| [(*key, word), (*key, 99)]);
        let mut pairs: Vec<_> = pairs.collect();
        pairs.reverse();
        let found = Keys::new(pairs);
        for (key, word) in keys.iter().zip(0u32..) {
            assert_eq!(found.of(*key).collect::<Vec<_>>(), [word, 99], "{key}");
        }
        assert_eq!(found.of(2).count() + found.of(1 << 60).count(), 0);
        assert_eq!(Keys::default().of(7).count(), 0);
        assert_eq!(Keys::new(Vec::new()).of(7).count(), 0);
    }
}
