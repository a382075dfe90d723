//! Typed ids: a prefix, an underscore and the 26 base32 characters of a UUIDv7
//! (TypeID 0.3, RFC 9562), e.g. `cst_01h2xcejqtf2nbrexx3vqjhp41`.
//!
//! An id is 16 bytes inside and text only at the edge. It is never a secret.

use std::sync::Mutex;

use crate::context::{Random, Time};

/// Crockford's base32 in lower case, the alphabet of TypeID.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of the suffix of every id.
pub const SUFFIX_LENGTH: usize = 26;

/// Makes UUIDv7 values that never repeat and always rise within one process,
/// even when the clock stands still or steps back.
#[derive(Debug, Default)]
pub struct IdSource {
    last: Mutex<u128>,
}

impl IdSource {
    /// The next id value for this moment.
    pub fn next(&self, now: Time, random: &Random) -> [u8; 16] {
        let mut noise = [0; 16];
        random.fill(&mut noise);
        let noise = u128::from_be_bytes(noise);
        let millis = u128::from(now.as_millis().unsigned_abs()) & ((1 << 48) - 1);
        // The 74 free bits, the topmost left clear as room to count upwards.
        let fresh = (millis << 74) | (noise & ((1 << 73) - 1));
        let mut last = self
            .last
            .lock()
            .expect("no code panics while it holds this lock");
        *last = if fresh >> 74 > *last >> 74 {
            fresh
        } else {
            // Wide steps, so that two servers that go on behind one id do not meet.
            *last + 1 + (noise & ((1 << 48) - 1))
        };
        uuid_v7(*last)
    }

    /// Continues after an id that exists already, so that a clock that went
    /// back over a restart does not bring ids out of order.
    pub fn continue_after(&self, id: [u8; 16]) {
        let mut last = self
            .last
            .lock()
            .expect("no code panics while it holds this lock");
        *last = (*last).max(free_bits(id));
    }
}

/// Spreads 48 bits of time and 74 free bits around the version and variant.
fn uuid_v7(bits: u128) -> [u8; 16] {
    let high = bits >> 62;
    let low = bits & ((1 << 62) - 1);
    let (time, first) = (high >> 12, high & 0xfff);
    ((time << 80) | (0x7 << 76) | (first << 64) | (0b10 << 62) | low).to_be_bytes()
}

/// The inverse of [`uuid_v7`].
fn free_bits(id: [u8; 16]) -> u128 {
    let value = u128::from_be_bytes(id);
    ((value >> 80) << 74) | (((value >> 64) & 0xfff) << 62) | (value & ((1 << 62) - 1))
}

/// The smallest id that can be made at this moment: the lower edge of a range by time.
#[must_use]
pub fn first_at(time: Time) -> [u8; 16] {
    uuid_v7((u128::from(time.as_millis().max(0).unsigned_abs()) & ((1 << 48) - 1)) << 74)
}

/// A UUIDv7 of a moment and 74 bits that somebody else chose.
#[must_use]
pub fn at_with(time: Time, bits: [u8; 16]) -> [u8; 16] {
    let millis = u128::from(time.as_millis().max(0).unsigned_abs()) & ((1 << 48) - 1);
    uuid_v7((millis << 74) | (u128::from_be_bytes(bits) & ((1 << 74) - 1)))
}

/// The moment in a UUIDv7.
pub(crate) fn time_of(value: &[u8; 16]) -> Time {
    let millis = u128::from_be_bytes(*value) >> 80;
    Time::from_millis(i64::try_from(millis).expect("48 bits are not too many"))
}

/// The 26 characters of a value.
fn encode(value: [u8; 16]) -> String {
    let mut rest = u128::from_be_bytes(value);
    let mut text = [0; SUFFIX_LENGTH];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    text.iter().map(|byte| char::from(*byte)).collect()
}

/// The value of 26 characters; `None` unless they are exactly what [`encode`] writes.
fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != SUFFIX_LENGTH || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes()
        .try_fold(0u128, |value, byte| {
            let digit = ALPHABET.iter().position(|known| *known == byte)?;
            Some((value << 5) | digit as u128)
        })
        .map(u128::to_be_bytes)
}

/// Declares the typed id of one kind of resource.
macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Takes a value made by [`IdSource::next`] or read from the store.
            #[must_use]
            pub const fn from_bytes(value: [u8; 16]) -> Self {
                Self(value)
            }

            /// The value as it is stored.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// When the id was made, to the millisecond (RFC 9562, section 5.7).
            #[must_use]
            pub fn time(&self) -> Time {
                time_of(&self.0)
            }

            /// Reads the text form; `None` for anything else, whatever is wrong with it.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let suffix = text.strip_prefix($prefix)?.strip_prefix('_')?;
                decode(suffix).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(out, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(out, "{self}")
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no such id"))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }
    };
}

typed_id!(
    /// A customer.
    CustomerId,
    "cst"
);
typed_id!(
    /// A webhook.
    WebhookId,
    "whk"
);
typed_id!(
    /// One event for one webhook.
    DeliveryId,
    "whd"
);
typed_id!(
    /// Something that happened.
    EventId,
    "evt"
);
typed_id!(
    /// One asking of the verification provider about one customer.
    VerificationId,
    "ver"
);
typed_id!(
    /// One request, as it stands in `X-Request-Id`, errors and logs.
    RequestId,
    "req"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_example_reads_and_writes() {
        let text = "cst_01h2xcejqtf2nbrexx3vqjhp41";
        let id = CustomerId::parse(text).expect("the contract's example");
        assert_eq!(id.to_string(), text);
        assert_eq!(id.as_bytes()[..6], [0x01, 0x88, 0xba, 0xc7, 0x4a, 0xfa]);
    }

    proptest! {
        #[test]
        fn every_value_survives_its_text(value: [u8; 16]) {
            let id = CustomerId::from_bytes(value);
            prop_assert_eq!(CustomerId::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn text_order_is_time_order(a: [u8; 16], b: [u8; 16]) {
            prop_assert_eq!(a.cmp(&b), encode(a).cmp(&encode(b)));
        }

        #[test]
        fn anything_else_is_refused(text in "(cst_|CST_|req_|)[0-9a-zA-Z_]{0,30}") {
            if let Some(id) = CustomerId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn ids_rise_whatever_the_clock_does(times in prop::collection::vec(0i64..1 << 42, 1..50), seed: u64) {
            let random = Random::seeded(seed);
            let source = IdSource::default();
            let mut last = [0; 16];
            for millis in times {
                let id = source.next(Time::from_millis(millis), &random);
                prop_assert!(id > last);
                prop_assert_eq!(id[6] >> 4, 7);
                prop_assert_eq!(id[8] >> 6, 0b10);
                last = id;
            }
            let restarted = IdSource::default();
            restarted.continue_after(last);
            prop_assert!(restarted.next(Time::from_millis(0), &random) > last);
        }

        #[test]
        fn an_id_is_not_before_the_first_of_its_moment(millis in 0i64..1 << 42, seed: u64) {
            let id = IdSource::default().next(Time::from_millis(millis), &Random::seeded(seed));
            prop_assert!(id >= first_at(Time::from_millis(millis)));
            prop_assert!(id < first_at(Time::from_millis(millis + 1)));
        }
    }
}
