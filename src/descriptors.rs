//! How the file descriptors of a server are shared out: so many for connections to the API, some
//! for the operator's listener, some for requests that leave, and the rest for files. Nobody can
//! use up what another one needs.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::outbound::OPEN_AT_MOST;

/// Files that a server opens beside those of its store.
const FILES: usize = 16;

/// Files that the embedded engine opens for each of its connections, and how many connections it
/// has beside those that read.
const EMBEDDED: (usize, usize) = (4, 3);

/// Requests to a verification provider at once.
const PROVIDER: usize = 16;

/// Descriptors with which the API, the operator's listener and requests that leave can do
/// anything at all.
const LEAST: usize = 8;

/// Connections to the operator's listener: at least, and at most.
const OPERATOR: (usize, usize) = (2, 64);

/// What each may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Connections to the API.
    pub api: usize,
    /// Connections to the operator's listener.
    pub operator: usize,
    /// Connections of requests that leave.
    pub outbound: usize,
}

impl Descriptors {
    /// Shares out what this process may open beside what it has opened. The store is not open yet.
    ///
    /// # Errors
    /// When there are too few for a server.
    pub fn of_process(config: &Config) -> Result<Self> {
        let limit = getrlimit(Resource::Nofile).current;
        let limit = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        // Where there is no `/proc`, about as many as there are elsewhere.
        let open = fs::read_dir("/proc/self/fd").map_or(FILES, Iterator::count);
        let store = match &config.database {
            Some(database) => config.read_threads + database.write_connections,
            None => EMBEDDED.0 * (config.read_threads + EMBEDDED.1),
        };
        let provider = config.verification_provider_url.as_ref();
        let files = open + FILES + store + provider.map_or(0, |_| PROVIDER);
        let shared = Self::share(limit.saturating_sub(files)).ok_or_else(|| {
            let wanted = files + LEAST;
            Error::internal(format!(
                "this process may open {limit} files and needs {wanted} at least: raise the limit (ulimit -n, LimitNOFILE)"
            ))
        })?;
        if shared.api < config.max_connections {
            let (api, wanted) = (shared.api, config.max_connections);
            tracing::warn!(
                limit,
                "the limit of open files allows {api} connections and not max_connections, {wanted}"
            );
        }
        Ok(shared)
    }

    fn share(rest: usize) -> Option<Self> {
        if rest < LEAST {
            return None;
        }
        let operator = (rest / 8).clamp(OPERATOR.0, OPERATOR.1);
        let outbound = (rest / 4).clamp(2, OPEN_AT_MOST);
        Some(Self {
            api: rest - operator - outbound,
            operator,
            outbound,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_some_and_together_they_have_what_there_is() {
        for rest in [LEAST, 9, 17, 100, 976, 20_000, 1 << 30] {
            let shared = Descriptors::share(rest).expect("enough");
            let Descriptors {
                api,
                operator,
                outbound,
            } = shared;
            assert_eq!(api + operator + outbound, rest);
            assert!(
                api >= rest / 2 && operator >= 2 && outbound >= 2,
                "{shared:?}"
            );
        }
        assert_eq!(Descriptors::share(LEAST - 1), None);
    }
}
