//! `oms backup` and `oms backup-keys`: verified copies while the server runs.
//!
//! The data and the key register are two files on purpose. Copies of the data
//! may be kept long; of the key register only the newest, or a key that was
//! destroyed would live on.

use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal::{key_ring, must_be_a_file, must_exist, progress_bar};
use crate::config::Config;
use crate::core::checkup;
use crate::error::{Error, Result};
use crate::store::backup::Copy;
use crate::store::inspect::{Files, Inspection, StoreFile};
use crate::store::loss;

/// What follows `oms backup`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where the copy of the data goes; there must be nothing yet.
    file: PathBuf,
    /// Where the copy of the key register goes, in place of the one before.
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
}

/// What follows `oms backup-keys`.
#[derive(Debug, Args)]
pub struct KeysArguments {
    /// Where the copy goes, in place of the one before.
    file: PathBuf,
}

/// Runs `oms backup FILE`.
///
/// # Errors
/// When a copy cannot be written or is not in order; then there is none.
pub fn run(arguments: &Arguments, config: &Config) -> Result<()> {
    only_files(config)?;
    must_exist(config)?;
    // A half that a move left is not worth a copy, nor is what damage left.
    Inspection::of_store(config)?;
    loss::refuse(config)?;
    let file = &arguments.file;
    if file.exists() {
        return Err(Error::internal(format!(
            "{} is there already; a copy of the data never takes the place of another",
            file.display()
        )));
    }
    if arguments.keys_file.as_ref() == Some(file) {
        return Err(Error::internal(
            "data and key register go into two files, so that they can travel apart",
        ));
    }
    let copy = copy_of(config, StoreFile::Data, file)?;
    let opened = open_some(config, copy.path())?;
    let rows = rows_of(&copy, "customers");
    copy.finish()?;
    println!(
        "{}: {rows} customers; in order, and {opened} of them opened to see that the keys fit",
        file.display()
    );
    // The register after the data, so that it has every key the data needs.
    if let Some(keys) = &arguments.keys_file {
        return backup_keys(config, keys);
    }
    println!(
        "Nothing in it opens without the key register and the master key. \
         Keep the newest copy of the register elsewhere: oms backup-keys FILE"
    );
    Ok(())
}

/// Runs `oms backup-keys FILE`.
///
/// # Errors
/// As [`run`].
pub fn run_keys(arguments: &KeysArguments, config: &Config) -> Result<()> {
    only_files(config)?;
    must_exist(config)?;
    Inspection::of_store(config)?;
    loss::refuse(config)?;
    backup_keys(config, &arguments.file)
}

/// Refuses to copy a database: its server has better ways.
///
/// # Errors
/// When the store is a database.
pub fn only_files(config: &Config) -> Result<()> {
    match &config.database {
        None => Ok(()),
        Some(_) => Err(Error::internal(
            "this copies the files of --data. For a database use its server's own ways: \
             a base backup with archived logs (pg_basebackup, point-in-time recovery), or \
             pg_dump -N keys for the data and pg_dump -n keys for the key register; \
             docs/operations.md says more",
        )),
    }
}

fn backup_keys(config: &Config, file: &Path) -> Result<()> {
    must_be_a_file(file)?;
    let copy = copy_of(config, StoreFile::Keys, file)?;
    let keys = rows_of(&copy, "data_keys");
    copy.finish()?;
    println!(
        "{}: the key register with {keys} data keys, in order. Keep no older copy of it: \
         a destroyed key would live on there",
        file.display()
    );
    Ok(())
}

fn copy_of(config: &Config, file: StoreFile, place: &Path) -> Result<Copy> {
    let bar = progress_bar(0, false, file.title());
    let source = file.in_folder(&config.data);
    let copy = Copy::of_running(&source, file, place, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    copy.verify()?;
    Ok(copy)
}

/// Opens some of a copy of the data with the keys that the store has now.
fn open_some(config: &Config, copy: &Path) -> Result<u64> {
    let files = Files {
        data: copy.to_owned(),
        keys: StoreFile::Keys.in_folder(&config.data),
    };
    let copy = Inspection::open(&files)?;
    let ring = key_ring(config, &copy)?;
    copy.read(|tx| checkup::sample(tx, &ring))
}

fn rows_of(copy: &Copy, table: &str) -> i64 {
    let rows = copy.rows.iter().find(|(name, _)| name == table);
    rows.map_or(0, |(_, rows)| *rows)
}
