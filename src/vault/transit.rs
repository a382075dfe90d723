//! A master key in the transit engine of HashiCorp Vault or OpenBao, over HTTP.
//! <https://openbao.org/api-docs/secret/transit/>
//!
//! Its calls block. They are made at a start and by the command that changes
//! keys, before requests are taken and never by one.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use ureq::tls::{RootCerts, TlsConfig};
use zeroize::{Zeroize, Zeroizing};

use super::KEY_LENGTH;
use super::ring::{KEY_ID_LENGTH, fixed};
use crate::config::{KeyService, Secret};
use crate::error::{Error, Result};

/// How long one call may take, connection and all.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the longest answer that is read.
const LONGEST_ANSWER: u64 = 64 << 10;

/// A key of a key service.
pub(super) struct Transit {
    agent: ureq::Agent,
    url: String,
    mount: String,
    name: String,
    token: Secret,
}

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: String,
}

impl Drop for Decrypted {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

#[derive(Deserialize)]
struct Refused {
    errors: Vec<String>,
}

impl Transit {
    /// A key of the service; nothing is asked yet.
    ///
    /// # Errors
    /// When there is no token.
    pub(super) fn new(service: &KeyService) -> Result<Self> {
        // Certificates are checked against those that the machine trusts.
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        Ok(Self {
            agent,
            url: service.url.trim_end_matches('/').to_owned(),
            mount: service.mount.trim_matches('/').to_owned(),
            name: service.name.clone(),
            token: token(service)?,
        })
    }

    /// What makes it the same key: mount and name. The service may move.
    pub(super) fn identity(&self) -> String {
        format!("{}/{}", self.mount, self.name)
    }

    /// Has a wrapping key wrapped. Its id goes with it, so that it opens under no other.
    pub(super) fn wrap(&self, id: i64, key: &[u8; KEY_LENGTH]) -> Result<Vec<u8>> {
        let plain = Zeroizing::new([&id.to_be_bytes()[..], key].concat());
        let plaintext = Zeroizing::new(STANDARD.encode(&*plain));
        let body = Encrypt {
            plaintext: &plaintext,
        };
        let answer: Answer<Encrypted> = self.call("encrypt", &body)?;
        Ok(answer.data.ciphertext.into_bytes())
    }

    /// Has a wrapping key unwrapped.
    pub(super) fn unwrap(&self, id: i64, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_LENGTH]>> {
        let ciphertext = std::str::from_utf8(wrapped)
            .map_err(|_| self.fault("what it is to unwrap was not wrapped by it"))?;
        let answer: Answer<Decrypted> = self.call("decrypt", &Decrypt { ciphertext })?;
        let plain = STANDARD.decode(&answer.data.plaintext).map(Zeroizing::new);
        let plain = plain.map_err(|_| self.fault("it answered with something else than base64"))?;
        match plain.split_at_checked(KEY_ID_LENGTH) {
            Some((own, key)) if own == id.to_be_bytes() => fixed(key),
            _ => Err(self.fault("it unwrapped another key than the one asked for")),
        }
    }

    fn call<T: for<'a> Deserialize<'a>>(&self, verb: &str, body: &impl Serialize) -> Result<T> {
        let url = format!("{}/v1/{}/{verb}/{}", self.url, self.mount, self.name);
        let sent = self
            .agent
            .post(&url)
            .header("x-vault-token", self.token.reveal())
            .send_json(body);
        let mut answer =
            sent.map_err(|cause| self.fault(&format!("it does not answer: {cause}")))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(LONGEST_ANSWER);
        let text = Zeroizing::new(
            text.read_to_vec()
                .map_err(|cause| self.fault(&cause.to_string()))?,
        );
        if status.is_success() {
            // The parser's own words could carry what it read.
            return serde_json::from_slice(&text)
                .map_err(|_| self.fault("its answer is not that of a transit engine"));
        }
        let why = serde_json::from_slice::<Refused>(&text)
            .map(|refused| refused.errors.join("; "))
            .unwrap_or_default();
        let hint = match status.as_u16() {
            403 => ": the token may not use this key",
            404 => ": there is no such mount or key",
            503 => ": the service is sealed",
            _ => "",
        };
        let why = why.trim();
        Err(self.fault(&format!("it answered {status} to {verb}{hint} {why}")))
    }

    fn fault(&self, what: &str) -> Error {
        Error::internal(format!("{self}: {}", what.trim_end()))
    }
}

/// The token: of the variable, or of its file.
fn token(service: &KeyService) -> Result<Secret> {
    if let Some(token) = &service.token {
        return Ok(token.clone());
    }
    let Some(path) = &service.token_file else {
        return Err(Error::internal(
            "the key service wants a token: set OMS_MASTER_KEY_TOKEN or master_key_token_file",
        ));
    };
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|cause| {
        Error::internal(format!(
            "the key service's token file {}: {cause}",
            path.display()
        ))
    })?);
    Ok(Secret::new(text.trim().to_owned()))
}

impl fmt::Display for Transit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the key {} of {}", self.identity(), self.url)
    }
}
