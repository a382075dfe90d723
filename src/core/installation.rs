//! An opened data folder: the store, the wrapping keys and the secrets that
//! they wrap. Every command line and the server begin here.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::api_key::{ApiKey, Mode, NewApiKey, Scopes};
use super::credentials::CredentialsFile;
use super::event::{self, Detail, Event, EventKind, Origin};
use super::policy::Policy;
use super::rebinding::{self, Trust};
use super::{audit, erasure, rehashing};
use crate::config::Config;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::id::CustomerId;
use crate::store::{
    Store, Tx, api_key, clock, customer, event as event_rows, key_register, wrapping_key,
};
use crate::vault::{KEY_LENGTH, KeyRing, MasterKey, Secrets, WrappingKey, wrapper_of};

/// The name of the root secret in the key register.
const ROOT: &str = "root";

/// The name of the secret that is there once every row is bound (`rebinding.rs`).
pub(super) const ROWS: &str = "rows";

/// Every named secret of the key register; a change of the master key rewraps them.
pub(super) const SECRETS: [&str; 2] = [ROOT, ROWS];

/// What stands open once the master key fits.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The store.
    pub store: Store,
    /// The wrapping keys that the master key opened.
    pub master: Arc<KeyRing>,
    /// What hashes and cursors are keyed with.
    pub secrets: Arc<Secrets>,
    /// Clock and randomness.
    pub(super) context: Context,
    /// How long a retired signing key still verifies.
    pub(super) token_lifetime_s: i64,
    /// How long customers are kept from erasure.
    pub(super) retention_days: u32,
    live_allowed: bool,
}

/// A key that was just made, with the secret that is shown this once.
pub struct CreatedKey {
    /// The key as it is stored.
    pub key: ApiKey,
    /// The secret in the clear.
    pub api_secret: String,
}

/// What follows from the stored root secret, which must be there: for those who
/// look at a store and change nothing.
///
/// # Errors
/// When there is none, or another master key wrapped it.
pub fn stored_secrets(tx: &mut Tx<'_>, ring: &KeyRing) -> Result<Secrets> {
    let stored = key_register::secret(tx, ROOT)?;
    let stored = stored.ok_or_else(|| Error::internal("the root secret is not stored"))?;
    let secrets = open_secrets(&stored, ring)?;
    secrets.set_hash_keys(rehashing::read(tx, ring, &secrets)?);
    Ok(secrets)
}

fn open_secrets(stored: &[u8], ring: &KeyRing) -> Result<Secrets> {
    let root = ring.unwrap(ROOT, b"", stored)?;
    let root: &[u8; KEY_LENGTH] = root
        .as_slice()
        .try_into()
        .map_err(|_| Error::internal("the root secret has the wrong length"))?;
    Ok(Secrets::derive(root))
}

impl Installation {
    /// Opens the data folder of the configuration, making what is missing.
    ///
    /// # Errors
    /// When the folder cannot be used or the master key does not fit.
    pub async fn open(config: &Config, context: &Context) -> Result<Self> {
        Self::open_with(config, context, Trust::Once).await
    }

