//! The signals that end a command which runs until it is told to stop, and one that must not.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};

/// Signals that ask the process to stop; once listened to, they do not end it by themselves.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    _file_too_large: Signal,
}

/// SIGXFSZ, on every system there is: a file would become larger than the process may make it.
const FILE_TOO_LARGE: i32 = 25;

impl StopSignals {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Error::internal)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Error::internal)?,
            // The write fails as well, as on a full disk, and that is dealt with.
            _file_too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))
                .map_err(Error::internal)?,
        })
    }

    /// Waits for one of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
