//! How the values of a column come about, told from real ones, and fresh values of the same kind:
//! ids that rise with time go on rising, sealed and hashed bytes are drawn anew in the same length.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use rusqlite::types::Value;

use crate::people::Dice;

/// A column with no more different values than this holds states or names.
const NAMES_MAX: usize = 16;

/// How the values of a column come about.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A rowid that `SQLite` gives.
    Rowid,
    /// A state, a name, a version, JSON: as in the real row.
    Same,
    /// A number that rises with time.
    RisingNumber { last: i64, step: f64 },
    /// An id that rises with time; the first bytes are those of the last one.
    RisingBytes { prefix: usize },
    /// Sealed, hashed or drawn; the first bytes are the same everywhere.
    Random { prefix: usize },
}

impl Shape {
    /// Tells from a column of real values, in order of time, how such values come about.
    pub fn of(values: &[&Value]) -> Self {
        let given: Vec<&Value> = values
            .iter()
            .copied()
            .filter(|value| **value != Value::Null)
            .collect();
        let different: BTreeSet<Vec<u8>> = given.iter().map(|value| bytes(value)).collect();
        if different.len() <= NAMES_MAX || given.iter().any(|value| is_json(value)) {
            return Shape::Same;
        }
        // Writers overlap, so neighbours may change places; rows further apart may not.
        let distance = given.len() / 4;
        let pairs = given.iter().zip(&given[distance..]);
        let ordered = pairs
            .filter(|(a, b)| compare(a, b) != Ordering::Greater)
            .count();
        let rising = ordered * 10 >= (given.len() - distance) * 9;
        let numbers: Option<Vec<i64>> = given
            .iter()
            .map(|value| {
                if let Value::Integer(n) = value {
                    Some(*n)
                } else {
                    None
                }
            })
            .collect();
        match (numbers, rising) {
            (Some(numbers), true) => {
                let (low, high) = numbers.iter().fold((i64::MAX, i64::MIN), |(low, high), n| {
                    (low.min(*n), high.max(*n))
                });
                Shape::RisingNumber {
                    last: high,
                    step: high.saturating_sub(low) as f64 / numbers.len() as f64,
                }
            }
            (Some(_), false) => Shape::Random { prefix: 0 },
            (None, true) => Shape::RisingBytes {
                prefix: common_prefix(&different),
            },
            (None, false) => Shape::Random {
                prefix: common_prefix(&different),
            },
        }
    }

    /// A fresh value for row `index` in the place of a real one; `last` is the latest real one.
    pub fn fresh(&self, value: &Value, last: &Value, index: u64, dice: &mut Dice) -> Value {
        match (self, value) {
            (_, Value::Null | Value::Real(_)) | (Shape::Same, _) => value.clone(),
            (Shape::Rowid, _) => Value::Null,
            (Shape::RisingNumber { last, step }, _) => {
                Value::Integer(last.saturating_add((step * (index + 1) as f64) as i64))
            }
            (_, Value::Integer(number)) => {
                // As many bits as the real one, and its sign.
                let magnitude = dice.roll() >> number.unsigned_abs().leading_zeros().clamp(1, 63);
                let magnitude = i64::try_from(magnitude).unwrap_or(i64::MAX);
                Value::Integer(if *number < 0 { -magnitude } else { magnitude })
            }
            (Shape::RisingBytes { prefix }, Value::Blob(_) | Value::Text(_)) => {
                rise(last, *prefix, index, dice)
            }
            (_, Value::Blob(real)) => {
                let mut blob = real.clone();
                let prefix = prefix_of(self, real.len());
                dice.fill(&mut blob[prefix..]);
                Value::Blob(blob)
            }
            (_, Value::Text(real)) => {
                let keep = prefix_of(self, real.len());
                let kept = real.get(..keep).unwrap_or_default();
                let drawn = (kept.len()..real.len()).map(|_| letter(dice.roll()));
                Value::Text(kept.chars().chain(drawn).collect())
            }
        }
    }
}

/// An id after every real one: the common prefix, the highest byte, a counter, then chance.
fn rise(last: &Value, prefix: usize, index: u64, dice: &mut Dice) -> Value {
    let length = bytes(last).len();
    // A short remainder holds the low digits of the counter only.
    let counter = |place: usize, bits: usize| {
        let digits = (length - prefix).saturating_sub(1).min(48 / bits);
        let shift = digits.checked_sub(place + 1).map(|right| right * bits);
        shift.map(|shift| (index >> shift) & ((1 << bits) - 1))
    };
    match last {
        Value::Blob(real) => {
            let mut blob = real.clone();
            dice.fill(&mut blob[prefix..]);
            for (place, byte) in blob[prefix..].iter_mut().enumerate() {
                match place {
                    0 => *byte = 0xff,
                    _ => *byte = counter(place - 1, 8).map_or(*byte, |digit| digit as u8),
                }
            }
            Value::Blob(blob)
        }
        Value::Text(real) => {
            let kept = real.get(..prefix).unwrap_or_default();
            let rest = (0..length - kept.len()).map(|place| match place {
                0 => 'z',
                _ => letter(counter(place - 1, 5).unwrap_or_else(|| dice.roll())),
            });
            Value::Text(kept.chars().chain(rest).collect())
        }
        other => other.clone(),
    }
}

fn prefix_of(shape: &Shape, length: usize) -> usize {
    match shape {
        Shape::Random { prefix } => (*prefix).min(length),
        _ => 0,
    }
}

/// One of 32 characters that sort as their numbers do.
fn letter(number: u64) -> char {
    char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[(number % 32) as usize])
}

fn common_prefix(values: &BTreeSet<Vec<u8>>) -> usize {
    // In a sorted set the first and the last differ earliest.
    let ends = values.first().zip(values.last());
    ends.map_or(0, |(a, b)| {
        a.iter().zip(b).take_while(|(a, b)| a == b).count()
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Integer(number) => number.to_be_bytes().to_vec(),
        Value::Real(number) => number.to_be_bytes().to_vec(),
        Value::Text(text) => text.as_bytes().to_vec(),
        Value::Blob(blob) => blob.clone(),
    }
}

/// Bytes of a value.
pub fn size(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len() as u64,
        Value::Blob(blob) => blob.len() as u64,
    }
}

/// Numbers by value, all else by bytes.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        _ => bytes(a).cmp(&bytes(b)),
    }
}

/// Values that carry a time: `UUIDv7`, `TypeIDs`, seconds to nanoseconds since 1970.
pub fn is_dated(value: &Value) -> bool {
    match value {
        Value::Blob(blob) => blob.len() == 16 && blob[6] >> 4 == 7,
        Value::Text(text) => text
            .rsplit_once('_')
            .is_some_and(|(_, id)| id.len() == 26 && id.starts_with('0')),
        Value::Integer(number) => {
            let first = 1_600_000_000_i64;
            let scales = [1, 1_000, 1_000_000, 1_000_000_000];
            scales
                .iter()
                .any(|scale| (first * scale..2 * first * scale).contains(number))
        }
        _ => false,
    }
}

fn is_json(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.starts_with(['{', '[']))
}
