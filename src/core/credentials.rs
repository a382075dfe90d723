//! A file for the API key of a first start, whose secret would else stand where the output of
//! the server is kept. It holds the body of `POST /auth/token`.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::{Error, Result};

/// A file that was written for a key that is not stored yet.
pub(super) struct CredentialsFile(PathBuf);

impl CredentialsFile {
    /// Writes the file, which must not be there, to the disk. The key is stored after it: a
    /// file without a key does no harm, a key without its secret is of no use.
    ///
    /// # Errors
    /// When it is there, or cannot be written.
    pub(super) fn write(path: &Path, api_key: &str, api_secret: &str) -> Result<Self> {
        let failed = |cause: std::io::Error| {
            let path = path.display();
            Error::internal(if cause.kind() == ErrorKind::AlreadyExists {
                format!("credentials_file: {path} is there already; move it away, or name another")
            } else {
                format!("credentials_file: {path} cannot be written: {cause}")
            })
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let written = Self(path.to_owned());
        let body = json!({"apiKey": api_key, "apiSecret": api_secret});
        let done = writeln!(file, "{body}")
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder(path));
        match done {
            Ok(()) => Ok(written),
            Err(cause) => {
                written.discard();
                Err(failed(cause))
            }
        }
    }

    /// Removes it again: its key was not stored.
    pub(super) fn discard(self) {
        if let Err(cause) = fs::remove_file(&self.0) {
            let path = self.0.display();
            tracing::warn!(%cause, %path, "the file of a key that was not made could not be removed");
        }
    }
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
