//! An opened data folder: the store, the master key and the secrets that the
//! store keeps wrapped. Every command line and the server begin here.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::api_key::{ApiKey, Mode, NewApiKey, Scopes};
use super::policy::Policy;
use super::token::{SigningKey, SigningKeys};
use crate::config::Config;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::{Store, api_key, key_register};
use crate::vault::{KEY_LENGTH, MasterKey, Secrets};

/// The name of the root secret in the key register.
const ROOT: &str = "root";

/// What stands open once the master key fits.
#[derive(Clone, Debug)]
pub struct Installation {
    /// The store.
    pub store: Store,
    /// The master key.
    pub master: Arc<MasterKey>,
    /// What hashes and cursors are keyed with.
    pub secrets: Arc<Secrets>,
    context: Context,
    live_allowed: bool,
}

/// A key that was just made, with the secret that is shown this once.
pub struct CreatedKey {
    /// The key as it is stored.
    pub key: ApiKey,
    /// The secret in the clear.
    pub api_secret: String,
}

impl Installation {
    /// Opens the data folder of the configuration, making what is missing.
    ///
    /// # Errors
    /// When the folder cannot be used or the master key does not fit.
    pub async fn open(config: &Config, context: &Context) -> Result<Self> {
        let existed = Store::exists(&config.data);
        Store::create_folder(&config.data)?;
        let file = config.master_key_file.as_deref();
        let master = MasterKey::load(file, &config.data, existed, &context.random)?;
        let store = Store::open(config)?;
        let secrets = Self::secrets(&store, &master, context).await?;
        Ok(Self {
            live_allowed: !master.is_generated() || config.allow_live_with_generated_master_key,
            store,
            master: Arc::new(master),
            secrets: Arc::new(secrets),
            context: context.clone(),
        })
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

    /// The root secret, made at the first start, and what follows from it.
    async fn secrets(store: &Store, master: &MasterKey, context: &Context) -> Result<Secrets> {
        let fresh = Zeroizing::new(context.random.bytes::<KEY_LENGTH>());
        let wrapped = master.wrap(ROOT, b"", &*fresh, &context.random);
        let stored = store
            .write(move |tx| {
                key_register::insert_secret(tx, ROOT, &wrapped)?;
                key_register::secret(tx, ROOT)
            })
            .await?;
        let stored = stored.ok_or_else(|| Error::internal("the root secret is not stored"))?;
        let root = master.unwrap(ROOT, b"", &stored)?;
        let root: &[u8; KEY_LENGTH] = root
            .as_slice()
            .try_into()
            .map_err(|_| Error::internal("the root secret has the wrong length"))?;
        Ok(Secrets::derive(root))
    }

    /// The keys that sign tokens; the first is made when there is none.
    ///
    /// # Errors
    /// When a stored key does not open.
    pub async fn signing_keys(&self) -> Result<SigningKeys> {
        let mut rows = self.store.read(key_register::signing_keys).await?;
        if rows.is_empty() {
            let id = format!("{:016x}", u64::from_be_bytes(self.context.random.bytes()));
            let document = SigningKey::generate()?;
            let row = key_register::SigningKeyRow {
                wrapped: self.master.wrap(
                    "signing_key",
                    id.as_bytes(),
                    &document,
                    &self.context.random,
                ),
                id,
                created_at: self.context.now(),
                retired_at: None,
            };
            rows = self
                .store
                .write(move |tx| {
                    if key_register::signing_keys(tx)?.is_empty() {
                        key_register::insert_signing_key(tx, &row)?;
                    }
                    key_register::signing_keys(tx)
                })
                .await?;
        }
        let keys = rows.into_iter().map(|row| {
            let document = self
                .master
                .unwrap("signing_key", row.id.as_bytes(), &row.wrapped)?;
            SigningKey::from_pkcs8(row.id, &document)
        });
        keys.collect::<Result<_>>().map(SigningKeys::new)
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
    ) -> Result<CreatedKey> {
        if mode == Mode::Live && !self.live_allowed {
            return Err(Error::internal(format!(
                "live keys need a master key of your own: move {} away from the data (or make one: \
                 openssl rand -base64 32), name it in OMS_MASTER_KEY_FILE, and keep a copy in a safe place. \
                 To go on without, set OMS_ALLOW_LIVE_WITH_GENERATED_MASTER_KEY=true",
                self.master.path().display()
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
        let key = self
            .store
            .write(move |tx| {
                let project = api_key::ensure_project(tx, &key.project_name, mode, now)?;
                let key = ApiKey {
                    project,
                    ..key.clone()
                };
                api_key::insert(tx, &key)?;
                Ok(key)
            })
            .await?;
        Ok(CreatedKey {
            key,
            api_secret: pair.api_secret,
        })
    }

    /// Makes a sandbox project with a key when there is no key at all.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn first_key(&self) -> Result<Option<CreatedKey>> {
        if self.store.read(api_key::any).await? {
            return Ok(None);
        }
        self.create_key("default", Mode::Sandbox, Scopes::ALL)
            .await
            .map(Some)
    }

    /// Revokes a key for good; its tokens end within a second.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn revoke_key(&self, api_key: String) -> Result<bool> {
        let now = self.context.now();
        self.store
            .write(move |tx| api_key::revoke(tx, &api_key, now))
            .await
    }

    /// Every key, by project and age.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.store.read(api_key::all).await
    }
}
