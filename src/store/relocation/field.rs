//! The values of a row while it is under way, how a key of them is packed, and a hash over
//! rows that is the same on both engines and in whatever order they are read.

use std::fmt;

use aws_lc_rs::digest;

use super::table::Kind;
use crate::error::{Error, Result};
use crate::store::{Row, Value};

/// What stands in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Field {
    pub(super) fn read(row: &Row<'_>, column: usize, kind: Kind) -> Result<Self> {
        let field = match kind {
            Kind::Int => row.optional_int(column)?.map(Self::Int),
            Kind::Text => row.optional_text(column)?.map(Self::Text),
            Kind::Bytes => row.optional_bytes(column)?.map(Self::Bytes),
        };
        Ok(field.unwrap_or(Self::Null))
    }

    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => bytes.as_slice().into(),
        }
    }

    pub(super) fn int(&self) -> Result<i64> {
        match self {
            Self::Int(number) => Ok(*number),
            _ => Err(unreadable()),
        }
    }

    pub(super) fn array<const N: usize>(&self) -> Result<[u8; N]> {
        match self {
            Self::Bytes(bytes) => bytes.as_slice().try_into().map_err(|_| unreadable()),
            _ => Err(unreadable()),
        }
    }

    fn pack(&self, out: &mut Vec<u8>) {
        let (tag, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Int(number) => (1, &number.to_be_bytes()),
            Self::Text(text) => (2, text.as_bytes()),
            Self::Bytes(bytes) => (3, bytes),
        };
        out.push(tag);
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(bytes);
    }
}

fn unreadable() -> Error {
    Error::internal("a column holds a value of another kind than the schema says")
}

/// Fields in one value: for each its kind, its length and its bytes.
pub(super) fn pack(fields: &[Field]) -> Vec<u8> {
    let mut packed = Vec::new();
    for field in fields {
        field.pack(&mut packed);
    }
    packed
}

/// The fields that were packed; `None` when it is not so.
pub(super) fn unpack(mut packed: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while let Some((tag, rest)) = packed.split_first() {
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        packed = rest;
        fields.push(match tag {
            0 => Field::Null,
            1 => Field::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
            2 => Field::Text(String::from_utf8(bytes.to_vec()).ok()?),
            3 => Field::Bytes(bytes.to_vec()),
            _ => return None,
        });
    }
    Some(fields)
}

/// How many rows, and the sum of their SHA-256: it tells of a row that is missing, comes
/// twice or is another, not of somebody who chose rows to deceive it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many rows.
    pub rows: u64,
    sum: [u64; 4],
}

impl Digest {
    pub(super) fn add(&mut self, row: &[Field]) {
        let hash = digest::digest(&digest::SHA256, &pack(row));
        let (words, _) = hash.as_ref().as_chunks::<8>();
        for (sum, word) in self.sum.iter_mut().zip(words) {
            *sum = sum.wrapping_add(u64::from_be_bytes(*word));
        }
        self.rows += 1;
    }
}

/// The hash in hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum
            .iter()
            .try_for_each(|word| write!(out, "{word:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [Vec<Field>; 3] {
        [
            vec![Field::Int(-1), Field::Null, Field::Text("ä".into())],
            vec![Field::Bytes(vec![0, 255]), Field::Text(String::new())],
            vec![],
        ]
    }

    #[test]
    fn what_was_packed_is_unpacked_and_what_is_cut_off_is_none() {
        for row in rows() {
            let packed = pack(&row);
            assert_eq!(unpack(&packed), Some(row.clone()));
            for end in 1..packed.len() {
                assert_ne!(unpack(&packed[..end]), Some(row.clone()));
            }
        }
        assert_eq!(unpack(&[9, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn a_digest_sees_every_row_and_no_order() {
        let digest = |rows: &[&Vec<Field>]| {
            let mut digest = Digest::default();
            for row in rows {
                digest.add(row);
            }
            digest
        };
        let [a, b, c] = &rows();
        assert_eq!(digest(&[a, b, c]), digest(&[c, a, b]));
        assert_ne!(digest(&[a, b]), digest(&[a, b, b]));
        assert_ne!(digest(&[a, a]), digest(&[b, b]));
        // Where a field ends counts.
        let split = |one: &str, two: &str| vec![Field::Text(one.into()), Field::Text(two.into())];
        assert_ne!(digest(&[&split("ab", "c")]), digest(&[&split("a", "bc")]));
    }
}
