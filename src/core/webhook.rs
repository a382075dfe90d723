//! Webhooks: who is told what, where, and signed how. Contract section 9.
//!
//! URL and secrets stand sealed in the row; a secret is shown when it is made and never again.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::api_key::Mode;
use super::audit::hex;
use super::reach::Reach;
use super::subscription::Subscription;
use crate::context::{Context, Random, Time};
use crate::error::{Error, FieldCode, Invalid, Result};
use crate::id::{DeliveryId, WebhookId};
use crate::store::webhook::{Found, WebhookRow};
use crate::vault::{KeyRing, Place, SealingKey};

/// Webhooks that a project may have.
pub const MOST_WEBHOOKS: i64 = 20;

/// How long the secret before still signs after a rotation.
pub const OVERLAP_S: i64 = 24 * 3600;

/// How a delivery is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Webhook-Signature: t=…,v1=…`, as the published API signs.
    Oms,
    /// The three headers of Standard Webhooks.
    Standard,
}

impl Scheme {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Oms, Self::Standard];

    /// The scheme in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oms => "oms",
            Self::Standard => "standard",
        }
    }

    /// Reads the word.
    ///
    /// # Errors
    /// When there is no such scheme.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|scheme| scheme.name() == text);
        found.ok_or_else(|| Invalid::new(FieldCode::ValueInvalid, "must be oms or standard"))
    }
}

/// What signs. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// A new secret in the form that the scheme wants.
    #[must_use]
    pub fn make(scheme: Scheme, random: &Random) -> Self {
        let bytes = random.bytes::<32>();
        Self(match scheme {
            Scheme::Oms => format!("whsec_{}", hex(&bytes)),
            Scheme::Standard => format!("whsec_{}", STANDARD.encode(bytes)),
        })
    }

    /// The secret in the clear, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// HMAC-SHA256 with the key that the scheme makes of the secret.
    fn sign(&self, scheme: Scheme, parts: &[&[u8]]) -> hmac::Tag {
        let key = match scheme {
            Scheme::Oms => self.0.as_bytes().to_vec(),
            Scheme::Standard => {
                let text = self.0.strip_prefix("whsec_").unwrap_or(&self.0);
                STANDARD.decode(text).unwrap_or_default()
            }
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, &key));
        for part in parts {
            context.update(part);
        }
        context.sign()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// What stands sealed in the row.
#[derive(Serialize, Deserialize)]
struct Target {
    url: String,
    secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<(String, i64)>,
}

/// A webhook, opened.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The row.
    pub row: WebhookRow,
    /// Where to.
    pub url: Url,
    /// What of.
    pub subscription: Subscription,
    /// Signed how.
    pub scheme: Scheme,
    /// With what.
    pub secret: Secret,
    /// The secret before, and until when it signs too.
    pub before: Option<(Secret, Time)>,
}

/// What makes a webhook.
#[derive(Debug)]
pub struct NewWebhook {
    /// Where to.
    pub url: Url,
    /// What of.
    pub subscription: Subscription,
    /// Signed how.
    pub scheme: Scheme,
    /// Kept and shown; nothing is told differently.
    pub compliance_only: bool,
}

/// What a change of a webhook asks for: `None` keeps.
#[derive(Debug, Default)]
pub struct WebhookChange {
    /// Where to.
    pub url: Option<Url>,
    /// What of, from now on.
    pub subscription: Option<Subscription>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
    /// Kept and shown; nothing is told differently.
    pub compliance_only: Option<bool>,
}

/// How far the webhooks of a mode may reach, on a server whose sandboxes may reach this machine
/// or not.
#[must_use]
pub const fn reach(mode: Mode, to_loopback: bool) -> Reach {
    match mode {
        Mode::Sandbox if to_loopback => Reach::Loopback,
        Mode::Sandbox | Mode::Live => Reach::Public,
    }
}

impl Webhook {
    /// A new webhook under a data key of its own.
    #[must_use]
    pub fn make(project: i64, made: NewWebhook, key: &SealingKey, context: &Context) -> Self {
        let (id, created_at) = context.new_dated_id();
        let row = WebhookRow {
            id: WebhookId::from_bytes(id),
            created_at,
            project,
            version: 1,
            events: String::new(),
            scheme: made.scheme.name().to_owned(),
            compliance_only: made.compliance_only,
            enabled: true,
            disabled_reason: None,
            data_key: key.id(),
            target: Vec::new(),
        };
        let mut webhook = Self {
            row,
            url: made.url,
            subscription: made.subscription,
            scheme: made.scheme,
            secret: Secret::make(made.scheme, &context.random),
            before: None,
        };
        webhook.seal(key, context);
        webhook
    }

