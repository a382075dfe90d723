//! `oms keys rotate-master` and `oms keys rotate-signing`, while servers run.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use tokio::time::Instant;

use super::customers::parse_reason;
use crate::config::{Config, KeyService, MasterKeySource, is_service_name, is_service_url};
use crate::core::event::{Order, Origin};
use crate::core::installation::Installation;
use crate::core::rotation::{LEARNING, Rotation};
use crate::core::signing::OldKey;
use crate::error::{Error, Result};
use crate::vault::MasterKey;

/// How often the progress line is drawn.
const REDRAW_MS: i64 = 100;

/// Characters of the progress bar.
const BAR: u64 = 30;

/// Where the new master key is. Without any of these the wrapping key under the
/// present master key is changed.
#[derive(Debug, Args)]
pub struct Target {
    /// The file of the new master key: base64 of 32 random bytes, mode 0600.
    #[arg(long, value_name = "FILE", conflicts_with = "to_service")]
    to: Option<PathBuf>,
    /// The key service (Vault, OpenBao) that holds the new master key.
    #[arg(long, value_name = "URL")]
    to_service: Option<String>,
    /// The new key's name in the service; `master_key_name` when left away.
    #[arg(long, value_name = "NAME", requires = "to_service")]
    to_name: Option<String>,
    /// Where the transit engine is mounted there; `master_key_mount` when left away.
    #[arg(long, value_name = "NAME", requires = "to_service")]
    to_mount: Option<String>,
    /// The file of the token for that service; `OMS_MASTER_KEY_TOKEN` or
    /// `master_key_token_file` when left away.
    #[arg(long, value_name = "FILE", requires = "to_service")]
    to_token_file: Option<PathBuf>,
    /// Why; it stands in the audit log.
    #[arg(long, value_parser = parse_reason)]
    reason: Option<String>,
}

impl Target {
    fn source(self, config: &Config) -> Result<Option<MasterKeySource>> {
        if let Some(path) = self.to {
            return Ok(Some(MasterKeySource::File(path)));
        }
        let Some(url) = self.to_service else {
            return Ok(None);
        };
        let mut service: KeyService = config.key_service(url);
        service.name = self.to_name.unwrap_or(service.name);
        service.mount = self.to_mount.unwrap_or(service.mount);
        if self.to_token_file.is_some() {
            (service.token, service.token_file) = (None, self.to_token_file);
        }
        if !is_service_url(&service.url) {
            return Err(Error::internal(
                "--to-service must be an address like https://vault.example:8200, or http on this machine",
            ));
        }
        if !is_service_name(&service.name) || !is_service_name(&service.mount) {
            return Err(Error::internal(
                "names in a key service are letters, digits, - _ . and / between them",
            ));
        }
        Ok(Some(MasterKeySource::Service(service)))
    }
}

/// Runs `oms keys rotate-master`.
///
/// # Errors
/// When the new master key cannot be used, or the store is away.
pub async fn master(
    mut target: Target,
    installation: &Installation,
    config: &Config,
    origin: Origin,
) -> Result<()> {
    let reason = target.reason.take();
    let order = Order { origin, reason };
    let source = target.source(config)?;
    let new = source.as_ref().map(MasterKey::from_source).transpose()?;
    let mut rotation = Rotation::begin(installation, new, order).await?;
    if rotation.resumed {
        println!("going on with a change that was begun");
    }
    let started = Instant::now();
    let took_ms = || i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut drawn = -REDRAW_MS;
    while rotation.step().await? {
        let now = took_ms();
        if now - drawn >= REDRAW_MS {
            drawn = now;
            draw(&rotation, now);
        }
    }
    let took_ms = took_ms().max(1);
    draw(&rotation, took_ms);
    let rewrapped = rotation.rewrapped;
    tokio::time::sleep_until(started + LEARNING).await;
    let master = rotation.finish().await?;
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    println!(
        "rewrapped {rewrapped} data keys in {took_ms} ms ({} a second)",
        per_second(rewrapped, took_ms)
    );
    println!("the master key is now {master}");
    what_to_do(source.as_ref());
    Ok(())
}

fn what_to_do(source: Option<&MasterKeySource>) {
    match source {
        None => {
            println!("running servers have learned the new wrapping key; nothing is left to do");
        }
        Some(MasterKeySource::Service(service)) => println!(
            "running servers go on; before the next start set\n  \
             OMS_MASTER_KEY_SERVICE={}\n  OMS_MASTER_KEY_NAME={}\n  OMS_MASTER_KEY_MOUNT={}\n\
             and its token, and take OMS_MASTER_KEY_FILE and OMS_MASTER_KEY away.",
            service.url, service.name, service.mount
        ),
        Some(MasterKeySource::File(path)) => println!(
            "running servers go on; before the next start set\n  OMS_MASTER_KEY_FILE={}\n\
             (or OMS_MASTER_KEY to what it holds). Keep a copy of it in a safe place.",
            path.display()
        ),
        Some(MasterKeySource::Variable(_)) => {}
    }
    if source.is_some() {
        println!(
            "The old master key opens nothing here any more. Keep it only as long as backups of keys.db \
             from before this change are kept, then destroy both."
        );
    }
}

fn per_second(count: u64, took_ms: i64) -> u64 {
    count * 1000 / took_ms.unsigned_abs().max(1)
}

/// One line that is drawn over itself, on a terminal only.
fn draw(rotation: &Rotation<'_>, took_ms: i64) {
    let mut out = std::io::stderr().lock();
    if !out.is_terminal() {
        return;
    }
    let (done, total) = (rotation.done, rotation.total.max(rotation.done).max(1));
    let filled = usize::try_from(done * BAR / total).unwrap_or(0);
    let bar = format!(
        "{:<width$}",
        "#".repeat(filled),
        width = usize::try_from(BAR).unwrap_or(0)
    );
    let rate = per_second(done, took_ms);
    // A terminal that is gone is no reason to stop.
    let _ = write!(
        out,
        "\r[{bar}] {done} of {total} data keys, {rate} a second "
    );
    let _ = out.flush();
}

/// Runs `oms keys rotate-signing`.
///
/// # Errors
/// When the key before the present one is still needed.
pub async fn signing(old: OldKey, installation: &Installation, order: &Order) -> Result<()> {
    let new = installation.rotate_signing(old, order).await?;
    println!(
        "the signing key is now {}; running servers take it up within seconds",
        new.id
    );
    match old {
        OldKey::Retires => println!(
            "tokens of the old key stay good until they expire, at the latest at {}",
            new.old_until
        ),
        OldKey::EndsNow => println!("tokens of the old keys end within a second"),
    }
    Ok(())
}
