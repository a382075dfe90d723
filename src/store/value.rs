//! What goes into a statement and what comes out of it, in words that every
//! engine understands.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::postgres::row as postgres;
use crate::error::{Error, Result};

/// One argument of a statement.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

/// One row of a result; columns count from 0.
pub struct Row<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a postgres::Row<'a>),
}

/// What stands in one column.
enum Cell<'a> {
    Null,
    Int(i64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Row<'a> {
    pub(super) const fn new(row: &'a rusqlite::Row<'a>) -> Self {
        Self(Source::Sqlite(row))
    }

    pub(super) const fn of_postgres(row: &'a postgres::Row<'a>) -> Self {
        Self(Source::Postgres(row))
    }

    fn cell(&self, column: usize) -> Result<Cell<'a>> {
        match self.0 {
            Source::Sqlite(row) => row.get_ref(column).map_err(Error::internal).map(Cell::from),
            Source::Postgres(row) => row.value(column).map(Cell::from),
        }
    }

    /// An integer.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.optional_int(column)?.ok_or_else(|| unexpected(column))
    }

    /// An integer or NULL.
    pub fn optional_int(&self, column: usize) -> Result<Option<i64>> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Int(value) => Ok(Some(value)),
            _ => Err(unexpected(column)),
        }
    }

    /// Text.
    pub fn text(&self, column: usize) -> Result<String> {
        self.optional_text(column)?
            .ok_or_else(|| unexpected(column))
    }

    /// Text or NULL.
    pub fn optional_text(&self, column: usize) -> Result<Option<String>> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Text(value) => String::from_utf8(value.to_vec())
                .map(Some)
                .map_err(Error::internal),
            _ => Err(unexpected(column)),
        }
    }

    /// Bytes.
    pub fn bytes(&self, column: usize) -> Result<Vec<u8>> {
        self.optional_bytes(column)?
            .ok_or_else(|| unexpected(column))
    }

    /// Bytes or NULL.
    pub fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>> {
        match self.cell(column)? {
            Cell::Null => Ok(None),
            Cell::Bytes(value) => Ok(Some(value.to_vec())),
            _ => Err(unexpected(column)),
        }
    }

    /// A fixed number of bytes, as ids and hashes have.
    pub fn array<const N: usize>(&self, column: usize) -> Result<[u8; N]> {
        match self.cell(column)? {
            Cell::Bytes(value) => value.try_into().map_err(|_| unexpected(column)),
            _ => Err(unexpected(column)),
        }
    }
}

impl<'a> From<ValueRef<'a>> for Cell<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Text(value) => Self::Text(value),
            ValueRef::Blob(value) => Self::Bytes(value),
            ValueRef::Real(_) => Self::Other,
        }
    }
}

impl<'a> From<Value<'a>> for Cell<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(value) => Self::Int(value),
            Value::Text(value) => Self::Text(value.as_bytes()),
            Value::Bytes(value) => Self::Bytes(value),
        }
    }
}

fn unexpected(column: usize) -> Error {
    Error::internal(format!("column {column} holds a value of another type"))
}
