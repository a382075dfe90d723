//! Repeatable randomness from a seed (splitmix64).

use jiff::civil::Date;

/// The generator.
pub struct Random(pub u64);

impl Random {
    /// The next number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).expect("below a usize")
    }

    /// One of them.
    pub fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A birth date of somebody between 18 and 80.
    pub fn birth_date(&mut self) -> Date {
        let year = 1945 + i16::try_from(self.below(62)).expect("small");
        let month = 1 + i8::try_from(self.below(12)).expect("small");
        let day = 1 + i8::try_from(self.below(28)).expect("small");
        Date::new(year, month, day).expect("every month has 28 days")
    }
}
