//! `oms watchlist import|show|screen`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::Config;
use crate::context::Context;
use crate::core::birth_date::BirthDate;
use crate::core::country::Country;
use crate::core::installation::Installation;
use crate::core::screening::{Hit, Subject, THRESHOLD};
use crate::core::watchlist::{self, File, Kind, Shrinking, Source, Summary};
use crate::error::{Error, Result};
use crate::store::rescreening::{self, Rescreening};

/// What follows `oms watchlist`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put a list in force, whole or not at all, also while the server runs.
    Import {
        /// SDN.CSV as published.
        file: PathBuf,
        /// ALT.CSV; the one beside it when not named.
        #[arg(long)]
        alt: Option<PathBuf>,
        /// ADD.CSV; the one beside it when not named.
        #[arg(long)]
        add: Option<PathBuf>,
        /// `SDN_COMMENTS.CSV`; the one beside it when not named.
        #[arg(long)]
        comments: Option<PathBuf>,
        /// Take a list that lost more than half of its entries.
        #[arg(long)]
        allow_smaller: bool,
    },
    /// Show which list is in force.
    Show {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Compare a name with the list in force; nothing of it is kept.
    Screen {
        /// The whole name, in any script.
        #[arg(long)]
        name: String,
        /// YYYY-MM-DD.
        #[arg(long)]
        birth_date: Option<String>,
        /// A nationality or residence, like US; may be repeated.
        #[arg(long)]
        country: Vec<String>,
        /// The least score that is shown, from 0 to 1.
        #[arg(long, default_value_t = THRESHOLD)]
        threshold: f64,
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
}

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Runs `oms watchlist …`.
///
/// # Errors
/// When the data folder cannot be used, or a list is refused.
pub fn run(arguments: Arguments, config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    runtime.block_on(async {
        let context = Context::system();
        let installation = Installation::open(config, &context).await?;
        let done = carry_out(arguments.command, &installation, &context).await;
        installation.store.close();
        done
    })
}

async fn carry_out(command: Command, installation: &Installation, context: &Context) -> Result<()> {
    let store = &installation.store;
    match command {
        Command::Import {
            file,
            alt,
            add,
            comments,
            allow_smaller,
        } => {
            let source = Source {
                entries: read(&file)?,
                aliases: sibling(&file, alt, "alt.csv")?,
                addresses: sibling(&file, add, "add.csv")?,
                comments: sibling(&file, comments, "sdn_comments.csv")?,
            };
            let list = watchlist::read(&source, |name, count| println!("{name}: {count} records"));
            let list = list.map_err(|refusal| {
                Error::internal(format!(
                    "{refusal}\nnothing was imported; the list in force stays"
                ))
            })?;
            let shrinking = if allow_smaller {
                Shrinking::Allowed
            } else {
                Shrinking::Refused
            };
            let (summary, new) = watchlist::import(store, &list, context.now(), shrinking).await?;
            if !new {
                println!("this list is in force already");
            }
            show(&summary);
        }
        Command::Show { json } => {
            let summary = watchlist::summary(store).await?.ok_or_else(none)?;
            let version = summary.version;
            let rescreening = store.read(move |tx| rescreening::find(tx, version)).await?;
            if json {
                println!("{}", as_json(&summary, rescreening.as_ref()));
            } else {
                show(&summary);
                println!("screened  {}", how_far(rescreening.as_ref()));
            }
        }
        Command::Screen {
            name,
            birth_date,
            country,
            threshold,
            json,
        } => {
            let subject = subject(name, birth_date.as_deref(), &country, context)?;
            let list = watchlist::load(store).await?.ok_or_else(none)?;
            show_hits(&list.screener.screen_above(&subject, threshold), json);
        }
    }
    Ok(())
}

fn none() -> Error {
    Error::internal("no watch list is in force; oms watchlist import SDN.CSV puts one there")
}

fn subject(
    name: String,
    birth_date: Option<&str>,
    countries: &[String],
    context: &Context,
) -> Result<Subject> {
    let birth_date = birth_date
        .map(|text| BirthDate::parse(text, context.now().date()))
        .transpose()
        .map_err(|wrong| Error::internal(format!("--birth-date {}", wrong.message)))?;
    let countries = countries
        .iter()
        .map(|text| Country::parse(text))
        .collect::<Result<_, _>>()
        .map_err(|wrong| Error::internal(format!("--country {}", wrong.message)))?;
    let mut subject = Subject::default();
    subject.names.push(name);
    subject.birth_date = birth_date.map(|birth| birth.date());
    subject.countries = countries;
    Ok(subject)
}

fn read(path: &Path) -> Result<File> {
    let wrong =
        |error: std::io::Error| Error::internal(format!("cannot read {}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(wrong)?.len();
    if length > MAX_FILE_BYTES {
        return Err(Error::internal(format!(
            "{} has more than {MAX_FILE_BYTES} bytes",
            path.display()
        )));
    }
    Ok(File {
        name: path.display().to_string(),
        bytes: std::fs::read(path).map_err(wrong)?,
    })
}

/// The file that was named, or the one of this name beside the list, in any case.
fn sibling(list: &Path, named: Option<PathBuf>, name: &str) -> Result<Option<File>> {
    let folder = match list.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("."),
    };
    let beside = || {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let found = path.file_name().and_then(|found| found.to_str());
                found.is_some_and(|found| found.eq_ignore_ascii_case(name))
            })
            .collect();
        paths.sort();
        paths.into_iter().next()
    };
    let path = named.or_else(beside);
    if path.is_none() {
        println!("there is no {name} beside the list: it is read without");
    }
    path.map(|path| read(&path)).transpose()
}

