//! The master key: it wraps the wrapping keys and lives outside the database,
//! as 32 random bytes in a file or a variable, or as a key of a key service.
//!
//! It is asked once at a start and once in a change of keys, never by a request.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::ring::{WrappingKey, fixed, place};
use super::transit::Transit;
use super::{KEY_LENGTH, SealingKey};
use crate::config::{Config, MasterKeySource};
use crate::context::Random;
use crate::error::{Error, Result};

/// The name of the key file that a first start makes beside the data.
pub const MASTER_KEY_FILE: &str = "master.key";

/// The key that wraps the wrapping keys.
pub struct MasterKey {
    id: i64,
    kind: Kind,
    origin: Origin,
}

/// How it wraps.
enum Kind {
    /// Here, with 32 bytes.
    Local {
        key: SealingKey,
        bytes: Zeroizing<[u8; KEY_LENGTH]>,
    },
    /// Elsewhere.
    Service(Transit),
}

/// Where it came from.
enum Origin {
    File(PathBuf),
    Generated(PathBuf),
    Variable,
    Service,
}

impl MasterKey {
    /// The key of the configuration; without one, `master.key` in the data
    /// folder, which is made when the folder holds no data yet.
    ///
    /// # Errors
    /// When the file is missing beside existing data, is no key, or may be
    /// read by others.
    pub fn open(config: &Config, data_exists: bool, random: &Random) -> Result<Self> {
        if let Some(source) = config.master_key() {
            return Self::from_source(&source);
        }
        let beside = config.data.join(MASTER_KEY_FILE);
        if !beside.exists() {
            if data_exists {
                return Err(Error::internal(format!(
                    "{} holds data but no {MASTER_KEY_FILE}: set OMS_MASTER_KEY_FILE to the key that sealed it",
                    config.data.display()
                )));
            }
            generate(&beside, random)?;
        }
        let bytes = read_file(&beside)?;
        Ok(Self::local(bytes, Origin::Generated(beside)))
    }

    /// The key that a source names.
    ///
    /// # Errors
    /// When it is no key, may be read by others, or its service has no token.
    pub fn from_source(source: &MasterKeySource) -> Result<Self> {
        match source {
            MasterKeySource::File(path) => {
                Ok(Self::local(read_file(path)?, Origin::File(path.clone())))
            }
            MasterKeySource::Variable(text) => {
                let bytes = parse(text.reveal()).ok_or_else(|| {
                    Error::internal(
                        "OMS_MASTER_KEY must hold the base64 of 32 random bytes (openssl rand -base64 32)",
                    )
                })?;
                Ok(Self::local(bytes, Origin::Variable))
            }
            MasterKeySource::Service(service) => {
                let transit = Transit::new(service)?;
                Ok(Self {
                    id: id_of(b"oms master key service", transit.identity().as_bytes()),
                    kind: Kind::Service(transit),
                    origin: Origin::Service,
                })
            }
        }
    }

    fn local(bytes: Zeroizing<[u8; KEY_LENGTH]>, origin: Origin) -> Self {
        let id = id_of(b"oms master key", &*bytes);
        let key = SealingKey::new(id, &bytes);
        Self {
            id,
            kind: Kind::Local { key, bytes },
            origin,
        }
    }

    /// The id, which follows from the key, so that a wrong one is noticed at once.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Whether the key was generated beside the data, which is no place for real people's data.
    #[must_use]
    pub const fn is_generated(&self) -> bool {
        matches!(self.origin, Origin::Generated(_))
    }

    /// Wraps a wrapping key.
    ///
    /// # Errors
    /// When the key service refuses or does not answer.
    pub(super) fn wrap(&self, id: i64, key: &[u8; KEY_LENGTH], random: &Random) -> Result<Vec<u8>> {
        match &self.kind {
            Kind::Local { key: own, .. } => {
                Ok(own.seal(place("wrapping_key", &id.to_be_bytes()), key, random))
            }
            Kind::Service(transit) => transit.wrap(id, key),
        }
    }

    /// Unwraps a wrapping key.
    ///
    /// # Errors
    /// When it was altered or moved, or the key service refuses or does not answer.
    pub(super) fn unwrap(&self, id: i64, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_LENGTH]>> {
        match &self.kind {
            Kind::Local { key, .. } => {
                fixed(&key.open(place("wrapping_key", &id.to_be_bytes()), wrapped)?)
            }
            Kind::Service(transit) => transit.unwrap(id, wrapped),
        }
    }