    /// The same, and says whether rows that are bound to nothing are believed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(config: &Config, context: &Context, trust: Trust) -> Result<Self> {
        let existed = Store::exists(config)?;
        Store::create_folder(&config.data)?;
        let master = MasterKey::open(config, existed, &context.random)?;
        let live_allowed = !master.is_generated() || config.allow_live_with_generated_master_key;
        let store = Store::open(config)?;
        let ring = Self::open_ring(&store, master, context).await?;
        let secrets = Self::secrets(&store, &ring, context).await?;
        store.begin_audit(secrets.chain.clone());
        let installation = Self {
            live_allowed,
            store,
            master: Arc::new(ring),
            secrets: Arc::new(secrets),
            context: context.clone(),
            token_lifetime_s: i64::try_from(config.token_lifetime.as_secs()).unwrap_or(i64::MAX),
            retention_days: config.retention_days,
        };
        let ready = async {
            installation.continue_clock().await?;
            rebinding::bind(&installation, trust).await?;
            rehashing::prepare(&installation).await?;
            erasure::recover(&installation).await
        };
        if let Err(error) = ready.await {
            installation.store.close();
            return Err(error);
        }
        Ok(installation)
    }

    /// Takes note of the time that the store was last told: that of a server, or that of the
    /// newest customer in a store of before.
    async fn continue_clock(&self) -> Result<()> {
        let read = self
            .store
            .read(|tx| Ok((clock::noted(tx)?, customer::newest(tx)?)));
        let (noted, newest) = read.await?;
        let newest = newest.map(|id| CustomerId::from_bytes(id).time());
        if let Some(told) = noted.or(newest) {
            self.context.continue_from(told);
        }
        Ok(())
    }

    /// Notes the time that is believed now, for the next start.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn note_clock(&self) -> Result<()> {
        // Not what a start took from a clock that may be ahead.
        let now = self.context.cautious_now();
        self.store.write(move |tx| clock::note(tx, now)).await
    }

    /// Signs what was written and closes the store.
    pub async fn close(&self) {
        if let Err(error) = audit::checkpoint(self).await {
            tracing::warn!(%error, "the end of the audit log is not signed; the next start does it");
        }
        self.store.close();
    }

    /// The policy of projects that have none of their own.
    ///
    /// # Errors
    /// Line and reason, when the file of the setting does not stand.
    pub fn policy(&self, config: &Config) -> Result<Arc<Policy>> {
        let Some(path) = &config.policy_file else {
            return Ok(Policy::built_in());
        };
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|cause| Error::internal(format!("cannot read {shown}: {cause}")))?;
        let policy =
            Policy::parse(&text).map_err(|broken| Error::internal(format!("{shown}, {broken}")))?;
        Ok(Arc::new(policy))
    }

    /// Opens the wrapping keys; the first is made when there is none.
    async fn open_ring(store: &Store, master: MasterKey, context: &Context) -> Result<KeyRing> {
        let mut rows = store.read(wrapping_key::all).await?;
        if rows.is_empty() {
            let root = store.read(|tx| key_register::secret(tx, ROOT)).await?;
            let first = first_wrapping_key(&master, root.as_deref(), context)?;
            let row = first.wrapped_by_master(&master, &context.random)?;
            let now = context.now();
            rows = store
                .write(move |tx| {
                    if wrapping_key::newest(tx)?.is_none() {
                        wrapping_key::insert(tx, &row, now)?;
                    }
                    wrapping_key::all(tx)
                })
                .await?;
        }
        let store = store.clone();
        let reload = Box::new(move || store.read_blocking(wrapping_key::all));
        KeyRing::open(master, &rows, reload)
    }

    /// Takes in a wrapping key that another process made.
    ///
    /// # Errors
    /// When the store is away, or the newest key does not open.
    pub async fn refresh_ring(&self) -> Result<()> {
        let rows = self.store.read(wrapping_key::all).await?;
        self.master.learn(&rows).map(drop)
    }

    /// The root secret, made at the first start, and what follows from it.
    async fn secrets(store: &Store, ring: &KeyRing, context: &Context) -> Result<Secrets> {
        let mut stored = store.read(|tx| key_register::secret(tx, ROOT)).await?;
        if stored.is_none() {
            let fresh = Zeroizing::new(context.random.bytes::<KEY_LENGTH>());
            let wrapped = ring.wrap(ROOT, b"", &*fresh, &context.random);
            stored = store
                .write(move |tx| {
                    key_register::insert_secret(tx, ROOT, &wrapped)?;
                    key_register::secret(tx, ROOT)
                })
                .await?;
        }
        let stored = stored.ok_or_else(|| Error::internal("the root secret is not stored"))?;
        open_secrets(&stored, ring)
    }

    /// Makes an API key, and its project if there is none of this name and mode.
    ///
    /// # Errors
    /// When it is a live key and the master key was generated beside the data,
    /// unless a setting allows it.
    pub async fn create_key(
        &self,
        project: &str,
        mode: Mode,
        scopes: Scopes,
        origin: &Origin,
    ) -> Result<CreatedKey> {
        let made = self.make_key((project, mode, scopes), origin, None, |_| Ok(true));
        let made = made.await?;
        made.ok_or_else(|| Error::internal("a key was not made"))
    }

    /// The same when the transaction finds that it is wanted; perhaps with a file that holds it.
    async fn make_key(
        &self,
        (project, mode, scopes): (&str, Mode, Scopes),
        origin: &Origin,
        file: Option<&Path>,
        is_wanted: impl Fn(&mut Tx<'_>) -> Result<bool> + Send + 'static,
    ) -> Result<Option<CreatedKey>> {
        if mode == Mode::Live && !self.live_allowed {
            return Err(Error::internal(format!(
                "live keys need a master key of your own: move {} away from the data (or make one: \
                 openssl rand -base64 32), name it in OMS_MASTER_KEY_FILE, and keep a copy in a safe place. \
                 To go on without, set OMS_ALLOW_LIVE_WITH_GENERATED_MASTER_KEY=true",
                self.master.master()
            )));
        }
        let now = self.context.now();
        let pair = NewApiKey::make(mode, &self.context, &self.secrets);
        let key = ApiKey {
            api_key: pair.api_key,
            project: 0,
            project_name: project.to_owned(),
            mode,
            secret_hash: pair.secret_hash,
            scopes,
            created_at: now,
            revoked_at: None,
        };
        let (secrets, context) = (Arc::clone(&self.secrets), self.context.clone());
        let origin = origin.clone();
        let file = file.map(|path| CredentialsFile::write(path, &key.api_key, &pair.api_secret));
        let file = file.transpose()?;
        let stored = self
            .store
            .write(move |tx| {
                if !is_wanted(tx)? {
                    return Ok(None);
                }
                let name = (key.project_name.as_str(), mode);
                let project = api_key::ensure_project(tx, name, now, &secrets.rows)?;
                let key = ApiKey {
                    project,
                    ..key.clone()
                };
                let mac = api_key::insert(tx, &key, &secrets.rows)?;
                let kind = EventKind::ApiKeyCreated;
                let event = key_event(kind, &key.api_key, Some(key.scopes.to_string()));
                let place = (project, event::INSTALLATION);
                let row = event::seal(&[event], place, &origin, &secrets.audit, &context)?;
                event_rows::append(tx, &row.leaving(&mac), false)?;
                Ok(Some(key))
            })
            .await;
        if let (Some(file), Err(_) | Ok(None)) = (file, &stored) {
            file.discard();
        }
        let api_secret = pair.api_secret;
        Ok(stored?.map(|key| CreatedKey { key, api_secret }))
    }

    /// Makes a sandbox project with a key when there is no key at all; perhaps with a file
    /// that holds it.
    ///
    /// # Errors
    /// When the store is away, or the file cannot be made.
    pub async fn first_key(&self, file: Option<&Path>) -> Result<Option<CreatedKey>> {
        if self.store.read(api_key::any).await? {
            return Ok(None);
        }
        let origin = Origin {
            actor: "first start".into(),
            request_id: audit::run_id(&self.context),
        };
        // Of several servers that start at once on an empty database one makes it.
        let key = ("default", Mode::Sandbox, Scopes::ALL);
        let is_wanted = |tx: &mut Tx<'_>| Ok(!api_key::any(tx)?);
        self.make_key(key, &origin, file, is_wanted).await
    }

    /// Revokes a key for good; its tokens end within a second.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn revoke_key(&self, api_key: String, origin: &Origin) -> Result<bool> {
        let now = self.context.now();
        let (secrets, context) = (Arc::clone(&self.secrets), self.context.clone());
        let origin = origin.clone();
        let revoke = self.store.write(move |tx| {
            let Some(stored) = api_key::stored(tx, &api_key)? else {
                return Ok(false);
            };
            let mac = api_key::revoke(tx, &stored, now, &secrets.rows)?;
            let event = key_event(EventKind::ApiKeyRevoked, &api_key, None);
            let place = (stored.key.project, event::INSTALLATION);
            let row = event::seal(&[event], place, &origin, &secrets.audit, &context)?;
            event_rows::append(tx, &row.leaving(&mac), false)?;
            Ok(true)
        });
        revoke.await
    }

    /// The number of a project, if there is one of this name and mode.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn project(&self, name: &str, mode: Mode) -> Result<Option<i64>> {
        let name = name.to_owned();
        self.store
            .read(move |tx| api_key::project(tx, &name, mode))
            .await
    }

    /// Every key whose row is to be believed, by project and age.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn keys(&self) -> Result<Vec<ApiKey>> {
        let secrets = Arc::clone(&self.secrets);
        self.store
            .read(move |tx| api_key::all(tx, &secrets.rows))
            .await
    }
}

/// What is told of an API key.
fn key_event(kind: EventKind, api_key: &str, scopes: Option<String>) -> Event {
    let detail = Detail {
        subject: Some(api_key.to_owned()),
        to: scopes,
        ..Detail::default()
    };
    Event { kind, detail }
}

/// A new wrapping key; in a register from before there were any, the master
/// key itself, which wrapped everything there.
fn first_wrapping_key(
    master: &MasterKey,
    root: Option<&[u8]>,
    context: &Context,
) -> Result<WrappingKey> {
    let Some(root) = root else {
        return Ok(WrappingKey::make(1, &context.random));
    };
    master
        .as_wrapping_key()
        .filter(|key| wrapper_of(root) == Some(key.id()))
        .ok_or_else(|| {
            Error::internal(format!(
                "the key register was wrapped by another master key than {master}"
            ))
        })
}
