//! What every handler is given: the installation and what this process keeps in memory.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;

use super::asset::Asset;
use super::failures::Failures;
use super::in_flight::InFlight;
use super::metrics::Metrics;
use super::rate::{self, RateLimit};
use super::resource_locks::ResourceLocks;
use super::retries::Retries;
use super::send_budget::SendBudgets;
use super::tally::Tally;
use super::used_keys::UsedKeys;
use crate::config::{Config, WebhooksToLoopback};
use crate::context::{Context, Time};
use crate::core::api_key::{ApiKey, Mode};
use crate::core::installation::{CreatedKey, Installation};
use crate::core::policy::Policy;
use crate::core::project::Project;
use crate::core::provider::Provider;
use crate::core::reach::Reach;
use crate::core::references::References;
use crate::core::rehashing;
use crate::core::token::{Claims, SigningKeys};
use crate::core::webhook::reach;
use crate::error::{Error, Result};
use crate::outbound::Outbound;
use crate::store::{Tx, api_key, customer, key_register, project, server};
use crate::vault::{DataKeyPool, IdOrder, PooledKey};

/// Tokens whose signature was checked and that are remembered until they expire.
const REMEMBERED_TOKENS: u64 = 100_000;

/// How often a server looks at what other processes changed. A revoked key's tokens must
/// end within a second; this leaves time for the reading.
pub const LOOKS_EVERY: Duration = Duration::from_millis(400);

/// How often, in milliseconds, whoever shows tokens of unknown keys makes a server look.
const SEEKS_EVERY_MS: u64 = 50;

/// After so long every server that can read at all has heard of a change.
const HEARD_AFTER: Duration = Duration::from_secs(1);

/// What every handler is given.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of [`App`].
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// Clock and randomness.
    pub context: Context,
    /// Store, master key and secrets.
    pub installation: Installation,
    /// Tokens that were verified, by their SHA-256.
    pub tokens: Cache<[u8; 32], Arc<Claims>>,
    /// Failed sign-ins by address.
    pub failures: Failures,
    /// How many requests one API key may send.
    pub key_limit: Option<RateLimit>,
    /// How many requests one address may send.
    pub address_limit: Option<Arc<RateLimit>>,
    /// How many bytes of answers may wait for their clients.
    pub send_budgets: SendBudgets,
    /// Requests that run now, by idempotency key.
    pub in_flight: InFlight,
    /// Resources that several requests change.
    pub resource_locks: ResourceLocks,
    /// Which idempotency keys were used, as a hint.
    pub used_keys: UsedKeys,
    /// Whether many calls repeat what another server did.
    pub foreign_retries: Retries,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// The client for webhooks.
    pub outbound: Outbound,
    /// A number that no other process on the store has; it holds claims.
    pub process: i64,
    /// How often the claims of a server that is gone were released here.
    pub claims_released: AtomicU64,
    /// The OpenAPI document.
    pub openapi: Asset,
    /// The verification provider, if there is one.
    pub provider: Option<Provider>,
    signing_keys: RwLock<Arc<SigningKeys>>,
    /// When somebody last looked for one that is not known.
    signing_keys_sought: tokio::sync::Mutex<Time>,
    api_keys: RwLock<KeyDirectory>,
    projects: RwLock<ProjectDirectory>,
    policy: Arc<Policy>,
    references: RwLock<Arc<References>>,
    data_keys: DataKeyPool,
}

/// The API keys as last read from the store.
#[derive(Default)]
struct KeyDirectory {
    generation: (i64, i64),
    keys: HashMap<String, Arc<ApiKey>>,
}