fn show(list: &Summary) {
    println!("version   {}", list.version);
    println!("in force  since {}", list.imported_at);
    for (kind, count) in Kind::ALL.into_iter().zip(list.counts) {
        println!("{:<9} {count}", kind.name());
    }
    println!("aliases   {}", list.aliases);
    println!("hash      {}", list.hash);
}

/// How far the customers are screened again by this list.
fn how_far(rescreening: Option<&Rescreening>) -> String {
    let Some(far) = rescreening else {
        return "nobody again yet; a running server does it, some seconds after the import"
            .to_owned();
    };
    let counts = format!(
        "{} customers again, of whom {} got another standing",
        far.seen, far.changed
    );
    match far.finished_at {
        Some(at) => format!("{counts}; done at {at}"),
        None => format!("{counts}; begun at {}, not done", far.started_at),
    }
}

fn as_json(list: &Summary, rescreening: Option<&Rescreening>) -> serde_json::Value {
    let counts: serde_json::Map<_, _> = Kind::ALL
        .into_iter()
        .zip(list.counts)
        .map(|(kind, count)| (kind.name().to_owned(), count.into()))
        .collect();
    json!({
        "version": list.version, "importedAt": list.imported_at, "counts": counts,
        "aliases": list.aliases, "hash": list.hash,
        "rescreening": rescreening.map(|far| json!({
            "seen": far.seen, "changed": far.changed, "startedAt": far.started_at,
            "finishedAt": far.finished_at,
        })),
    })
}

fn show_hits(hits: &[Hit], as_json: bool) {
    let reasons =
        |hit: &Hit| -> Vec<String> { hit.reasons.iter().map(ToString::to_string).collect() };
    if as_json {
        let list: Vec<_> = hits
            .iter()
            .map(|hit| {
                json!({
                    "entry": hit.entry.id, "name": hit.entry.name(), "kind": hit.entry.kind.name(),
                    "programs": hit.entry.programs, "score": hit.score, "reasons": reasons(hit),
                    "fingerprint": hit.entry.fingerprint(),
                })
            })
            .collect();
        println!("{}", serde_json::Value::from(list));
        return;
    }
    if hits.is_empty() {
        println!("no hit");
    }
    for hit in hits {
        println!(
            "{:.3}  {}  {} ({})",
            hit.score,
            hit.entry.id,
            hit.entry.name(),
            hit.entry.programs.join(", ")
        );
        for reason in reasons(hit) {
            println!("       - {reason}");
        }
    }
}
