//! `oms migrate`: brings the store to the schema of this version, ahead of the servers
//! that need it. A start does the same by itself.

use clap::Args;

use super::terminal::{must_exist, run_to_end};
use crate::config::Config;
use crate::context::Context;
use crate::core::installation::Installation;
use crate::core::rebinding::Trust;
use crate::error::Result;
use crate::store::Store;
use crate::store::inspect::Inspection;

/// What follows `oms migrate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Believe rows of an older version once more: after such a copy was restored by other
    /// means than `oms restore`. Needs the master key.
    #[arg(long)]
    bind_rows: bool,
}

/// Runs `oms migrate`.
///
/// # Errors
/// When the store cannot be used, or a newer version wrote it.
pub fn run(arguments: &Arguments, config: &Config) -> Result<()> {
    if arguments.bind_rows {
        must_exist(config)?;
        let context = Context::system();
        let open = Installation::open_with(config, &context, Trust::Given);
        run_to_end(open)?.store.close();
    } else {
        if config.database.is_none() {
            Store::create_folder(&config.data)?;
        }
        Store::open(config)?.close();
    }
    for version in Inspection::of_store(config)?.schema_versions()? {
        println!("{}: schema {}", version.file.title(), version.found);
    }
    Ok(())
}