    /// Opens a row with the key that it gives back; `None` when the key was destroyed.
    ///
    /// # Errors
    /// `internalError` when it does not open.
    pub fn open((row, wrapped): Found, ring: &KeyRing) -> Result<Option<(Self, SealingKey)>> {
        let Some(wrapped) = wrapped else {
            return Ok(None);
        };
        let key = ring.unwrap_data_key(row.data_key, &wrapped)?;
        let plain = key.open(place(row.project, &row.id), &row.target)?;
        let target: Target = serde_json::from_slice(&plain).map_err(Error::internal)?;
        let scheme = Scheme::parse(&row.scheme);
        let scheme = scheme.map_err(|_| Error::internal("an unknown scheme is stored"))?;
        let before = target.before.map(|(secret, until)| {
            let until = Time::from_millis(until);
            (Secret(secret), until)
        });
        let webhook = Self {
            url: Url::parse(&target.url).map_err(Error::internal)?,
            subscription: Subscription::stored(&row.events),
            scheme,
            secret: Secret(target.secret),
            before,
            row,
        };
        Ok(Some((webhook, key)))
    }

    /// The webhook of the next version, with these changes.
    #[must_use]
    pub fn changed(&self, change: WebhookChange, key: &SealingKey, context: &Context) -> Self {
        let mut next = self.clone();
        next.url = change.url.unwrap_or(next.url);
        next.subscription = change.subscription.unwrap_or(next.subscription);
        if let Some(only) = change.compliance_only {
            next.row.compliance_only = only;
        }
        if let Some(enabled) = change.enabled {
            next.row.enabled = enabled;
            next.row.disabled_reason = None;
        }
        next.row.version += 1;
        next.seal(key, context);
        next
    }

    /// The webhook of the next version with a new secret; the present one signs for a while beside it.
    #[must_use]
    pub fn rotated(&self, key: &SealingKey, context: &Context) -> Self {
        let mut next = self.clone();
        let until = context.settled_now().plus_seconds(OVERLAP_S);
        let secret = Secret::make(self.scheme, &context.random);
        next.before = Some((std::mem::replace(&mut next.secret, secret), until));
        next.row.version += 1;
        next.seal(key, context);
        next
    }

    fn seal(&mut self, key: &SealingKey, context: &Context) {
        let target = Target {
            url: self.url.to_string(),
            secret: self.secret.0.clone(),
            before: self
                .before
                .as_ref()
                .map(|(secret, until)| (secret.0.clone(), until.as_millis())),
        };
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&target).unwrap_or_default());
        self.row.events = self.subscription.to_text();
        let place = place(self.row.project, &self.row.id);
        self.row.target = key.seal(place, &plain, &context.random);
    }

    /// The headers that sign a body at this moment.
    #[must_use]
    pub fn sign(
        &self,
        id: DeliveryId,
        body: &[u8],
        context: &Context,
    ) -> Vec<(&'static str, String)> {
        let time = context.now().as_seconds().to_string();
        let now = context.cautious_now();
        let before = self.before.as_ref().filter(|(_, until)| now < *until);
        let secrets = [Some(&self.secret), before.map(|(secret, _)| secret)];
        let secrets = secrets.into_iter().flatten();
        match self.scheme {
            Scheme::Oms => {
                let parts: [&[u8]; 3] = [time.as_bytes(), b".", body];
                let signed = secrets.map(|secret| hex(secret.sign(self.scheme, &parts).as_ref()));
                let signatures = signed.map(|signature| format!(",v1={signature}"));
                let all: String = signatures.collect();
                vec![("webhook-signature", format!("t={time}{all}"))]
            }
            Scheme::Standard => {
                let id = id.to_string();
                let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", body];
                let signed = secrets.map(|secret| secret.sign(self.scheme, &parts));
                let signatures = signed.map(|tag| format!("v1,{}", STANDARD.encode(tag)));
                let all: Vec<_> = signatures.collect();
                vec![
                    ("webhook-id", id),
                    ("webhook-timestamp", time),
                    ("webhook-signature", all.join(" ")),
                ]
            }
        }
    }
}

const fn place(project: i64, id: &WebhookId) -> Place<'_> {
    Place {
        project,
        row: id.as_bytes(),
        field: "webhooks.target",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_both_schemes() {
        // The example of the Standard Webhooks specification's libraries.
        let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let parts: [&[u8]; 1] =
            [br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#];
        let tag = secret.sign(Scheme::Standard, &parts);
        assert_eq!(
            STANDARD.encode(tag),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
