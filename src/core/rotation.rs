//! A change of the master key while servers run. A new wrapping key takes over:
//! it is stored under the new master key and under the old wrapping key, and the
//! old one under the new, so that either master key opens everything meanwhile.
//! Then every other key is rewrapped, a few at a time, and the old is forgotten.
//!
//! Killed at any moment, the same command goes on. Nothing new can be stored
//! under the old key once the change has begun (`store::key_register`).

use std::sync::Arc;
use std::time::Duration;

use super::audit::Record;
use super::event::{Detail, EventKind, Order};
use super::installation::{Installation, SECRETS};
use crate::error::{Code, Error, Result};
use crate::store::{Tx, hash_key, key_register, wrapping_key};
use crate::vault::{KeyRing, MasterKey, WrappedWrappingKey, WrappingKey, wrapper_of};

/// Data keys rewrapped in one transaction, so that no request waits long behind one.
const BATCH: i64 = 500;

/// How often a batch is tried while other processes hold the store.
const ATTEMPTS: usize = 5;

/// How long the old key stays after the new one was stored, so that every
/// running server, which looks every 400 ms, has met the new one.
pub const LEARNING: Duration = Duration::from_secs(3);

/// A change under way.
pub struct Rotation<'a> {
    installation: &'a Installation,
    target: Option<MasterKey>,
    order: Order,
    to: Arc<WrappingKey>,
    after: i64,
    /// Whether an earlier run of the command began it.
    pub resumed: bool,
    /// Data keys there are, about.
    pub total: u64,
    /// Data keys that were looked at.
    pub done: u64,
    /// Data keys that this run rewrapped.
    pub rewrapped: u64,
}

impl<'a> Rotation<'a> {
    /// Begins a change to another master key, or to a new wrapping key under the
    /// same master key when none is given; or goes on with one that was begun.
    ///
    /// # Errors
    /// When the target is the present key, or a change to another is under way.
    pub async fn begin(
        installation: &'a Installation,
        target: Option<MasterKey>,
        order: Order,
    ) -> Result<Self> {
        let ring = &installation.master;
        let master = target.as_ref().unwrap_or(ring.master());
        let rows = installation.store.read(wrapping_key::all).await?;
        ring.learn(&rows)?;
        let old = ring.current();
        let resumed = rows.iter().any(|row| row.id != old.id());
        if resumed {
            check_resumed(&rows, &old, master)?;
        } else {
            if target.is_some() && master.id() == ring.master().id() {
                return Err(Error::internal(format!(
                    "{master} is the present master key already; make another (openssl rand -base64 32), \
                     or leave the target away to change only the wrapping key under it"
                )));
            }
            take_over(installation, master, &old, &order).await?;
        }
        let total = installation.store.read(wrapping_key::data_key_count);
        let mut rotation = Self {
            installation,
            to: ring.current(),
            target,
            order,
            after: i64::MIN,
            resumed,
            total: total.await?,
            done: 0,
            rewrapped: 0,
        };
        rotation.rewrap_few().await?;
        Ok(rotation)
    }

    /// Rewraps the next data keys; `false` when there are none left.
    ///
    /// # Errors
    /// When the store stays away, or a data key does not open.
    pub async fn step(&mut self) -> Result<bool> {
        let after = self.after;
        let rows = self
            .installation
            .store
            .read(move |tx| wrapping_key::data_keys_after(tx, after, BATCH))
            .await?;
        let Some((last, _)) = rows.last() else {
            return Ok(false);
        };
        self.after = *last;
        self.done += rows.len() as u64;
        let mut changes = Vec::with_capacity(rows.len());
        for (id, wrapped) in rows {
            if let Some(rewrapped) = self.rewrap("data_key", &id.to_be_bytes(), &wrapped)? {
                changes.push((id, wrapped, rewrapped));
            }
        }
        self.rewrapped += changes.len() as u64;
        let changes = Arc::new(changes);
        self.write(move |tx| {
            changes
                .iter()
                .try_for_each(|(id, from, to)| wrapping_key::rewrap_data_key(tx, *id, from, to))
        })
        .await?;
        Ok(true)
    }

