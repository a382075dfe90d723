//! What happened to a resource, by whom and why: written with the change, read
//! as history, and later told to webhooks.

use serde::{Deserialize, Serialize};

use super::endorsement::{EndorsementName, EndorsementStatus};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::id::CustomerId;
use crate::store::event::EventRow;
use crate::vault::{Place, SealingKey};

/// Who does something, and in which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// An API key, or `cli:` and the user at the command line.
    pub actor: String,
    /// The request's id; that of the run for a command.
    pub request_id: String,
}

/// Who orders something of the installation itself, and why he says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who.
    pub origin: Origin,
    /// Why, when he says.
    pub reason: Option<String>,
}

/// What kind of thing happened. Contract section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// A customer was made.
    #[serde(rename = "customer.created")]
    CustomerCreated,
    /// A customer was changed.
    #[serde(rename = "customer.updated")]
    CustomerUpdated,
    /// A customer was deactivated.
    #[serde(rename = "customer.deactivated")]
    CustomerDeactivated,
    /// An endorsement changed its status to something else than active.
    #[serde(rename = "endorsement.updated")]
    EndorsementUpdated,
    /// An endorsement became active.
    #[serde(rename = "endorsement.active")]
    EndorsementActive,
    /// Somebody opened a customer's personal data. Audit only.
    #[serde(rename = "customer.opened")]
    CustomerOpened,
    /// A customer was erased. Audit only.
    #[serde(rename = "customer.erased")]
    CustomerErased,
    /// A customer must not be erased for a while. Audit only.
    #[serde(rename = "customer.held")]
    CustomerHeld,
    /// A customer may be erased again. Audit only.
    #[serde(rename = "customer.released")]
    CustomerReleased,
    /// The provider is asked about a customer's identity again. Audit only.
    #[serde(rename = "verification.askedAgain")]
    VerificationAskedAgain,
    /// An API key was made. Audit only.
    #[serde(rename = "apiKey.created")]
    ApiKeyCreated,
    /// An API key was revoked. Audit only.
    #[serde(rename = "apiKey.revoked")]
    ApiKeyRevoked,
    /// A project was set to something else. Audit only.
    #[serde(rename = "project.changed")]
    ProjectChanged,
    /// Rows that a version before stored were bound to what they say. Audit only.
    #[serde(rename = "rows.bound")]
    RowsBound,
    /// Somebody asked a webhook for a sign of life. Told to that webhook only.
    #[serde(rename = "webhook.test")]
    WebhookTest,
    /// A webhook was made. Audit only.
    #[serde(rename = "webhook.created")]
    WebhookCreated,
    /// A webhook was changed, or its secret. Audit only.
    #[serde(rename = "webhook.updated")]
    WebhookUpdated,
    /// A webhook was deleted. Audit only.
    #[serde(rename = "webhook.deleted")]
    WebhookDeleted,
    /// A webhook was disabled because its receiver fails. Audit only.
    #[serde(rename = "webhook.disabled")]
    WebhookDisabled,
    /// A change of the master key was begun, or of the wrapping key under it. Audit only.
    #[serde(rename = "masterKey.changing")]
    MasterKeyChanging,
    /// The master key before opens nothing any more. Audit only.
    #[serde(rename = "masterKey.changed")]
    MasterKeyChanged,
    /// There is a new key that signs tokens. Audit only.
    #[serde(rename = "signingKey.changed")]
    SigningKeyChanged,
}