/// The projects as last read from the store.
#[derive(Default)]
struct ProjectDirectory {
    /// Rises with every change.
    generation: (i64, i64),
    /// `None` for one that this version cannot read.
    projects: HashMap<i64, Option<Arc<Project>>>,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Opens the installation and reads what is kept in memory. Where there is
    /// no API key yet, one is made, so that there is something to try.
    ///
    /// # Errors
    /// As [`Installation::open`].
    pub async fn open(
        config: Config,
        context: Context,
        openapi: Bytes,
        outbound: Outbound,
    ) -> Result<(Self, Option<CreatedKey>)> {
        let installation = Installation::open(&config, &context).await?;
        let signing_keys = installation.signing_keys().await?;
        if let Some(newest) = installation.store.read(customer::newest).await? {
            context.continue_after(newest);
        }
        let first_key = installation
            .first_key(config.credentials_file.as_deref())
            .await?;
        let references = References::load(&config, &installation.store).await?;
        let data_keys = start_pool(&installation, &context)?;
        // Only a database has other servers.
        let tally = || installation.store.is_spread().then(Tally::default);
        let app = Self(Arc::new(Parts {
            signing_keys: RwLock::new(Arc::new(signing_keys)),
            signing_keys_sought: tokio::sync::Mutex::new(Time::from_millis(0)),
            tokens: Cache::new(REMEMBERED_TOKENS),
            failures: Failures::new(
                config.auth_failures_per_minute,
                &installation.secrets,
                tally(),
            ),
            key_limit: RateLimit::new(
                rate::Policy::Key,
                (
                    config.rate_limit_per_key_per_s,
                    config.rate_limit_per_key_burst,
                ),
                &installation.secrets,
                tally(),
            ),
            address_limit: RateLimit::new(
                rate::Policy::Address,
                (
                    config.rate_limit_per_address_per_s,
                    config.rate_limit_per_address_burst,
                ),
                &installation.secrets,
                tally(),
            )
            .map(Arc::new),
            send_budgets: SendBudgets::new(config.answer_budget_bytes),
            in_flight: InFlight::default(),
            resource_locks: ResourceLocks::default(),
            used_keys: UsedKeys::default(),
            foreign_retries: Retries::default(),
            metrics: Arc::default(),
            outbound,
            claims_released: AtomicU64::default(),
            process: i64::from_be_bytes(context.random.bytes()) & i64::MAX,
            openapi: Asset::new("application/json", openapi)?,
            provider: Provider::of(&config)?,
            api_keys: RwLock::default(),
            projects: RwLock::default(),
            policy: installation.policy(&config)?,
            references: RwLock::new(Arc::new(references)),
            data_keys,
            config,
            context,
            installation,
        }));
        app.refresh_keys().await?;
        app.refresh_projects().await?;
        Ok((app, first_key))
    }

    /// A data key that no resource has yet.
    ///
    /// # Errors
    /// `serviceUnavailable` when none is ready in time.
    pub fn new_data_key(&self) -> Result<PooledKey> {
        self.data_keys.take()
    }

    /// How many data keys are ready.
    #[must_use]
    pub fn data_keys_ready(&self) -> usize {
        self.data_keys.ready()
    }

    /// The API key, as it was at most a second ago.
    #[must_use]
    pub fn api_key(&self, name: &str) -> Option<Arc<ApiKey>> {
        let directory = self
            .api_keys
            .read()
            .expect("no code panics while it holds this lock");
        directory.keys.get(name).cloned()
    }

    /// How far the webhooks of a mode may reach.
    #[must_use]
    pub fn webhook_reach(&self, mode: Mode) -> Reach {
        let has_live_key = || {
            let directory = self
                .api_keys
                .read()
                .expect("no code panics while it holds this lock");
            directory.keys.values().any(|key| key.mode == Mode::Live)
        };
        let to_loopback = match self.config.webhooks_to_loopback {
            WebhooksToLoopback::On => true,
            WebhooksToLoopback::Off => false,
            WebhooksToLoopback::Auto => !has_live_key(),
        };
        reach(mode, to_loopback)
    }

