//! A form of a word, quickly compared with very many others, and how far two are apart.

use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// A form of a word, with what tells quickly that another one is none like it.
#[derive(Clone, Debug)]
pub(super) struct Form {
    text: String,
    hash: u64,
    /// A bit for each letter; some share one.
    letters: u32,
}

impl Form {
    pub(super) fn new(text: String) -> Self {
        let letters = text.bytes().map(|letter| 1 << (letter & 31));
        Self {
            hash: hash(0, text.bytes()),
            letters: letters.fold(0, |all, letter: u32| all | letter),
            text,
        }
    }

    /// How far two forms are apart, as [`apart`] counts it; one more than `most` for more.
    pub(super) fn apart(&self, other: &Self, most: usize) -> usize {
        let lacks = |a: u32, b: u32| (a & !b).count_ones() as usize > most;
        if lacks(self.letters, other.letters) || lacks(other.letters, self.letters) {
            return most + 1;
        }
        apart(self, other, most)
    }
}

impl Deref for Form {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Form {}

impl Hash for Form {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// How many letters are left out, added, others or exchanged with a neighbour (the
/// "optimal string alignment" of two words); one more than `most` for more.
pub(super) fn apart(a: &str, b: &str, most: usize) -> usize {
    slips(a.as_bytes(), b.as_bytes(), most).unwrap_or(most + 1)
}

/// What both begin with costs nothing; each slip may be of four kinds.
fn slips(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same..], &b[same..]);
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    if a.is_empty() || b.is_empty() {
        return Some(a.len().max(b.len()));
    }
    let most = most.checked_sub(1)?;
    let exchanged = match (a, b) {
        ([a, next, rest @ ..], [b, other, others @ ..]) if a == other && next == b => {
            slips(rest, others, most)
        }
        _ => None,
    };
    let ways = [
        slips(&a[1..], &b[1..], most),
        slips(&a[1..], b, most),
        slips(a, &b[1..], most),
        exchanged,
    ];
    ways.into_iter().flatten().min().map(|slips| slips + 1)
}

/// FNV-1a: the same on every machine and in every run.
pub(super) fn hash(space: u8, bytes: impl Iterator<Item = u8>) -> u64 {
    std::iter::once(space)
        .chain(bytes)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slips_are_counted_as_the_textbook_does(
            a in "[abS]{0,7}", b in "[abS]{0,7}", most in 0usize..4
        ) {
            let counted = strsim::osa_distance(&a, &b).min(most + 1);
            prop_assert_eq!(apart(&a, &b, most), counted);
            prop_assert_eq!(Form::new(a).apart(&Form::new(b), most), counted);
        }
    }
}
