//! What checks look things up in: the countries of networks, and the watch list in force.

use std::net::IpAddr;
use std::sync::Arc;

use super::geo::GeoDatabase;
use super::screening::Screener;
use super::watchlist::{self, InForce};
use crate::config::Config;
use crate::error::Result;
use crate::store::Store;

/// What checks look things up in. What is not there makes a check that is not done.
#[derive(Clone, Debug, Default)]
pub struct References {
    geo: Option<Arc<GeoDatabase>>,
    list: Option<Arc<InForce>>,
    /// Whether a provider is asked about identities.
    pub has_provider: bool,
}

impl References {
    /// Opens the database of the setting, and reads the list in force.
    ///
    /// # Errors
    /// When the database cannot be used, the store is away, or the list is damaged.
    pub async fn load(config: &Config, store: &Store) -> Result<Self> {
        let geo = config.geo_database.as_deref();
        Ok(Self {
            geo: geo.map(GeoDatabase::open).transpose()?.map(Arc::new),
            list: watchlist::load(store).await?.map(Arc::new),
            has_provider: config.verification_provider_url.is_some(),
        })
    }

    /// The same with the list that is in force now; `None` when it is the one that is here.
    /// Making the index of a long list takes seconds.
    ///
    /// # Errors
    /// When the store is away, or the list is damaged.
    pub async fn newer(&self, store: &Store) -> Result<Option<Self>> {
        let known = self.list.as_ref().map(|list| list.version);
        if watchlist::version(store).await? == known {
            return Ok(None);
        }
        Ok(Some(Self {
            geo: self.geo.clone(),
            list: watchlist::load(store).await?.map(Arc::new),
            has_provider: self.has_provider,
        }))
    }

    /// The list in force, ready to screen with.
    #[must_use]
    pub fn screener(&self) -> Option<&Screener> {
        self.list.as_ref().map(|list| &list.screener)
    }

    /// The version of the list in force.
    #[must_use]
    pub fn list_version(&self) -> Option<i64> {
        self.list.as_ref().map(|list| list.version)
    }

    /// An address with the database to look it up in.
    #[must_use]
    pub fn located(&self, address: Option<IpAddr>) -> Option<(&GeoDatabase, IpAddr)> {
        Some((self.geo.as_deref()?, address?))
    }
}
