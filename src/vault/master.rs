//! The master key: 32 random bytes that wrap every other key and live outside
//! the database.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{KEY_LENGTH, Place, SealingKey};
use crate::context::Random;
use crate::error::{Error, Result};

/// The name of the key file that a first start makes beside the data.
pub const MASTER_KEY_FILE: &str = "master.key";

/// A wrapped key begins with the id of the master key that wrapped it.
const MASTER_ID_LENGTH: usize = 8;

/// The key that wraps all others.
pub struct MasterKey {
    id: i64,
    key: SealingKey,
    generated: bool,
    path: PathBuf,
}

impl MasterKey {
    /// Reads the key from the configured file; without one, from `master.key`
    /// in the data folder, which is made when the folder holds no data yet.
    ///
    /// # Errors
    /// When the file is missing beside existing data, is no key, or may be
    /// read by others.
    pub fn load(
        file: Option<&Path>,
        data: &Path,
        data_exists: bool,
        random: &Random,
    ) -> Result<Self> {
        if let Some(path) = file {
            return Self::read(path, false);
        }
        let beside = data.join(MASTER_KEY_FILE);
        if beside.exists() {
            return Self::read(&beside, true);
        }
        if data_exists {
            return Err(Error::internal(format!(
                "{} holds data but no {MASTER_KEY_FILE}: set OMS_MASTER_KEY_FILE to the key that sealed it",
                data.display()
            )));
        }
        Self::generate(&beside, random)?;
        Self::read(&beside, true)
    }

    /// Whether the key was generated beside the data, which is no place for real people's data.
    #[must_use]
    pub const fn is_generated(&self) -> bool {
        self.generated
    }

    /// Where the key was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Wraps the bytes of a key for its name and id.
    #[must_use]
    pub fn wrap(&self, name: &'static str, id: &[u8], key: &[u8], random: &Random) -> Vec<u8> {
        let sealed = self.key.seal(Self::place(name, id), key, random);
        [&self.id.to_be_bytes()[..], &sealed].concat()
    }

    /// Unwraps what [`Self::wrap`] wrapped.
    ///
    /// # Errors
    /// When another master key wrapped it, or it was altered or moved.
    pub fn unwrap(
        &self,
        name: &'static str,
        id: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        match wrapped.split_at_checked(MASTER_ID_LENGTH) {
            Some((master, sealed)) if master == self.id.to_be_bytes() => {
                self.key.open(Self::place(name, id), sealed)
            }
            _ => Err(Error::internal(format!(
                "a {name} was wrapped by another master key than the one in {}",
                self.path.display()
            ))),
        }
    }

    /// Unwraps a data key.
    ///
    /// # Errors
    /// As [`Self::unwrap`].
    pub fn unwrap_data_key(&self, id: i64, wrapped: &[u8]) -> Result<SealingKey> {
        let bytes = self.unwrap("data_key", &id.to_be_bytes(), wrapped)?;
        let bytes: &[u8; KEY_LENGTH] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| Error::internal("a data key has the wrong length"))?;
        Ok(SealingKey::new(id, bytes))
    }

    const fn place<'a>(name: &'static str, id: &'a [u8]) -> Place<'a> {
        Place {
            project: 0,
            row: id,
            field: name,
        }
    }

    fn read(path: &Path, generated: bool) -> Result<Self> {
        let fault =
            |what: &str| Error::internal(format!("the master key file {}: {what}", path.display()));
        let mode = fs::metadata(path)
            .map_err(|cause| fault(&cause.to_string()))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(fault("others may read it; run chmod 600 on it"));
        }
        let text =
            Zeroizing::new(fs::read_to_string(path).map_err(|cause| fault(&cause.to_string()))?);
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).unwrap_or_default());
        let bytes: &[u8; KEY_LENGTH] = bytes.as_slice().try_into().map_err(|_| {
            fault("must hold the base64 of 32 random bytes (openssl rand -base64 32)")
        })?;
        let id = Self::id_of(bytes);
        Ok(Self {
            id,
            key: SealingKey::new(id, bytes),
            generated,
            path: path.to_path_buf(),
        })
    }

    /// Writes a new key that only its owner may read, and never over another.
    fn generate(path: &Path, random: &Random) -> Result<()> {
        let bytes = Zeroizing::new(random.bytes::<KEY_LENGTH>());
        let text = Zeroizing::new(STANDARD.encode(*bytes) + "\n");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::internal)?;
        file.write_all(text.as_bytes()).map_err(Error::internal)?;
        file.sync_all().map_err(Error::internal)?;
        // The name itself is durable only once its folder is.
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::internal)
    }

    /// The id follows from the key, so that a wrong file is noticed at once.
    fn id_of(bytes: &[u8; KEY_LENGTH]) -> i64 {
        let text = [&b"oms master key"[..], bytes].concat();
        let hash = digest::digest(&digest::SHA256, &Zeroizing::new(text));
        i64::from_be_bytes(
            hash.as_ref()[..MASTER_ID_LENGTH]
                .try_into()
                .expect("a hash is longer than an id"),
        )
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

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("oms-master-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_first_start_makes_a_key_that_only_the_owner_reads_and_keeps_it() {
        let data = folder("first");
        let first = MasterKey::load(None, &data, false, &Random::System).unwrap();
        assert!(first.is_generated());
        let mode = fs::metadata(first.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = MasterKey::load(None, &data, true, &Random::System).unwrap();
        assert_eq!(first.id, second.id);
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn a_missing_open_or_broken_file_is_refused_with_what_to_do() {
        let data = folder("refused");
        let missing = MasterKey::load(None, &data, true, &Random::System).unwrap_err();
        assert!(
            missing.to_string().contains("OMS_MASTER_KEY_FILE"),
            "{missing}"
        );
        let path = data.join("key");
        fs::write(&path, "short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let open = MasterKey::load(Some(&path), &data, false, &Random::System).unwrap_err();
        assert!(open.to_string().contains("chmod 600"), "{open}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let broken = MasterKey::load(Some(&path), &data, false, &Random::System).unwrap_err();
        assert!(broken.to_string().contains("base64 of 32"), "{broken}");
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn a_wrapped_key_opens_under_its_own_id_only() {
        let data = folder("wrap");
        let random = Random::seeded(3);
        let master = MasterKey::load(None, &data, false, &random).unwrap();
        let key: [u8; KEY_LENGTH] = random.bytes();
        let wrapped = master.wrap("data_key", &7i64.to_be_bytes(), &key, &random);
        assert_eq!(master.unwrap_data_key(7, &wrapped).unwrap().id(), 7);
        assert!(master.unwrap_data_key(8, &wrapped).is_err());
        fs::remove_dir_all(data).unwrap();
    }
}
