//! Makes new inputs from seeds: the same ones whenever the number is the same.

use crate::context::Random;

/// Bytes that readers of text and of binary formats stumble over.
const ODD: [&[u8]; 32] = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\r\n",
    b"\n\n",
    b"\"",
    b"\"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b",",
    b";",
    b":",
    b"%00",
    b"%",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"null",
    b"-1",
    b"0",
    b"1e309",
    b"-0.0",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\xef\xbb\xbf",
    "\u{202e}".as_bytes(),
    "\u{fdfa}".as_bytes(),
    "e\u{301}".as_bytes(),
    "ǅ".as_bytes(),
    "𐏿".as_bytes(),
    b"\x7f\xff\xff\xff",
];

/// Changes of one input at most.
const MOST_CHANGES: usize = 8;

/// Bytes of the longest input.
const LONGEST: usize = 64 << 10;

/// A stream of choices.
pub(super) struct Choices(Random);

impl Choices {
    /// Those of the input of a number, in the run of a seed.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        Self(Random::seeded(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number,
        ))
    }

    /// One below the limit, which is not zero.
    fn below(&self, limit: usize) -> usize {
        let any = u64::from_be_bytes(self.0.bytes());
        usize::try_from(any % limit as u64).expect("below a usize")
    }

    fn pick<'a, T: ?Sized>(&self, among: &[&'a T]) -> &'a T {
        among[self.below(among.len())]
    }

    /// A range in a text of this length, mostly a short one.
    fn range(&self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 8 };
        start..(start + self.below(most + 1)).min(length)
    }

    /// A seed with a few changes.
    pub(super) fn mutate(&self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        let mut input = self.pick(&seeds).to_vec();
        for _ in 0..=self.below(MOST_CHANGES) {
            self.change(&mut input, &seeds);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&self, input: &mut Vec<u8>, seeds: &[&[u8]]) {
        let range = self.range(input.len());
        match self.below(8) {
            0 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            1 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] = self.0.bytes::<1>()[0];
            }
            2 => drop(input.drain(range)),
            3 => {
                let again = input[range.clone()].to_vec();
                let times = 1 + self.below(16) * self.below(16);
                if again.len() * times < LONGEST {
                    input.splice(range.start..range.start, again.repeat(times));
                }
            }
            4 => {
                // A digit more or less is another number.
                if let Some(at) = input[range].iter_mut().find(|byte| byte.is_ascii_digit()) {
                    *at = b'0' + u8::try_from(self.below(10)).expect("a digit");
                }
            }
            5 => {
                let other = self.pick(seeds);
                let part = other[self.range(other.len())].to_vec();
                input.splice(range, part);
            }
            6 => input.truncate(range.end),
            _ => {
                let odd = self.pick(&ODD).to_vec();
                input.splice(range, odd);
            }
        }
    }
}
