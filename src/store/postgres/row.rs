//! The values of statements as the protocol writes them, in binary.

use std::error::Error as StdError;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::DataRowBody;
use postgres_protocol::{IsNull, Oid, types};

use super::super::Value;
use crate::error::{Error, Result};

/// Columns of the widest result.
const MOST_COLUMNS: usize = 32;

/// What a column or an argument holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An integer of two bytes.
    Int2,
    /// An integer of four bytes.
    Int4,
    /// An integer of eight bytes.
    Int8,
    Text,
    Bytes,
    /// Nothing that a statement of ours should have.
    Other,
}

impl Kind {
    /// The kind of a type's number in the catalogue of types.
    pub(super) const fn of(oid: Oid) -> Self {
        match oid {
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            17 => Self::Bytes,
            19 | 25 | 1043 => Self::Text,
            _ => Self::Other,
        }
    }

    /// Writes an argument.
    ///
    /// # Errors
    /// When it is of another kind.
    pub(super) fn put(
        self,
        value: &Value<'_>,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, value) {
            (_, Value::Null) => return Ok(IsNull::Yes),
            (Self::Int2, Value::Int(number)) => types::int2_to_sql((*number).try_into()?, out),
            (Self::Int4, Value::Int(number)) => types::int4_to_sql((*number).try_into()?, out),
            (Self::Int8, Value::Int(number)) => types::int8_to_sql(*number, out),
            (Self::Text, Value::Text(text)) => types::text_to_sql(text, out),
            (Self::Bytes, Value::Bytes(bytes)) => types::bytea_to_sql(bytes, out),
            _ => return Err("an argument is of another kind".into()),
        }
        Ok(IsNull::No)
    }

    /// Reads a column.
    fn get(self, bytes: &[u8]) -> Option<Value<'_>> {
        match self {
            Self::Int2 => types::int2_from_sql(bytes)
                .ok()
                .map(i64::from)
                .map(Value::Int),
            Self::Int4 => types::int4_from_sql(bytes)
                .ok()
                .map(i64::from)
                .map(Value::Int),
            Self::Int8 => types::int8_from_sql(bytes).ok().map(Value::Int),
            Self::Text => types::text_from_sql(bytes).ok().map(Value::Text),
            Self::Bytes => Some(Value::Bytes(types::bytea_from_sql(bytes))),
            Self::Other => None,
        }
    }
}

/// One row of a result.
pub(in crate::store) struct Row<'a> {
    kinds: &'a [Kind],
    cells: [Option<&'a [u8]>; MOST_COLUMNS],
}

impl<'a> Row<'a> {
    /// Finds the columns in a row message.
    ///
    /// # Errors
    /// When they are not what was announced.
    pub(super) fn read(kinds: &'a [Kind], body: &'a DataRowBody) -> Result<Self> {
        let mut cells = [None; MOST_COLUMNS];
        let mut count = 0;
        let mut ranges = body.ranges();
        while let Some(range) = ranges.next().map_err(Error::internal)? {
            let cell = cells.get_mut(count).ok_or_else(|| unreadable(count))?;
            *cell = range.map(|range| &body.buffer()[range]);
            count += 1;
        }
        if count == kinds.len() {
            Ok(Self { kinds, cells })
        } else {
            Err(Error::internal("a row has other columns"))
        }
    }

    /// What stands in a column, counted from 0.
    pub(in crate::store) fn value(&self, column: usize) -> Result<Value<'a>> {
        let kind = self.kinds.get(column).ok_or_else(|| unreadable(column))?;
        match self.cells.get(column).copied().flatten() {
            None => Ok(Value::Null),
            Some(bytes) => kind.get(bytes).ok_or_else(|| unreadable(column)),
        }
    }
}

fn unreadable(column: usize) -> Error {
    Error::internal(format!("column {column} cannot be read"))
}

#[cfg(test)]
mod tests {
    use postgres_protocol::message::backend::Message;

    use super::*;

    #[test]
    fn integers_of_every_width_are_written_and_read() {
        let numbers = [
            (Kind::Int2, -5),
            (Kind::Int4, 70_000),
            (Kind::Int8, i64::MIN),
        ];
        for (kind, number) in numbers {
            let mut out = BytesMut::new();
            assert!(kind.put(&Value::Int(number), &mut out).is_ok());
            assert!(matches!(kind.get(&out), Some(Value::Int(read)) if read == number));
            assert!(kind.get(&out[1..]).is_none());
        }
        let mut out = BytesMut::new();
        assert!(Kind::Int2.put(&Value::Int(70_000), &mut out).is_err());
        assert!(Kind::Text.put(&Value::Int(1), &mut out).is_err());
    }

    /// The message of a row.
    fn row(body: &[u8]) -> DataRowBody {
        let mut bytes = BytesMut::from(&b"D"[..]);
        let length = u32::try_from(body.len() + 4).unwrap();
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(body);
        match Message::parse(&mut bytes) {
            Ok(Some(Message::DataRow(row))) => row,
            _ => panic!("it is a row"),
        }
    }

    #[test]
    fn a_row_that_is_cut_off_is_none() {
        let body = [0, 2, 0, 0, 0, 1, b'x', 0xff, 0xff, 0xff, 0xff];
        let kinds = [Kind::Text, Kind::Int8];
        let whole = row(&body);
        let read = Row::read(&kinds, &whole).unwrap();
        assert!(matches!(read.value(0), Ok(Value::Text("x"))));
        assert!(matches!(read.value(1), Ok(Value::Null)));
        assert!(read.value(2).is_err());
        assert!(Row::read(&kinds[..1], &whole).is_err());
        for end in 2..body.len() {
            assert!(Row::read(&kinds, &row(&body[..end])).is_err(), "{end}");
        }
    }
}
