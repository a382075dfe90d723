//! `oms migrate`: brings the store to the schema of this version, ahead of the servers
//! that need it. A start does the same by itself.

use crate::config::Config;
use crate::error::Result;
use crate::store::Store;
use crate::store::inspect::Inspection;

/// Runs `oms migrate`.
///
/// # Errors
/// When the store cannot be used, or a newer version wrote it.
pub fn run(config: &Config) -> Result<()> {
    if config.database.is_none() {
        Store::create_folder(&config.data)?;
    }
    Store::open(config)?.close();
    for version in Inspection::of_store(config)?.schema_versions()? {
        println!("{}: schema {}", version.file.title(), version.found);
    }
    Ok(())
}
