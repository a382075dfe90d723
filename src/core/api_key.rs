//! API keys: who may call, for which project and mode, and to do what.
//!
//! The secret exists in the clear only in the answer of [`NewApiKey::make`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::context::{Context, Time};
use crate::error::{FieldCode, Invalid};
use crate::vault::Secrets;

/// Test or real. Contract section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing is real; verification is automatic.
    Sandbox,
    /// Real people and real money.
    Live,
}

impl Mode {
    /// The mode in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        }
    }

    /// What an API key of this mode begins with.
    #[must_use]
    pub const fn key_prefix(self) -> &'static str {
        match self {
            Self::Sandbox => "sk_sdbx_",
            Self::Live => "sk_live_",
        }
    }

    /// The mode of a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sandbox, Self::Live]
            .into_iter()
            .find(|mode| mode.name() == text)
    }
}

/// One thing that a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read and list customers.
    CustomersRead,
    /// Create, change and deactivate customers.
    CustomersWrite,
    /// Erase customers for good.
    CustomersErase,
    /// Read webhooks and their deliveries.
    WebhooksRead,
    /// Make, change, test and delete webhooks.
    WebhooksWrite,
    /// Read events.
    EventsRead,
}

impl Scope {
    /// Every scope, in the order in which they are written.
    pub const ALL: [Self; 6] = [
        Self::CustomersRead,
        Self::CustomersWrite,
        Self::CustomersErase,
        Self::WebhooksRead,
        Self::WebhooksWrite,
        Self::EventsRead,
    ];

    /// The scope in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomersRead => "customers:read",
            Self::CustomersWrite => "customers:write",
            Self::CustomersErase => "customers:erase",
            Self::WebhooksRead => "webhooks:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::EventsRead => "events:read",
        }
    }
}

/// A set of scopes, written as a list with commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u32);

impl Scopes {
    /// Everything, also what later versions add.
    pub const ALL: Self = Self(u32::MAX);

    /// Reads a list with commas; `*` is everything.
    ///
    /// # Errors
    /// Names the word that is no scope and those that are.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text == "*" {
            return Ok(Self::ALL);
        }
        text.split(',')
            .map(str::trim)
            .try_fold(Self(0), |set, word| {
                let scope = Scope::ALL.iter().find(|scope| scope.name() == word);
                let scope = scope.ok_or_else(|| {
                    let known = Scope::ALL.map(Scope::name).join(", ");
                    Invalid::new(
                        FieldCode::ValueInvalid,
                        format!("{word:?} is no scope; the scopes are {known}, and * for all"),
                    )
                })?;
                Ok(Self(set.0 | 1 << *scope as u32))
            })
    }

    /// Whether the set holds a scope.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u32) != 0
    }

    /// The names of the scopes in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let held = Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope));
        held.map(Scope::name)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return out.write_str("*");
        }
        out.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

/// A key as it is stored.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The public half, `sk_sdbx_…` or `sk_live_…`.
    pub api_key: String,
    /// The project's number.
    pub project: i64,
    /// The project's name.
    pub project_name: String,
    /// Sandbox or live.
    pub mode: Mode,
    /// Keyed hash of the secret.
    pub secret_hash: Vec<u8>,
    /// What the key may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

/// A fresh pair of key and secret.
pub struct NewApiKey {
    /// The public half.
    pub api_key: String,
    /// The secret half, shown this once.
    pub api_secret: String,
    /// What is stored of it.
    pub secret_hash: Vec<u8>,
}

impl NewApiKey {
    /// Makes a pair: 120 random bits in the key, 256 in the secret.
    #[must_use]
    pub fn make(mode: Mode, context: &Context, secrets: &Secrets) -> Self {
        let api_key = format!(
            "{}{}",
            mode.key_prefix(),
            URL_SAFE_NO_PAD.encode(context.random.bytes::<15>())
        );
        let api_secret = URL_SAFE_NO_PAD.encode(context.random.bytes::<32>());
        let secret_hash = secrets.hash_api_secret(&api_key, &api_secret).to_vec();
        Self {
            api_key,
            api_secret,
            secret_hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for text in ["*", "customers:read", "customers:read,customers:write"] {
            assert_eq!(Scopes::parse(text).unwrap().to_string(), text);
        }
        let refused = Scopes::parse("customers:red").unwrap_err();
        assert!(refused.message.contains("customers:read, customers:write"));
    }

    #[test]
    fn all_scopes_hold_every_scope() {
        assert!(Scope::ALL.iter().all(|scope| Scopes::ALL.contains(*scope)));
        let one = Scopes::parse("customers:read").unwrap();
        assert!(!one.contains(Scope::CustomersWrite));
    }
}