    /// The wrapping key of a register from before there were any: there, the
    /// master key itself wrapped everything.
    #[must_use]
    pub fn as_wrapping_key(&self) -> Option<WrappingKey> {
        match &self.kind {
            Kind::Local { bytes, .. } => Some(WrappingKey::new(self.id, 1, bytes.clone())),
            Kind::Service(_) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn from_bytes(bytes: &[u8; KEY_LENGTH]) -> Self {
        Self::local(Zeroizing::new(*bytes), Origin::Variable)
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<[u8; KEY_LENGTH]>> {
    let fault =
        |what: &str| Error::internal(format!("the master key file {}: {what}", path.display()));
    let mode = fs::metadata(path)
        .map_err(|cause| fault(&cause.to_string()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(fault("others may read it; run chmod 600 on it"));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|cause| fault(&cause.to_string()))?);
    parse(&text)
        .ok_or_else(|| fault("must hold the base64 of 32 random bytes (openssl rand -base64 32)"))
}

fn parse(text: &str) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    fixed(&bytes).ok()
}

/// Writes a new key that only its owner may read, and never over another.
fn generate(path: &Path, random: &Random) -> Result<()> {
    let bytes = Zeroizing::new(random.bytes::<KEY_LENGTH>());
    let text = Zeroizing::new(STANDARD.encode(*bytes) + "\n");
    let part = path.with_extension(format!("{:016x}", u64::from_be_bytes(random.bytes())));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .map_err(Error::internal)?;
    file.write_all(text.as_bytes()).map_err(Error::internal)?;
    file.sync_all().map_err(Error::internal)?;
    // Under its name it is whole, and never takes the place of another.
    let named = fs::hard_link(&part, path);
    fs::remove_file(&part).map_err(Error::internal)?;
    named.map_err(Error::internal)?;
    // The name itself is durable only once its folder is.
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::internal)
}

fn id_of(kind: &[u8], key: &[u8]) -> i64 {
    let text = Zeroizing::new([kind, key].concat());
    let hash = digest::digest(&digest::SHA256, &text);
    i64::from_be_bytes(
        *hash
            .as_ref()
            .first_chunk()
            .expect("a hash is longer than an id"),
    )
}

/// Where the key came from, for people; a path stands alone.
impl fmt::Display for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.kind) {
            (Origin::File(path) | Origin::Generated(path), _) => write!(out, "{}", path.display()),
            (_, Kind::Service(transit)) => transit.fmt(out),
            (_, Kind::Local { .. }) => out.write_str("the one in OMS_MASTER_KEY"),
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MasterKey({:016x})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("oms-master-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_first_start_makes_a_key_that_only_the_owner_reads_and_keeps_it() {
        let data = folder("first");
        let config = Config::for_data(&data);
        let first = MasterKey::open(&config, false, &Random::System).unwrap();
        assert!(first.is_generated());
        let mode = fs::metadata(data.join(MASTER_KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = MasterKey::open(&Config::for_data(&data), true, &Random::System).unwrap();
        assert_eq!(first.id, second.id);
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn a_missing_open_or_broken_file_is_refused_with_what_to_do() {
        let data = folder("refused");
        let missing = MasterKey::open(&Config::for_data(&data), true, &Random::System).unwrap_err();
        assert!(
            missing.to_string().contains("OMS_MASTER_KEY_FILE"),
            "{missing}"
        );
        let path = data.join("key");
        fs::write(&path, "short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let open = MasterKey::from_source(&MasterKeySource::File(path.clone())).unwrap_err();
        assert!(open.to_string().contains("chmod 600"), "{open}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let broken = MasterKey::from_source(&MasterKeySource::File(path.clone())).unwrap_err();
        assert!(broken.to_string().contains("base64 of 32"), "{broken}");
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn a_wrapped_key_opens_under_its_own_id_only() {
        let random = Random::seeded(3);
        let master = MasterKey::from_bytes(&[1; KEY_LENGTH]);
        let wrapped = master.wrap(7, &[2; KEY_LENGTH], &random).unwrap();
        assert_eq!(*master.unwrap(7, &wrapped).unwrap(), [2; KEY_LENGTH]);
        assert!(master.unwrap(8, &wrapped).is_err());
    }

    #[test]
    fn a_variable_gives_the_same_key_as_a_file_and_is_never_shown() {
        let text = STANDARD.encode([1; KEY_LENGTH]);
        let source = MasterKeySource::Variable(Secret::new(text.clone()));
        let master = MasterKey::from_source(&source).unwrap();
        assert_eq!(master.id(), MasterKey::from_bytes(&[1; KEY_LENGTH]).id());
        assert!(!format!("{source:?} {master:?} {master}").contains(&text));
        let bad = MasterKeySource::Variable(Secret::new("c2hvcnQ=".into()));
        let error = MasterKey::from_source(&bad).unwrap_err().to_string();
        assert!(
            error.contains("OMS_MASTER_KEY") && !error.contains("c2hvcnQ"),
            "{error}"
        );
    }
}