    /// The API key of a token that we signed. Another server may have given it for a key that
    /// was made a moment ago, so what is not known here is looked for in the store.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn api_key_of_token(&self, name: &str) -> Result<Option<Arc<ApiKey>>> {
        if let Some(known) = self.api_key(name) {
            return Ok(Some(known));
        }
        let wanted = name.to_owned();
        let secrets = Arc::clone(&self.installation.secrets);
        let read = move |tx: &mut Tx<'_>| api_key::find(tx, &wanted, &secrets.rows);
        let Some(key) = self.installation.store.read(read).await? else {
            return Ok(None);
        };
        self.refresh_projects().await?;
        Ok(Some(self.learn_key(key)))
    }

    /// Takes a key in that was just read from the store, unless it is known: then it may have
    /// been revoked since.
    #[must_use]
    pub fn learn_key(&self, key: ApiKey) -> Arc<ApiKey> {
        let mut directory = self
            .api_keys
            .write()
            .expect("no code panics while it holds this lock");
        let known = directory.keys.entry(key.api_key.clone());
        Arc::clone(known.or_insert_with(|| Arc::new(key)))
    }

    /// Reads the API keys again when one was made or revoked, by whatever process.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn refresh_keys(&self) -> Result<()> {
        let seen = self
            .api_keys
            .read()
            .expect("no code panics while it holds this lock")
            .generation;
        let secrets = Arc::clone(&self.installation.secrets);
        let read = self.installation.store.read(move |tx| {
            let generation = api_key::generation(tx)?;
            let keys = (generation != seen).then(|| api_key::all(tx, &secrets.rows));
            let keys = keys.transpose()?;
            Ok((generation, keys))
        });
        let (generation, Some(keys)) = read.await? else {
            return Ok(());
        };
        // No key is known before its project is, and what was set for that.
        self.refresh_projects().await?;
        let keys = keys
            .into_iter()
            .map(|key| (key.api_key.clone(), Arc::new(key)));
        *self
            .api_keys
            .write()
            .expect("no code panics while it holds this lock") = KeyDirectory {
            generation,
            keys: keys.collect(),
        };
        Ok(())
    }

    /// What the project of a key is set to, as it was at most a second ago.
    ///
    /// # Errors
    /// `serviceUnavailable` when this version cannot read it; a newer one may.
    pub fn project(&self, key: &ApiKey) -> Result<Arc<Project>> {
        let directory = self
            .projects
            .read()
            .expect("no code panics while it holds this lock");
        let known = directory.projects.get(&key.project).cloned().flatten();
        known.ok_or_else(unreadable)
    }

    /// What a project is set to; `None` when there is none of this number.
    ///
    /// # Errors
    /// When the store is away, or as [`Self::project`].
    pub async fn project_numbered(&self, number: i64) -> Result<Option<Arc<Project>>> {
        let known = || {
            let directory = self
                .projects
                .read()
                .expect("no code panics while it holds this lock");
            directory.projects.get(&number).cloned()
        };
        let mut found = known();
        if found.is_none() {
            self.refresh_projects().await?;
            found = known();
        }
        found
            .map(|project| project.ok_or_else(unreadable))
            .transpose()
    }

    /// Every project, in the order of their numbers.
    ///
    /// # Errors
    /// When the store is away, or this version cannot read one of them.
    pub async fn projects(&self) -> Result<Vec<Arc<Project>>> {
        self.refresh_projects().await?;
        let directory = self
            .projects
            .read()
            .expect("no code panics while it holds this lock");
        let projects: Option<Vec<_>> = directory.projects.values().cloned().collect();
        let mut projects = projects.ok_or_else(unreadable)?;
        projects.sort_by_key(|project| project.number);
        Ok(projects)
    }

    /// Reads the projects again when one was changed, by whatever process. One that cannot
    /// be read, as a newer version may have set it, is nobody else's trouble.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn refresh_projects(&self) -> Result<()> {
        let seen = self
            .projects
            .read()
            .expect("no code panics while it holds this lock")
            .generation;
        let read = self.installation.store.read(move |tx| {
            let generation = project::generation(tx)?;
            let rows = (generation != seen).then(|| project::all(tx)).transpose()?;
            Ok((generation, rows))
        });
        let (generation, Some(rows)) = read.await? else {
            return Ok(());
        };
        let mut projects = HashMap::with_capacity(rows.len());
        for row in rows {
            let read = Project::from_row(&row, &self.policy, &self.installation.secrets.rows);
            let read = read.inspect_err(|error| tracing::error!(%error, "a project is left out"));
            projects.insert(row.number, read.ok().map(Arc::new));
        }
        let mut directory = self
            .projects
            .write()
            .expect("no code panics while it holds this lock");
        // Another one may have read later and been here before.
        if directory.generation < generation {
            *directory = ProjectDirectory {
                generation,
                projects,
            };
        }
        Ok(())
    }

    /// Waits until every other server has heard of a change that was committed before.
    pub async fn let_others_hear(&self) {
        if self.installation.store.is_spread() {
            tokio::time::sleep(HEARD_AFTER).await;
        }
    }

    /// What checks look things up in, as it was some seconds ago.
    #[must_use]
    pub fn references(&self) -> Arc<References> {
        let references = self
            .references
            .read()
            .expect("no code panics while it holds this lock");
        Arc::clone(&references)
    }

    /// Takes in a watch list that another process put in force.
    ///
    /// # Errors
    /// When the store is away, or the list is damaged.
    pub async fn refresh_references(&self) -> Result<()> {
        let known = self.references();
        if let Some(newer) = known.newer(&self.installation.store).await? {
            *self
                .references
                .write()
                .expect("no code panics while it holds this lock") = Arc::new(newer);
        }
        Ok(())
    }

    /// The keys that sign tokens, as they were at most a second ago.
    #[must_use]
    pub fn signing_keys(&self) -> Arc<SigningKeys> {
        let keys = self
            .signing_keys
            .read()
            .expect("no code panics while it holds this lock");
        Arc::clone(&keys)
    }

    /// The keys that may have signed this token: another server may have heard before this
    /// one of a key that signs at once.
    ///
    /// # Errors
    /// As [`Self::refresh_own_keys`].
    pub async fn signing_keys_of(&self, token: &str) -> Result<Arc<SigningKeys>> {
        let keys = self.signing_keys();
        if !self.installation.store.is_spread() || !keys.are_others(token) {
            return Ok(keys);
        }
        let mut sought = self.signing_keys_sought.lock().await;
        let now = self.context.steady_now();
        if now.as_millis().abs_diff(sought.as_millis()) >= SEEKS_EVERY_MS {
            *sought = now;
            self.refresh_own_keys().await?;
        }
        Ok(self.signing_keys())
    }

    /// Takes in wrapping and signing keys that another process made.
    ///
    /// # Errors
    /// When the store is away, or a key does not open.
    pub async fn refresh_own_keys(&self) -> Result<()> {
        self.installation.refresh_ring().await?;
        rehashing::refresh(&self.installation).await?;
        let known = self.signing_keys();
        let Some(keys) = self.installation.signing_keys_unless(&known).await? else {
            return Ok(());
        };
        let still_there = |id| keys.ids().any(|one| one == id);
        let one_is_gone = !known.ids().all(still_there);
        *self
            .signing_keys
            .write()
            .expect("no code panics while it holds this lock") = Arc::new(keys);
        if one_is_gone {
            // What it signed is good no longer, remembered or not.
            self.tokens.invalidate_all();
        }
        Ok(())
    }

    /// Gives back what was made ahead of time and closes the store.
    pub async fn close(&self) {
        let unused = self.data_keys.stop();
        if let Err(error) = self.installation.note_clock().await {
            tracing::warn!(%error, "the time is not noted; the next start waits before anything expires");
        }
        let process = self.process;
        let forgotten = self.installation.store.write(move |tx| {
            server::leave(tx, process)?;
            for id in &unused {
                key_register::delete_data_key(tx, *id)?;
            }
            Ok(())
        });
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "unused data keys stay in the key register");
        }
        self.installation.close().await;
    }
}

fn unreadable() -> Error {
    Error::unavailable("this server cannot read the settings of the project", 5)
}

/// Starts making data keys ahead of time for an installation. Runs on the
/// runtime of the caller.
///
/// # Errors
/// When the machine gives no thread.
pub fn start_pool(installation: &Installation, context: &Context) -> Result<DataKeyPool> {
    let runtime = tokio::runtime::Handle::current();
    let store = installation.store.clone();
    let order = if store.is_spread() {
        IdOrder::Spread
    } else {
        IdOrder::Rising
    };
    DataKeyPool::start(
        Arc::clone(&installation.master),
        (context.clone(), order),
        move |keys| {
            let keys = keys.to_vec();
            let store = store.clone();
            let stored = async move {
                store
                    .write(move |tx| key_register::insert_data_keys(tx, &keys))
                    .await
            };
            runtime.block_on(stored).map_err(Error::internal)
        },
    )
}