impl EventKind {
    /// Every kind that the contract names; the others are for the audit log only.
    pub const PUBLISHED: [Self; 5] = [
        Self::CustomerCreated,
        Self::CustomerUpdated,
        Self::CustomerDeactivated,
        Self::EndorsementUpdated,
        Self::EndorsementActive,
    ];

    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::CustomerCreated,
        Self::CustomerUpdated,
        Self::CustomerDeactivated,
        Self::EndorsementUpdated,
        Self::EndorsementActive,
        Self::CustomerOpened,
        Self::CustomerErased,
        Self::CustomerHeld,
        Self::CustomerReleased,
        Self::VerificationAskedAgain,
        Self::ApiKeyCreated,
        Self::ApiKeyRevoked,
        Self::ProjectChanged,
        Self::RowsBound,
        Self::WebhookTest,
        Self::WebhookCreated,
        Self::WebhookUpdated,
        Self::WebhookDeleted,
        Self::WebhookDisabled,
        Self::MasterKeyChanging,
        Self::MasterKeyChanged,
        Self::SigningKeyChanged,
    ];

    /// The kind on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerCreated => "customer.created",
            Self::CustomerUpdated => "customer.updated",
            Self::CustomerDeactivated => "customer.deactivated",
            Self::EndorsementUpdated => "endorsement.updated",
            Self::EndorsementActive => "endorsement.active",
            Self::CustomerOpened => "customer.opened",
            Self::CustomerErased => "customer.erased",
            Self::CustomerHeld => "customer.held",
            Self::CustomerReleased => "customer.released",
            Self::VerificationAskedAgain => "verification.askedAgain",
            Self::ApiKeyCreated => "apiKey.created",
            Self::ApiKeyRevoked => "apiKey.revoked",
            Self::ProjectChanged => "project.changed",
            Self::RowsBound => "rows.bound",
            Self::WebhookTest => "webhook.test",
            Self::WebhookCreated => "webhook.created",
            Self::WebhookUpdated => "webhook.updated",
            Self::WebhookDeleted => "webhook.deleted",
            Self::WebhookDisabled => "webhook.disabled",
            Self::MasterKeyChanging => "masterKey.changing",
            Self::MasterKeyChanged => "masterKey.changed",
            Self::SigningKeyChanged => "signingKey.changed",
        }
    }

    /// The names by which it may be told: the one on the wire, and published aliases.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::CustomerCreated => &["customer.created"],
            Self::CustomerUpdated => &["customer.updated"],
            Self::CustomerDeactivated => &["customer.deactivated"],
            Self::EndorsementUpdated => &["endorsement.updated"],
            Self::EndorsementActive => &["endorsement.active", "customer.endorsement.granted"],
            Self::WebhookTest => &["webhook.test"],
            _ => &[],
        }
    }

    /// Whether every webhook of the project may be told.
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        Self::PUBLISHED.contains(&self)
    }

    /// Whether anybody but an auditor is told.
    #[must_use]
    pub fn is_published(self) -> bool {
        self.is_broadcast() || self == Self::WebhookTest
    }

    /// The published kind that has a name or alias.
    #[must_use]
    pub fn published_as(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.names().contains(&name))
    }

    /// The kind of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What an event says beyond its kind. Names and reasons, never a write-only value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Names of the fields that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The endorsement that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endorsement: Option<String>,
    /// Its status before; absent when it was just requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its status after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why, for the developer or the auditor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it was done to, when that is not the resource: an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What kind of thing.
    pub kind: EventKind,
    /// What more is to say.
    #[serde(flatten)]
    pub detail: Detail,
}

impl Event {
    /// Something happened to a customer.
    #[must_use]
    pub fn of_customer(kind: EventKind, changed: &[&str]) -> Self {
        let changed = changed.iter().map(|name| (*name).to_owned()).collect();
        let detail = Detail {
            changed,
            ..Detail::default()
        };
        Self { kind, detail }
    }

    /// Somebody did something for a reason.
    #[must_use]
    pub fn with_reason(kind: EventKind, reason: &str) -> Self {
        let detail = Detail {
            reason: Some(reason.to_owned()),
            ..Detail::default()
        };
        Self { kind, detail }
    }

    /// An endorsement changed its status.
    #[must_use]
    pub fn of_endorsement(
        name: EndorsementName,
        from: Option<EndorsementStatus>,
        to: EndorsementStatus,
        reason: Option<String>,
    ) -> Self {
        let kind = match to {
            EndorsementStatus::Active => EventKind::EndorsementActive,
            _ => EventKind::EndorsementUpdated,
        };
        let detail = Detail {
            endorsement: Some(name.name().to_owned()),
            from: from.map(|status| status.name().to_owned()),
            to: Some(to.name().to_owned()),
            reason,
            ..Detail::default()
        };
        Self { kind, detail }
    }
}

/// The resource of what happens to the installation itself.
pub const INSTALLATION: CustomerId = CustomerId::from_bytes([0; 16]);

/// The row of a change, sealed with the customer's data key, or with the installation's
/// own where it must outlive the customer's.
///
/// # Errors
/// `internalError` when the events are no JSON, which they always are.
pub fn seal(
    events: &[Event],
    (project, customer): (i64, CustomerId),
    origin: &Origin,
    key: &SealingKey,
    context: &Context,
) -> Result<EventRow> {
    let (id, happened_at) = context.new_dated_id();
    let plain = serde_json::to_vec(events).map_err(Error::internal)?;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    Ok(EventRow {
        id,
        happened_at,
        project,
        resource: *customer.as_bytes(),
        sequence: 0,
        count: i64::try_from(events.len()).map_err(Error::internal)?,
        kinds: kinds.join(","),
        actor: origin.actor.clone(),
        request_id: origin.request_id.clone(),
        data_key: key.id(),
        detail: key.seal(detail_place(project, &id), &plain, &context.random),
        state: None,
    })
}

/// The events of a row, the first of which has the row's sequence.
///
/// # Errors
/// `internalError` when they do not open with this key.
pub fn open(row: &EventRow, key: &SealingKey) -> Result<Vec<Event>> {
    let plain = key.open(detail_place(row.project, &row.id), &row.detail)?;
    serde_json::from_slice(&plain).map_err(Error::internal)
}

const fn detail_place(project: i64, id: &[u8; 16]) -> Place<'_> {
    Place {
        project,
        row: id,
        field: "events.detail",
    }
}