    /// Forgets the old keys, after the last step and [`LEARNING`] after the beginning: from now on only the new
    /// master key opens anything. Gives what the new master key is, for people.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn finish(self) -> Result<String> {
        let master = self
            .target
            .as_ref()
            .unwrap_or(self.installation.master.master());
        let (id, by) = (self.to.id(), master.id());
        let detail = Detail {
            to: Some(key_pair(by, id)),
            ..Detail::default()
        };
        let kind = EventKind::MasterKeyChanged;
        let record = Record::new(self.installation, kind, detail, &self.order);
        self.write(move |tx| {
            wrapping_key::delete_all_but(tx, id, by)?;
            record.write(tx)
        })
        .await?;
        Ok(master.to_string())
    }

    /// The root secret, the signing keys and the hash keys.
    async fn rewrap_few(&mut self) -> Result<()> {
        let read = |tx: &mut Tx<'_>| {
            let few = (wrapping_key::secrets(tx)?, key_register::signing_keys(tx)?);
            Ok((few.0, few.1, hash_key::all(tx)?))
        };
        let (secrets, signing, hashing) = self.installation.store.read(read).await?;
        let mut changes = Vec::new();
        for (name, wrapped) in secrets {
            let known = SECRETS.into_iter().find(|known| *known == name);
            let known = known.ok_or_else(|| {
                Error::internal(format!("this version does not know the secret {name}"))
            })?;
            if let Some(to) = self.rewrap(known, b"", &wrapped)? {
                changes.push((Few::Secret(name), wrapped, to));
            }
        }
        for row in signing {
            if let Some(to) = self.rewrap("signing_key", row.id.as_bytes(), &row.wrapped)? {
                changes.push((Few::SigningKey(row.id), row.wrapped, to));
            }
        }
        for row in hashing {
            if let Some(to) = self.rewrap("hash_key", &row.epoch.to_be_bytes(), &row.wrapped)? {
                changes.push((Few::HashKey(row.epoch), row.wrapped, to));
            }
        }
        let changes = Arc::new(changes);
        self.write(move |tx| {
            changes.iter().try_for_each(|(what, from, to)| match what {
                Few::Secret(name) => wrapping_key::rewrap_secret(tx, name, from, to),
                Few::HashKey(epoch) => hash_key::rewrap(tx, *epoch, from, to),
                Few::SigningKey(id) => wrapping_key::rewrap_signing_key(tx, id, from, to),
            })
        })
        .await
    }

    /// The same key under the new wrapping; `None` when it is there already.
    fn rewrap(&self, name: &'static str, id: &[u8], wrapped: &[u8]) -> Result<Option<Vec<u8>>> {
        if wrapper_of(wrapped) == Some(self.to.id()) {
            return Ok(None);
        }
        let key = self.installation.master.unwrap(name, id, wrapped)?;
        let random = &self.installation.context.random;
        Ok(Some(self.to.wrap(name, id, &key, random)))
    }

    async fn write(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<()> + Clone + Send + 'static,
    ) -> Result<()> {
        let mut tried = 1;
        loop {
            match self.installation.store.write(work.clone()).await {
                Err(error) if error.code() == Code::ServiceUnavailable && tried < ATTEMPTS => {
                    tried += 1;
                }
                done => return done,
            }
        }
    }
}

/// What there are only a few of.
enum Few {
    Secret(String),
    HashKey(i64),
    SigningKey(String),
}

fn check_resumed(
    rows: &[WrappedWrappingKey],
    newest: &WrappingKey,
    master: &MasterKey,
) -> Result<()> {
    let same = rows
        .iter()
        .any(|row| row.id == newest.id() && row.by == master.id());
    if same {
        return Ok(());
    }
    Err(Error::internal(format!(
        "a change to another master key than {master} was begun and is not done; \
         run the command again as it was begun"
    )))
}

/// The ids of a master key and of the wrapping key under it, for the audit log.
fn key_pair(master: i64, wrapping: i64) -> String {
    format!("master key {master:x}, wrapping key {wrapping:x}")
}

/// Stores a new wrapping key, from which moment on it wraps what is new.
async fn take_over(
    installation: &Installation,
    master: &MasterKey,
    old: &WrappingKey,
    order: &Order,
) -> Result<()> {
    let ring: &KeyRing = &installation.master;
    let random = &installation.context.random;
    let new = WrappingKey::make(old.rank() + 1, random);
    let rows = [
        new.wrapped_by_master(master, random)?,
        new.wrapped_by(old, random),
        old.wrapped_by(&new, random),
    ];
    let (before, now) = (old.id(), installation.context.now());
    let detail = Detail {
        from: Some(key_pair(ring.master().id(), old.id())),
        to: Some(key_pair(master.id(), new.id())),
        ..Detail::default()
    };
    let record = Record::new(installation, EventKind::MasterKeyChanging, detail, order);
    let rows = installation
        .store
        .write(move |tx| {
            if wrapping_key::newest(tx)? != Some(before) {
                return Err(Error::internal(
                    "another change of keys has just begun; run the command again",
                ));
            }
            rows.iter()
                .try_for_each(|row| wrapping_key::insert(tx, row, now))?;
            record.write(tx)?;
            wrapping_key::all(tx)
        })
        .await?;
    ring.learn(&rows).map(drop)
}
