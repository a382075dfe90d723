//! Where a connection comes from, by a database in `MaxMind`'s format, and which
//! countries are refused. Never logs an address.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use maxminddb::{PathElement, Reader};

use super::country::Country;
use crate::error::{Error, Result};

/// The countries that are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoPolicy(BTreeSet<Country>);

impl GeoPolicy {
    /// Refuses these.
    pub fn new(refused: impl IntoIterator<Item = Country>) -> Self {
        Self(refused.into_iter().collect())
    }

    /// Whether a country is refused.
    #[must_use]
    pub fn refuses(&self, country: Country) -> bool {
        self.0.contains(&country)
    }
}

/// A database of networks and their countries, held in memory.
pub struct GeoDatabase(Reader<Vec<u8>>);

impl GeoDatabase {
    /// Reads a database file.
    ///
    /// # Errors
    /// When it cannot be read, or is no such database.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |why: String| {
            Error::internal(format!(
                "geo_database {} cannot be used: {why}",
                path.display()
            ))
        };
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        Self::from_bytes(bytes).map_err(|error| {
            wrong(
                error
                    .cause()
                    .map_or_else(|| error.detail().to_owned(), ToString::to_string),
            )
        })
    }

    /// Takes the bytes of a database.
    ///
    /// # Errors
    /// When they are none.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Reader::from_source(bytes)
            .map(Self)
            .map_err(Error::internal)
    }

    /// The country of an address; `None` when the database has none for it. An
    /// IPv4 address in IPv6 clothing is taken for what it is.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn country(&self, address: IpAddr) -> Result<Option<Country>> {
        let found = self
            .0
            .lookup(address.to_canonical())
            .map_err(Error::internal)?;
        let nested = [PathElement::Key("country"), PathElement::Key("iso_code")];
        let flat = [PathElement::Key("country_code")];
        for path in [nested.as_slice(), flat.as_slice()] {
            // A field of another shape is no country, and no damage either.
            if let Ok(Some(code)) = found.decode_path::<&str>(path) {
                return Ok(Country::assigned(code));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for GeoDatabase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "GeoDatabase({})", self.0.metadata().database_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_database_is_refused() {
        assert!(GeoDatabase::from_bytes(Vec::new()).is_err());
        assert!(GeoDatabase::from_bytes(vec![0; 4096]).is_err());
        let wrong = GeoDatabase::open(Path::new("no/such/file.mmdb")).expect_err("no file");
        let cause = wrong.cause().map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains("no/such/file.mmdb"), "{cause}");
    }
}
