//! `oms keys create|list|revoke`, and the way to `rotate-master|rotate-signing`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::customers::parse_reason;
use super::origin::origin;
use super::rotate;
use super::terminal::ModeArgument;
use crate::config::Config;
use crate::context::Context;
use crate::core::api_key::{ApiKey, Scopes};
use crate::core::event::{Order, Origin};
use crate::core::installation::{CreatedKey, Installation};
use crate::core::signing::OldKey;
use crate::error::{Error, Result};

/// What follows `oms keys`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key; the secret is shown this once.
    Create {
        /// The project; made if there is none of this name and mode.
        #[arg(long, default_value = "default")]
        project: String,
        /// Sandbox or live.
        #[arg(long, value_enum, default_value = "sandbox")]
        mode: ModeArgument,
        /// What the key may do, with commas; * for everything.
        #[arg(long, default_value = "*", value_parser = parse_scopes)]
        scopes: Scopes,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// List the keys, never their secrets.
    List {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key for good; its tokens end within a second.
    Revoke {
        /// The key, `sk_sdbx`_… or `sk_live`_…
        api_key: String,
    },
    /// Change the master key while servers run; killed, run it again.
    RotateMaster(rotate::Target),
    /// Change the key that signs tokens; the old one verifies until its last token has expired.
    RotateSigning {
        /// End the old keys and all their tokens now: somebody else knows them.
        #[arg(long)]
        end_old_now: bool,
        /// Why; it stands in the audit log.
        #[arg(long, value_parser = parse_reason)]
        reason: Option<String>,
    },
}

fn parse_scopes(text: &str) -> Result<Scopes, String> {
    Scopes::parse(text).map_err(|invalid| invalid.message.into_owned())
}

/// Longest name of a project.
const LONGEST_PROJECT: usize = 100;

/// Runs `oms keys …`.
///
/// # Errors
/// When the data folder cannot be used, or there is no such key.
pub fn run(arguments: Arguments, config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    runtime.block_on(async {
        let context = Context::system();
        let installation = Installation::open(config, &context).await?;
        let origin = origin(&context);
        let done = carry_out(arguments.command, &installation, config, &origin).await;
        installation.close().await;
        done
    })
}

async fn carry_out(
    command: Command,
    installation: &Installation,
    config: &Config,
    origin: &Origin,
) -> Result<()> {
    match command {
        Command::Create {
            project,
            mode,
            scopes,
            json,
        } => {
            let project = project.trim();
            if project.is_empty() || project.chars().count() > LONGEST_PROJECT {
                return Err(Error::internal("a project's name has 1 to 100 characters"));
            }
            let created = installation
                .create_key(project, mode.into(), scopes, origin)
                .await?;
            show_created(&created, json);
        }
        Command::List { json } => show_list(&installation.keys().await?, json),
        Command::Revoke { api_key } => {
            if !installation.revoke_key(api_key.clone(), origin).await? {
                return Err(Error::internal(format!(
                    "there is no key {api_key}; `oms keys list` shows those there are"
                )));
            }
            println!("revoked {api_key}; its tokens end within a second");
        }
        Command::RotateMaster(target) => {
            rotate::master(target, installation, config, origin.clone()).await?;
        }
        Command::RotateSigning {
            end_old_now,
            reason,
        } => {
            let old = if end_old_now {
                OldKey::EndsNow
            } else {
                OldKey::Retires
            };
            let origin = origin.clone();
            rotate::signing(old, installation, &Order { origin, reason }).await?;
        }
    }
    Ok(())
}

fn show_created(created: &CreatedKey, as_json: bool) {
    let key = &created.key;
    if as_json {
        let scopes: Vec<_> = key.scopes.names().collect();
        println!(
            "{}",
            json!({
                "apiKey": key.api_key, "apiSecret": created.api_secret,
                "project": key.project_name, "mode": key.mode.name(), "scopes": scopes,
            })
        );
    } else {
        println!("project  {} ({})", key.project_name, key.mode.name());
        println!(
            "scopes   {}",
            key.scopes.names().collect::<Vec<_>>().join(", ")
        );
        println!("key      {}", key.api_key);
        println!("secret   {}   (shown this once)", created.api_secret);
    }
}

fn show_list(keys: &[ApiKey], as_json: bool) {
    if as_json {
        let list: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "apiKey": key.api_key, "project": key.project_name, "mode": key.mode.name(),
                    "scopes": key.scopes.names().collect::<Vec<_>>(),
                    "createdAt": key.created_at, "revokedAt": key.revoked_at,
                })
            })
            .collect();
        println!("{}", serde_json::Value::from(list));
        return;
    }
    for key in keys {
        let state = key
            .revoked_at
            .map_or_else(|| "active".into(), |at| format!("revoked {at}"));
        println!(
            "{}  {} ({})  {}  made {}  {state}",
            key.api_key,
            key.project_name,
            key.mode.name(),
            key.scopes,
            key.created_at
        );
    }
}
