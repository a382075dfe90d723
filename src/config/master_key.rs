//! Where the master key comes from: a file, a variable, or a key service.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Config;

/// A secret of the environment: it has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// The base64 of 32 bytes out of `OMS_MASTER_KEY`.
    Variable(Secret),
    /// A key that never leaves its service.
    Service(KeyService),
}

/// A key in the transit engine of HashiCorp Vault or OpenBao.
#[derive(Clone, Debug)]
pub struct KeyService {
    /// Like `https://vault.example:8200`.
    pub url: String,
    /// Where the engine is mounted.
    pub mount: String,
    /// The key's name there.
    pub name: String,
    /// The token of `OMS_MASTER_KEY_TOKEN`.
    pub token: Option<Secret>,
    /// The file that holds the token, where the variable does not.
    pub token_file: Option<PathBuf>,
}

impl Config {
    /// Where the master key comes from; `None` for a generated one in `data`.
    #[must_use]
    pub fn master_key(&self) -> Option<MasterKeySource> {
        if let Some(path) = &self.master_key_file {
            return Some(MasterKeySource::File(path.clone()));
        }
        if let Some(text) = &self.master_key_variable {
            return Some(MasterKeySource::Variable(text.clone()));
        }
        let url = self.master_key_service.as_ref()?;
        Some(MasterKeySource::Service(self.key_service(url.clone())))
    }

    /// The key service at this address, with name, mount and token of the settings.
    #[must_use]
    pub fn key_service(&self, url: String) -> KeyService {
        KeyService {
            url,
            mount: self.master_key_mount.clone(),
            name: self.master_key_name.clone(),
            token: self.master_key_token.clone(),
            token_file: self.master_key_token_file.clone(),
        }
    }
}

/// Whether a text is the address of a key service: https, or http on this
/// machine, because the wrapping key travels in the answer.
#[must_use]
pub fn is_service_url(text: &str) -> bool {
    let (rest, plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return false,
    };
    let host = rest.trim_end_matches('/');
    let whole = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    let here = ["127.0.0.1", "[::1]", "localhost"]
        .iter()
        .filter_map(|here| host.strip_prefix(here))
        .any(|port| port.is_empty() || port.starts_with(':'));
    whole && (!plain || here)
}

/// Whether a text may stand as mount or name in a path of the service.
#[must_use]
pub fn is_service_name(text: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && !part.bytes().all(|byte| byte == b'.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    text.split('/').all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_asked_over_tls_or_on_this_machine() {
        for good in [
            "https://vault.example:8200",
            "https://v/",
            "http://127.0.0.1:8200",
            "http://[::1]:1",
        ] {
            assert!(is_service_url(good), "{good}");
        }
        for bad in [
            "http://vault.example:8200",
            "http://127.0.0.1.example",
            "https://",
            "vault",
            "https://u:p@v",
            "https://v/ui",
        ] {
            assert!(!is_service_url(bad), "{bad}");
        }
        assert!(is_service_name("teams/a/transit") && is_service_name("oms-1"));
        for bad in ["", "a//b", "..", "a/../b", "a?b", "a b"] {
            assert!(!is_service_name(bad), "{bad}");
        }
    }
}
