//! The lock of a data folder's server: the system lets go of it when the process is gone,
//! whatever ended it.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The file that is locked; it stays empty.
const FILE: &str = "server.lock";

/// Held for as long as it lives.
#[derive(Debug)]
pub struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Takes the lock of a data folder; `None` while another server has it.
    ///
    /// # Errors
    /// When the file cannot be made or locked.
    pub fn take(data: &Path) -> Result<Option<Self>> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(data.join(FILE))
            .map_err(Error::internal)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(Error::internal(cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_lock_of_a_folder() {
        let name = format!("oms-server-lock-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let first = ServerLock::take(&folder).unwrap();
        assert!(first.is_some());
        assert!(ServerLock::take(&folder).unwrap().is_none());
        drop(first);
        assert!(ServerLock::take(&folder).unwrap().is_some());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
