//! The values of statements as the protocol writes them, in binary.

use super::super::Value;
use crate::error::{Error, Result};

/// Columns of the widest result.
const MOST_COLUMNS: usize = 32;

/// What a column or an argument holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An integer of so many bytes.
    Int(u8),
    Text,
    Bytes,
    /// Nothing that a statement of ours should have.
    Other,
}

impl Kind {
    /// The kind of a type's number in the catalogue of types.
    pub(super) const fn of(oid: u32) -> Self {
        match oid {
            20 => Self::Int(8),
            21 => Self::Int(2),
            23 => Self::Int(4),
            17 => Self::Bytes,
            19 | 25 | 1043 => Self::Text,
            _ => Self::Other,
        }
    }

    /// Writes an argument; `false` when it is of another kind.
    pub(super) fn put(self, out: &mut Vec<u8>, value: &Value<'_>) -> bool {
        let bytes = match (self, value) {
            (_, Value::Null) => {
                out.extend((-1i32).to_be_bytes());
                return true;
            }
            (Self::Int(width), Value::Int(number)) => {
                return put_int(out, width, *number);
            }
            (Self::Text, Value::Text(text)) => text.as_bytes(),
            (Self::Bytes, Value::Bytes(bytes)) => bytes,
            _ => return false,
        };
        let Ok(length) = i32::try_from(bytes.len()) else {
            return false;
        };
        out.extend(length.to_be_bytes());
        out.extend_from_slice(bytes);
        true
    }
}

fn put_int(out: &mut Vec<u8>, width: u8, number: i64) -> bool {
    let bytes = number.to_be_bytes();
    let cut = 8 - usize::from(width);
    let fits = match width {
        2 => i16::try_from(number).is_ok(),
        4 => i32::try_from(number).is_ok(),
        _ => true,
    };
    out.extend(i32::from(width).to_be_bytes());
    out.extend_from_slice(&bytes[cut..]);
    fits
}

/// One row of a result.
pub(in crate::store) struct Row<'a> {
    kinds: &'a [Kind],
    cells: [Option<&'a [u8]>; MOST_COLUMNS],
}

impl<'a> Row<'a> {
    /// Reads the body of a row message.
    pub(super) fn read(kinds: &'a [Kind], body: &'a [u8]) -> Option<Self> {
        let mut cells = [None; MOST_COLUMNS];
        let (count, mut rest) = body.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_be_bytes(*count));
        if count != kinds.len() {
            return None;
        }
        for cell in cells.get_mut(..count)? {
            let (length, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            // A negative length is NULL.
            if let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) {
                let (bytes, after) = rest.split_at_checked(length)?;
                *cell = Some(bytes);
                rest = after;
            }
        }
        Some(Self { kinds, cells })
    }

    /// What stands in a column, counted from 0.
    pub(in crate::store) fn value(&self, column: usize) -> Result<Value<'a>> {
        let kind = self.kinds.get(column).copied();
        let Some(bytes) = self.cells.get(column).copied().flatten() else {
            return match kind {
                Some(_) => Ok(Value::Null),
                None => Err(unreadable(column)),
            };
        };
        let value = match kind {
            Some(Kind::Int(_)) => int(bytes).map(Value::Int),
            Some(Kind::Text) => std::str::from_utf8(bytes).ok().map(Value::Text),
            Some(Kind::Bytes) => Some(Value::Bytes(bytes)),
            _ => None,
        };
        value.ok_or_else(|| unreadable(column))
    }
}

fn int(bytes: &[u8]) -> Option<i64> {
    match *bytes {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        _ => bytes.try_into().ok().map(i64::from_be_bytes),
    }
}

fn unreadable(column: usize) -> Error {
    Error::internal(format!("column {column} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width_are_written_and_read() {
        for (width, number) in [(2, -5), (4, 70_000), (8, i64::MIN)] {
            let mut out = Vec::new();
            assert!(Kind::Int(width).put(&mut out, &Value::Int(number)));
            assert_eq!(int(&out[4..]), Some(number));
        }
        assert!(!Kind::Int(2).put(&mut Vec::new(), &Value::Int(70_000)));
        assert!(!Kind::Text.put(&mut Vec::new(), &Value::Int(1)));
    }

    #[test]
    fn a_row_that_is_cut_off_is_none() {
        let body = [0, 2, 0, 0, 0, 1, b'x', 0xff, 0xff, 0xff, 0xff];
        let kinds = [Kind::Text, Kind::Int(8)];
        let row = Row::read(&kinds, &body).unwrap();
        assert!(matches!(row.value(0), Ok(Value::Text("x"))));
        assert!(matches!(row.value(1), Ok(Value::Null)));
        assert!(row.value(2).is_err());
        for end in 0..body.len() {
            assert!(Row::read(&kinds, &body[..end]).is_none());
        }
    }
}
