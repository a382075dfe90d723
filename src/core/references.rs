//! What checks look things up in: the countries of networks, and the watch lists in force.

use std::net::IpAddr;
use std::sync::Arc;

use super::geo::GeoDatabase;
use super::watchlist::{self, InForce};
use crate::config::Config;
use crate::error::Result;
use crate::store::Store;

/// What checks look things up in. What is not there makes a check that is not done.
#[derive(Clone, Debug, Default)]
pub struct References {
    geo: Option<Arc<GeoDatabase>>,
    lists: Option<Arc<InForce>>,
    /// Whether a provider is asked about identities.
    pub has_provider: bool,
}

impl References {
    /// Opens the database of the setting, and reads the lists in force.
    ///
    /// # Errors
    /// When the database cannot be used, the store is away, or a list is damaged.
    pub async fn load(config: &Config, store: &Store) -> Result<Self> {
        let geo = config.geo_database.as_deref();
        Ok(Self {
            geo: geo.map(GeoDatabase::open).transpose()?.map(Arc::new),
            lists: watchlist::load(store, None).await?.map(Arc::new),
            has_provider: config.verification_provider_url.is_some(),
        })
    }

    /// The same with the lists that are in force now; `None` when they are those that are here.
    /// Making the index of a long list takes seconds; only lists that are new have theirs made.
    ///
    /// # Errors
    /// When the store is away, or a list is damaged.
    pub async fn newer(&self, store: &Store) -> Result<Option<Self>> {
        let in_force = watchlist::summaries(store).await?;
        let known = self.lists.as_ref().map(|known| {
            let lists = known.lists.iter().map(|(list, _)| list.clone());
            (known.version, lists.collect())
        });
        if in_force == known {
            return Ok(None);
        }
        Ok(Some(Self {
            geo: self.geo.clone(),
            lists: watchlist::load(store, self.lists()).await?.map(Arc::new),
            has_provider: self.has_provider,
        }))
    }

    /// The lists in force, ready to screen with.
    #[must_use]
    pub fn lists(&self) -> Option<&InForce> {
        self.lists.as_deref()
    }

    /// The version of the set of lists in force.
    #[must_use]
    pub fn list_version(&self) -> Option<i64> {
        self.lists.as_ref().map(|lists| lists.version)
    }

    /// An address with the database to look it up in.
    #[must_use]
    pub fn located(&self, address: Option<IpAddr>) -> Option<(&GeoDatabase, IpAddr)> {
        Some((self.geo.as_deref()?, address?))
    }
}
