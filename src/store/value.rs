//! What goes into a statement and what comes out of it, in words that every
//! engine understands.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

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
pub struct Row<'a>(&'a rusqlite::Row<'a>);

impl<'a> Row<'a> {
    pub(super) const fn new(row: &'a rusqlite::Row<'a>) -> Self {
        Self(row)
    }

    /// An integer.
    pub fn int(&self, column: usize) -> Result<i64> {
        self.optional_int(column)?.ok_or_else(|| unexpected(column))
    }

    /// An integer or NULL.
    pub fn optional_int(&self, column: usize) -> Result<Option<i64>> {
        match self.0.get_ref(column).map_err(Error::internal)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            _ => Err(unexpected(column)),
        }
    }

    /// Text.
    pub fn text(&self, column: usize) -> Result<String> {
        match self.0.get_ref(column).map_err(Error::internal)? {
            ValueRef::Text(value) => String::from_utf8(value.to_vec()).map_err(Error::internal),
            _ => Err(unexpected(column)),
        }
    }

    /// Text or NULL.
    pub fn optional_text(&self, column: usize) -> Result<Option<String>> {
        match self.0.get_ref(column).map_err(Error::internal)? {
            ValueRef::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// Bytes.
    pub fn bytes(&self, column: usize) -> Result<Vec<u8>> {
        self.optional_bytes(column)?
            .ok_or_else(|| unexpected(column))
    }

    /// Bytes or NULL.
    pub fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>> {
        match self.0.get_ref(column).map_err(Error::internal)? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(value) => Ok(Some(value.to_vec())),
            _ => Err(unexpected(column)),
        }
    }

    /// A fixed number of bytes, as ids and hashes have.
    pub fn array<const N: usize>(&self, column: usize) -> Result<[u8; N]> {
        match self.0.get_ref(column).map_err(Error::internal)? {
            ValueRef::Blob(value) => value.try_into().map_err(|_| unexpected(column)),
            _ => Err(unexpected(column)),
        }
    }
}

fn unexpected(column: usize) -> Error {
    Error::internal(format!("column {column} holds a value of another type"))
}
