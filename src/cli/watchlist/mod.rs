//! `oms watchlist import|list|show|remove|screen`.

mod files;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::civil::Date;

use crate::config::Config;
use crate::context::Context;
use crate::core::birth_date::BirthDate;
use crate::core::country::Country;
use crate::core::installation::Installation;
use crate::core::screening::{Subject, THRESHOLD};
use crate::core::watchlist::{self, Import, ListName, Shrinking, Summary};
use crate::error::{Error, Result};
use crate::store::rescreening;
use files::Paths;

/// What follows `oms watchlist`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put a list in force, whole or not at all, also while the server runs.
    Import(ImportArguments),
    /// Show the lists in force, each with its date.
    List {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show the lists in force, and how far everybody is screened by them.
    Show {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Take a list out of force. Its open hits stay until a person decides.
    Remove {
        /// Its name.
        #[arg(value_parser = ListName::parse)]
        name: ListName,
    },
    /// Compare a name with the lists in force; nothing of it is kept.
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

#[derive(Debug, Args)]
struct ImportArguments {
    /// SDN.CSV or `CONS_PRIM.CSV` as published, or another list in their columns.
    file: PathBuf,
    /// The name of the list, in place of whose last edition this one comes [default: ofac-sdn;
    /// ofac-consolidated for `CONS_PRIM.CSV`]
    #[arg(long, value_parser = ListName::parse)]
    name: Option<ListName>,
    /// The day of which the list is, YYYY-MM-DD, where it is not today's.
    #[arg(long)]
    date: Option<Date>,
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
}

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
        Command::Import(arguments) => import(arguments, installation, context).await?,
        Command::List { json } => {
            let (_, lists) = watchlist::summaries(store).await?.unwrap_or_default();
            if json {
                println!("{}", show::lines_as_json(&lists));
            } else if lists.is_empty() {
                println!("no watch list is in force");
            } else {
                show::lines(&lists, context.now());
            }
        }
        Command::Show { json } => {
            let (version, lists) = in_force(installation).await?;
            let far = store.read(move |tx| rescreening::find(tx, version)).await?;
            if json {
                println!("{}", show::set_as_json((version, &lists), far.as_ref()));
            } else {
                println!("set       version {version}");
                for list in &lists {
                    println!();
                    show::one(list);
                }
                println!("\nscreened  {}", show::how_far(far.as_ref()));
            }
        }
        Command::Remove { name } => {
            let list = watchlist::remove(store, &name, context.now()).await?;
            println!("{name} of {} is no longer in force", list.dated);
        }
        Command::Screen {
            name,
            birth_date,
            country,
            threshold,
            json,
        } => {
            let subject = subject(name, birth_date.as_deref(), &country, context)?;
            let lists = watchlist::load(store, None).await?.ok_or_else(none)?;
            let hits = lists.screen_above(&subject, threshold);
            if json {
                println!("{}", show::hits_as_json(&hits));
            } else {
                show::hits(&hits);
            }
        }
    }
    Ok(())
}

async fn import(
    arguments: ImportArguments,
    installation: &Installation,
    context: &Context,
) -> Result<()> {
    let now = context.now();
    let dated = arguments.date.unwrap_or_else(|| now.date());
    // Where the day begins earlier it may be tomorrow already.
    if now.date().tomorrow().is_ok_and(|tomorrow| dated > tomorrow) {
        return Err(Error::internal(format!("--date {dated} is still to come")));
    }
    let paths = Paths {
        entries: arguments.file,
        aliases: arguments.alt,
        addresses: arguments.add,
        comments: arguments.comments,
    };
    let name = match arguments.name {
        Some(name) => name,
        None => ListName::parse(paths.default_name()).map_err(Error::internal)?,
    };
    let source = paths.read(&name)?;
    let list = watchlist::read(&source, |name, count| println!("{name}: {count} records"));
    let list = list.map_err(|refusal| {
        Error::internal(format!(
            "{refusal}\nnothing was imported; the lists in force stay"
        ))
    })?;
    let new = Import {
        name: &name,
        list: &list,
        dated,
        shrinking: if arguments.allow_smaller {
            Shrinking::Allowed
        } else {
            Shrinking::Refused
        },
    };
    let (summary, is_new) = watchlist::import(&installation.store, &new, now).await?;
    if !is_new {
        println!("this list is in force already");
    }
    show::one(&summary);
    Ok(())
}

async fn in_force(installation: &Installation) -> Result<(i64, Vec<Summary>)> {
    let found = watchlist::summaries(&installation.store).await?;
    found.ok_or_else(none)
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
