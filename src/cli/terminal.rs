//! What command lines share: a progress bar where there is a terminal, the
//! words of an error, a runtime, and project and mode.

use std::fmt::Display;
use std::fs;
use std::future::Future;
use std::path::Path;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::Config;
use crate::context::Random;
use crate::core::api_key::Mode;
use crate::core::installation::Installation;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::inspect::Inspection;
use crate::store::wrapping_key;
use crate::vault::{KeyRing, MasterKey};

/// How often a bar is drawn, in Hz.
const DRAWS_PER_S: u8 = 10;

/// Which project.
#[derive(Clone, Debug, Args)]
pub struct ProjectArguments {
    /// The project.
    #[arg(long, default_value = "default")]
    pub project: String,
    /// Sandbox or live.
    #[arg(long, value_enum, default_value = "sandbox")]
    pub mode: ModeArgument,
}

/// The mode as the command line takes it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeArgument {
    /// For trying things out.
    Sandbox,
    /// For real people and money.
    Live,
}

impl From<ModeArgument> for Mode {
    fn from(mode: ModeArgument) -> Self {
        match mode {
            ModeArgument::Sandbox => Self::Sandbox,
            ModeArgument::Live => Self::Live,
        }
    }
}

impl ProjectArguments {
    /// The number of the project, which must be there: a misspelt name makes no new one.
    ///
    /// # Errors
    /// When there is none.
    pub async fn find(&self, installation: &Installation) -> Result<i64> {
        let mode = Mode::from(self.mode);
        let project = installation.project(self.project.trim(), mode).await?;
        project.ok_or_else(|| {
            Error::internal(format!(
                "there is no project {} ({}); `oms keys list` shows those there are, \
                 `oms keys create --project …` makes one",
                self.project,
                mode.name()
            ))
        })
    }
}

/// A progress bar on standard error; nothing where that is no terminal.
/// `unit` is what is counted; `{bytes}` counts as bytes.
#[must_use]
pub fn progress_bar(total: u64, bytes: bool, doing: &'static str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_S);
    let count = if bytes {
        "{bytes}/{total_bytes}"
    } else {
        "{human_pos}/{human_len}"
    };
    let template = format!("{{prefix}} {{wide_bar}} {count} {{msg}} {{eta}} left");
    let bar = ProgressBar::with_draw_target(Some(total), target).with_prefix(doing);
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Runs to the end on a runtime of one thread.
///
/// # Errors
/// Those of the work.
pub fn run_to_end<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    runtime.block_on(work)
}

/// Refuses a folder or a database without a store, which opening would make anew.
///
/// # Errors
/// When there is none.
pub fn must_exist(config: &Config) -> Result<()> {
    if Store::exists(config)? {
        return Ok(());
    }
    Err(Error::internal(match &config.database {
        None => {
            let data = config.data.display();
            format!("{data} holds no store; name the data folder with --data")
        }
        Some(database) => format!("{database} holds no store; name another with --database"),
    }))
}

/// Refuses to put a file in the place of what is none, as a device or a socket: whoever is
/// root would be let.
///
/// # Errors
/// When there is something else of this name.
pub fn must_be_a_file(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(at(path.display(), "is there already, and is no file"))
        }
        _ => Ok(()),
    }
}

/// The keys of a key register, opened by the configured master key.
///
/// # Errors
/// When the master key is missing, may be read by others, or does not fit.
pub fn key_ring(config: &Config, store: &Inspection) -> Result<KeyRing> {
    let master = MasterKey::open(config, true, &Random::System)?;
    let rows = store.read(wrapping_key::all)?;
    let again = rows.clone();
    KeyRing::open(master, &rows, Box::new(move || Ok(again.clone())))
}

/// The words of an error for the person at the terminal.
#[must_use]
pub fn words(error: &Error) -> String {
    error
        .cause()
        .map_or_else(|| error.detail().to_owned(), ToString::to_string)
}

/// An error that says where it happened.
#[must_use]
pub fn at(place: impl Display, cause: impl Display) -> Error {
    Error::internal(format!("{place}: {cause}"))
}
