//! Where the verification provider is, and the secret that is shared with it.

use std::fs;

use zeroize::Zeroizing;

use super::{Config, Secret, is_service_url};

impl Config {
    /// A provider needs one secret, from one place.
    pub(super) fn check_provider_secret(&self) -> Result<(), String> {
        let variable = self.verification_provider_secret.is_some();
        let file = self.verification_provider_secret_file.is_some();
        match (self.verification_provider_url.is_some(), variable, file) {
            (_, true, true) => Err(
                "verification_provider_secret_file and OMS_VERIFICATION_PROVIDER_SECRET both name \
                 the provider's secret; set one of them"
                    .to_owned(),
            ),
            (true, false, false) => Err(
                "verification_provider_url wants a secret: set verification_provider_secret_file \
                 or OMS_VERIFICATION_PROVIDER_SECRET"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// The text of the secret that is shared with the provider, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn provider_secret(&self) -> Result<Option<Secret>, String> {
        let Some(path) = &self.verification_provider_secret_file else {
            return Ok(self.verification_provider_secret.clone());
        };
        let text = fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|cause| {
            let path = path.display();
            format!("the file of verification_provider_secret_file, {path}: {cause}")
        })?;
        Ok(Some(Secret::new(text.trim().to_owned())))
    }
}

/// Whether a text is an address to send personal data to: https, or http on this
/// machine; path and query as they like, no user and no fragment.
#[must_use]
pub fn is_provider_url(text: &str) -> bool {
    let origin = text.find("://").map_or(text.len(), |scheme| {
        let rest = scheme + 3;
        text[rest..]
            .find(['/', '?'])
            .map_or(text.len(), |end| rest + end)
    });
    let (origin, path) = text.split_at(origin);
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte));
    is_service_url(origin) && plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_over_tls_or_on_this_machine() {
        for good in [
            "https://kyc.example",
            "https://kyc.example:8443/verify?tenant=a",
            "http://127.0.0.1:9000/verify",
            "http://localhost/",
            "http://[::1]:1/v",
        ] {
            assert!(is_provider_url(good), "{good}");
        }
        for bad in [
            "",
            "kyc.example/verify",
            "http://kyc.example/verify",
            "http://127.0.0.1.example/",
            "https:///verify",
            "https://user:word@kyc.example/",
            "https://kyc.example/a b",
            "https://kyc.example/#part",
            "ftp://127.0.0.1/",
        ] {
            assert!(!is_provider_url(bad), "{bad}");
        }
    }
}
