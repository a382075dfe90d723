//! `oms restore FILE --keys FILE --data FOLDER`: two copies become a store, in
//! an empty folder and only when everything in them opens.
//!
//! Whose data key is not in the key register was erased, and stays so.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::backup::only_files;
use super::terminal::{at, key_ring, progress_bar, run_to_end};
use crate::config::Config;
use crate::context::Context;
use crate::core::checkup::{self, Defect, Form, Tally, Watch};
use crate::core::installation::{Installation, stored_secrets};
use crate::core::rebinding::Trust;
use crate::error::{Error, Result};
use crate::store::backup::{Copy, bring_up_to_date};
use crate::store::inspect::{Files, Inspection, StoreFile};
use crate::store::{Store, key_register, lookup, loss};
use crate::vault::MASTER_KEY_FILE;

/// Defects that are shown before the rest is only counted.
const MOST_SHOWN: usize = 20;

/// What follows `oms restore`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The copy of the data, from `oms backup`.
    file: PathBuf,
    /// The newest copy of the key register, from `oms backup-keys`.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
}

/// Runs `oms restore`.
///
/// # Errors
/// When the folder is not empty, or anything in the copies is not in order;
/// then the folder stays empty.
pub fn run(arguments: &Arguments, config: &Config) -> Result<()> {
    only_files(config)?;
    must_be_empty(&config.data)?;
    Store::create_folder(&config.data)?;
    let data = Copy::of_file(&arguments.file, &StoreFile::Data.in_folder(&config.data))?;
    let keys = Copy::of_file(&arguments.keys, &StoreFile::Keys.in_folder(&config.data))?;
    let files = Files {
        data: data.path().to_owned(),
        keys: keys.path().to_owned(),
    };
    let tally = verify(&files, config)?;
    // The data last: without it the folder holds no store yet.
    keys.finish()?;
    data.finish()?;
    loss::accept_older_data(&config.data)?;
    let unlinked = run_to_end(forget_erased(config))?;
    tell(config, &tally, unlinked);
    Ok(())
}

/// A folder that is not there yet, or holds at most its master key.
fn must_be_empty(data: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(data) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.map_err(|cause| at(data.display(), cause))?;
        if entry.file_name() != MASTER_KEY_FILE {
            return Err(Error::internal(format!(
                "{} is not empty; a store is restored into an empty folder only",
                data.display()
            )));
        }
    }
    Ok(())
}

fn verify(files: &Files, config: &Config) -> Result<Tally> {
    let mut copies = Inspection::open(files)?;
    let mut form = Form::Bound;
    for version in copies.schema_versions()? {
        if version.found < version.known {
            form = Form::Older;
        }
        if version.found > version.known || version.found == 0 {
            return Err(Error::internal(format!(
                "{} has schema {}, this version knows {}; restore it with a newer oms",
                version.file.title(),
                version.found,
                version.known
            )));
        }
    }
    for file in StoreFile::ALL {
        if let Some(wrong) = copies.integrity(file)?.first() {
            let title = file.title();
            return Err(Error::internal(format!("{title} is damaged: {wrong}")));
        }
    }
    if form == Form::Older {
        // Rows are read as this version knows them. The copies are ours.
        drop(copies);
        bring_up_to_date(files)?;
        copies = Inspection::open(files)?;
    }
    let ring = key_ring(config, &copies)?;
    let (tally, newest_key, defects) = copies.read(|tx| {
        let secrets = stored_secrets(tx, &ring)?;
        let mut shown = Shown {
            bar: progress_bar(checkup::rows(tx)?, false, "verifying"),
            unopened: 0,
        };
        let tally = checkup::walk(tx, &ring, &secrets, form, &mut shown)?;
        shown.bar.finish_and_clear();
        let newest = key_register::newest_data_key(tx)?;
        Ok((tally, newest.unwrap_or(0), shown.unopened))
    })?;
    if defects > 0 {
        return Err(Error::internal(format!(
            "{defects} rows do not open or were altered; nothing was restored. Take another copy"
        )));
    }
    if tally.newest_data_key > newest_key {
        eprintln!(
            "warning: the data has a newer data key than any in this key register, so the register may be older \
             than the data, and who came since then looks erased. If there is a newer register, restore again with it"
        );
    }
    Ok(tally)
}

/// Shows what is wrong as it is found.
struct Shown {
    bar: indicatif::ProgressBar,
    unopened: usize,
}

impl Watch for Shown {
    fn found(&mut self, defect: Defect, subject: String) {
        // Look-ups of those who were erased since are still in the copy.
        let what = match defect {
            Defect::CustomerSealed | Defect::AnswerSealed => "does not open",
            Defect::GrantAltered | Defect::CustomerPutBack => "was altered",
            _ => return,
        };
        self.unopened += 1;
        if self.unopened <= MOST_SHOWN {
            self.bar.suspend(|| eprintln!("{what}: {subject}"));
        }
    }

    fn passed(&mut self, rows: usize) {
        self.bar.inc(rows as u64);
    }
}

/// Removes what still leads to those who were erased since the copy was made.
async fn forget_erased(config: &Config) -> Result<usize> {
    // What the copies hold was looked at, and whoever restores them knows where they are from.
    let installation = Installation::open_with(config, &Context::system(), Trust::Given).await?;
    let unlinked = installation.store.write(lookup::delete_of_erased).await;
    installation.store.close();
    unlinked
}

fn tell(config: &Config, tally: &Tally, unlinked: usize) {
    println!("restored into {}", config.data.display());
    println!("customers   {} open", tally.customers);
    println!(
        "erased      {} have no data key any more and stay erased; {unlinked} look-ups to them removed",
        tally.erased
    );
    println!(
        "answers     {} kept answers open, {} are erased",
        tally.answers, tally.answers_erased
    );
}
