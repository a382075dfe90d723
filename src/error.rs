//! The one error of the crate: a closed set of codes, public text, private cause.
//!
//! It knows no HTTP: `http/error.rs` gives each code its status. The public
//! text never repeats a value that a client sent into a write-only field.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

/// A result with the crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a caller can act on it. Contract section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The body is not JSON, or not UTF-8, or repeats a name.
    BodyNotJson,
    /// The body is JSON but not an object.
    BodyNotObject,
    /// A header is malformed.
    HeaderInvalid,
    /// A query parameter is malformed or unknown.
    QueryInvalid,
    /// A POST came without `Idempotency-Key`.
    IdempotencyKeyMissing,
    /// The `Idempotency-Key` is malformed.
    IdempotencyKeyInvalid,
    /// API key or secret are wrong, or the key is revoked.
    CredentialsInvalid,
    /// No bearer token.
    TokenMissing,
    /// The token is malformed, forged or revoked.
    TokenInvalid,
    /// The token's time is over.
    TokenExpired,
    /// A message is not signed by the verification provider, or too long ago.
    SignatureInvalid,
    /// The key lacks the scope that the call wants.
    ScopeMissing,
    /// There is no such path or resource.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The client was too slow in sending its body.
    RequestTimeout,
    /// The first request with this key is still running.
    IdempotencyInProgress,
    /// The customer is inactive.
    CustomerInactive,
    /// The customer must be kept for now.
    CustomerOnHold,
    /// The webhook is disabled, and nothing is sent to it.
    WebhookDisabled,
    /// The project has as many webhooks as it may.
    TooManyWebhooks,
    /// The endorsement may not become this.
    TransitionNotAllowed,
    /// A verification takes no result any more.
    VerificationClosed,
    /// `If-Match` names another version.
    PreconditionFailed,
    /// The body is too large.
    BodyTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// Fields are invalid.
    ValidationFailed,
    /// The key belongs to another request.
    IdempotencyKeyReused,
    /// `signedAgreement` cannot go back to `false`.
    AgreementCannotBeWithdrawn,
    /// Too many requests.
    TooManyRequests,
    /// A fault of ours.
    InternalError,
    /// Overloaded, or the store is away.
    ServiceUnavailable,
}

impl Code {
    /// Every code, in the order of `docs/errors.md`.
    pub const ALL: [Self; 31] = [
        Self::BodyNotJson,
        Self::BodyNotObject,
        Self::HeaderInvalid,
        Self::QueryInvalid,
        Self::IdempotencyKeyMissing,
        Self::IdempotencyKeyInvalid,
        Self::CredentialsInvalid,
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::SignatureInvalid,
        Self::ScopeMissing,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::IdempotencyInProgress,
        Self::CustomerInactive,
        Self::CustomerOnHold,
        Self::WebhookDisabled,
        Self::TooManyWebhooks,
        Self::TransitionNotAllowed,
        Self::VerificationClosed,
        Self::PreconditionFailed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::AgreementCannotBeWithdrawn,
        Self::TooManyRequests,
        Self::InternalError,
        Self::ServiceUnavailable,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BodyNotJson => "bodyNotJson",
            Self::BodyNotObject => "bodyNotObject",
            Self::HeaderInvalid => "headerInvalid",
            Self::QueryInvalid => "queryInvalid",
            Self::IdempotencyKeyMissing => "idempotencyKeyMissing",
            Self::IdempotencyKeyInvalid => "idempotencyKeyInvalid",
            Self::CredentialsInvalid => "credentialsInvalid",
            Self::TokenMissing => "tokenMissing",
            Self::TokenInvalid => "tokenInvalid",
            Self::TokenExpired => "tokenExpired",
            Self::SignatureInvalid => "signatureInvalid",
            Self::ScopeMissing => "scopeMissing",
            Self::NotFound => "notFound",
            Self::MethodNotAllowed => "methodNotAllowed",
            Self::RequestTimeout => "requestTimeout",
            Self::IdempotencyInProgress => "idempotencyInProgress",
            Self::CustomerInactive => "customerInactive",
            Self::CustomerOnHold => "customerOnHold",
            Self::WebhookDisabled => "webhookDisabled",
            Self::TooManyWebhooks => "tooManyWebhooks",
            Self::TransitionNotAllowed => "transitionNotAllowed",
            Self::VerificationClosed => "verificationClosed",
            Self::PreconditionFailed => "preconditionFailed",
            Self::BodyTooLarge => "bodyTooLarge",
            Self::UnsupportedMediaType => "unsupportedMediaType",
            Self::ValidationFailed => "validationFailed",
            Self::IdempotencyKeyReused => "idempotencyKeyReused",
            Self::AgreementCannotBeWithdrawn => "agreementCannotBeWithdrawn",
            Self::TooManyRequests => "tooManyRequests",
            Self::InternalError => "internalError",
            Self::ServiceUnavailable => "serviceUnavailable",
        }
    }

    /// What it means: the `title` of the problem, the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BodyNotJson => "The body is not valid JSON",
            Self::BodyNotObject => "The body is not a JSON object",
            Self::HeaderInvalid => "A header is malformed",
            Self::QueryInvalid => "A query parameter is malformed or unknown",
            Self::IdempotencyKeyMissing => "The Idempotency-Key header is missing",
            Self::IdempotencyKeyInvalid => "The Idempotency-Key header is malformed",
            Self::CredentialsInvalid => "The API key or its secret is wrong",
            Self::TokenMissing => "The request carries no bearer token",
            Self::TokenInvalid => "The bearer token is not valid",
            Self::TokenExpired => "The bearer token has expired",
            Self::SignatureInvalid => "The signature is not valid",
            Self::ScopeMissing => "The API key lacks a scope",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "The path does not take this method",
            Self::RequestTimeout => "The request did not arrive in time",
            Self::IdempotencyInProgress => "The first request with this key is still running",
            Self::CustomerInactive => "The customer is inactive",
            Self::CustomerOnHold => "The customer must be kept for now",
            Self::WebhookDisabled => "The webhook is disabled",
            Self::TooManyWebhooks => "The project has too many webhooks",
            Self::TransitionNotAllowed => "The endorsement may not become this",
            Self::VerificationClosed => "The verification takes no result any more",
            Self::PreconditionFailed => "The resource has changed since you read it",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body is not declared as JSON",
            Self::ValidationFailed => "The request has invalid fields",
            Self::IdempotencyKeyReused => "The Idempotency-Key belongs to another request",
            Self::AgreementCannotBeWithdrawn => "A signed agreement cannot be withdrawn",
            Self::TooManyRequests => "Too many requests",
            Self::InternalError => "Something went wrong on our side",
            Self::ServiceUnavailable => "The service cannot take the request now",
        }
    }

    /// What the caller should do.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::BodyNotJson => "Send one JSON value in UTF-8 in which no object repeats a name.",
            Self::BodyNotObject => "Send a JSON object.",
            Self::HeaderInvalid => "Mend the header that `detail` names.",
            Self::QueryInvalid => {
                "Mend the parameter that `detail` names. A cursor is good only for the filters it came with."
            }
            Self::IdempotencyKeyMissing => {
                "Send an Idempotency-Key header: a fresh UUID for each thing you want done, the same one for its retries."
            }
            Self::IdempotencyKeyInvalid => "Send 1 to 255 visible ASCII characters.",
            Self::CredentialsInvalid => {
                "Check key and secret; a revoked key needs a new one from `oms keys create`."
            }
            Self::TokenMissing => {
                "Get a token from POST /auth/token and send `Authorization: Bearer …`."
            }
            Self::TokenInvalid | Self::TokenExpired => "Get a new token from POST /auth/token.",
            Self::SignatureInvalid => {
                "Sign the raw body anew with the secret shared with this server; check the clock."
            }
            Self::ScopeMissing => "Use a key that has the scope that `detail` names.",
            Self::NotFound => {
                "Check path and id. What belongs to another project or mode is not found either."
            }
            Self::MethodNotAllowed => "Use a method of the Allow header.",
            Self::RequestTimeout => {
                "Send the same request again with the same key, its body without pauses."
            }
            Self::IdempotencyInProgress => "Send the same request again after Retry-After.",
            Self::CustomerInactive => "An inactive customer takes no changes. Make a new customer.",
            Self::CustomerOnHold => {
                "Ask again after the date that `detail` names; `oms customers hold ID --lift` ends a legal hold."
            }
            Self::WebhookDisabled => "Enable it first: PATCH it with `{\"enabled\": true}`.",
            Self::TooManyWebhooks => "Delete one that you need no more.",
            Self::TransitionNotAllowed => "Choose one of the statuses that `detail` names.",
            Self::VerificationClosed => {
                "Send no more results for it; if the customer changed, a new request was sent."
            }
            Self::PreconditionFailed => "Read the resource again, merge, and send its new ETag.",
            Self::BodyTooLarge => "Send at most 64 KiB.",
            Self::UnsupportedMediaType => "Send `Content-Type: application/json`.",
            Self::ValidationFailed => {
                "Mend every field in `errors`; nothing was stored and the key may be used again."
            }
            Self::IdempotencyKeyReused => {
                "Use a fresh key for a new request; `resourceId` is what the key made."
            }
            Self::AgreementCannotBeWithdrawn => "Leave signedAgreement out, or send true.",
            Self::TooManyRequests => "Wait for Retry-After.",
            Self::InternalError => {
                "Send the same request again with the same key; if it stays, report requestId."
            }
            Self::ServiceUnavailable => {
                "Send the same request again with the same key after Retry-After."
            }
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What is wrong with one value, before anybody knows where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong.
    pub code: FieldCode,
    /// What would be accepted. Never repeats a write-only value.
    pub message: Cow<'static, str>,
}

impl Invalid {
    /// What is wrong, and what would be accepted.
    pub fn new(code: FieldCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Says where the value stood: an RFC 6901 pointer like `/residentialAddress/state`.
    #[must_use]
    pub fn at(self, pointer: impl Into<String>) -> FieldError {
        FieldError {
            pointer: pointer.into(),
            code: self.code,
            message: self.message,
        }
    }
}

/// One invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// RFC 6901 JSON Pointer into the request body.
    pub pointer: String,
    /// What is wrong.
    pub code: FieldCode,
    /// What would be accepted. Never repeats a write-only value.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// The same error, seen from further up: the pointer stands below this one.
    #[must_use]
    pub fn below(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }
}

/// What is wrong with one field. Contract section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldCode {
    /// A required field is absent or null.
    Required,
    /// The value has another JSON type.
    TypeInvalid,
    /// No such field.
    UnknownField,
    /// The field cannot be changed after creation.
    Immutable,
    /// Too short, or empty.
    TooShort,
    /// Too long, or too many.
    TooLong,
    /// A character that is not accepted here.
    CharacterInvalid,
    /// Not one of the accepted values.
    ValueInvalid,
    /// Stands more than once.
    Duplicate,
    /// Not a mailbox address.
    EmailInvalid,
    /// Not a possible phone number.
    PhoneInvalid,
    /// Not a real date of the form `YYYY-MM-DD`, or out of range.
    DateInvalid,
    /// Not an assigned ISO 3166-1 alpha-2 code.
    CountryInvalid,
    /// Not a state of the country.
    StateInvalid,
    /// Not a postal code of the country.
    ZipCodeInvalid,
    /// Not an IPv4 or IPv6 address.
    IpAddressInvalid,
    /// Not a social security number of an issued range.
    SsnInvalid,
    /// Not an individual taxpayer number of an issued range.
    ItinInvalid,
    /// Not a possible document number.
    DocumentNumberInvalid,
    /// Metadata with too many keys, or a key or value that is not accepted.
    MetadataInvalid,
}

impl FieldCode {
    /// Every field code, in the order of `docs/errors.md`.
    pub const ALL: [Self; 20] = [
        Self::Required,
        Self::TypeInvalid,
        Self::UnknownField,
        Self::Immutable,
        Self::TooShort,
        Self::TooLong,
        Self::CharacterInvalid,
        Self::ValueInvalid,
        Self::Duplicate,
        Self::EmailInvalid,
        Self::PhoneInvalid,
        Self::DateInvalid,
        Self::CountryInvalid,
        Self::StateInvalid,
        Self::ZipCodeInvalid,
        Self::IpAddressInvalid,
        Self::SsnInvalid,
        Self::ItinInvalid,
        Self::DocumentNumberInvalid,
        Self::MetadataInvalid,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::TypeInvalid => "typeInvalid",
            Self::UnknownField => "unknownField",
            Self::Immutable => "immutable",
            Self::TooShort => "tooShort",
            Self::TooLong => "tooLong",
            Self::CharacterInvalid => "characterInvalid",
            Self::ValueInvalid => "valueInvalid",
            Self::Duplicate => "duplicate",
            Self::EmailInvalid => "emailInvalid",
            Self::PhoneInvalid => "phoneInvalid",
            Self::DateInvalid => "dateInvalid",
            Self::CountryInvalid => "countryInvalid",
            Self::StateInvalid => "stateInvalid",
            Self::ZipCodeInvalid => "zipCodeInvalid",
            Self::IpAddressInvalid => "ipAddressInvalid",
            Self::SsnInvalid => "ssnInvalid",
            Self::ItinInvalid => "itinInvalid",
            Self::DocumentNumberInvalid => "documentNumberInvalid",
            Self::MetadataInvalid => "metadataInvalid",
        }
    }

    /// What it means, for `docs/errors.md` and the OpenAPI document.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Required => "The field is required here.",
            Self::TypeInvalid => "The value has another JSON type than the field takes.",
            Self::UnknownField => "There is no such field; the message names the nearest one.",
            Self::Immutable => "The field is set at creation and stays.",
            Self::TooShort => "The value is empty or too short.",
            Self::TooLong => "The value is too long, or there are too many.",
            Self::CharacterInvalid => "The value holds a character that is not accepted here.",
            Self::ValueInvalid => "The value is not one of those accepted.",
            Self::Duplicate => "The same thing stands twice.",
            Self::EmailInvalid => "Not a mailbox address of at most 254 characters.",
            Self::PhoneInvalid => "Not an E.164 number that its numbering plan allows.",
            Self::DateInvalid => "Not a real date like 1990-05-15, or out of range.",
            Self::CountryInvalid => "Not an assigned ISO 3166-1 alpha-2 code in upper case.",
            Self::StateInvalid => "Not a USPS state code.",
            Self::ZipCodeInvalid => "Not a postal code of the country.",
            Self::IpAddressInvalid => "Not an IPv4 or IPv6 address.",
            Self::SsnInvalid => "Not nine digits of an issued SSN range.",
            Self::ItinInvalid => "Not nine digits of an issued ITIN range.",
            Self::DocumentNumberInvalid => "Not a possible number of such a document.",
            Self::MetadataInvalid => "A key or value of the metadata is not accepted.",
        }
    }
}

/// What a caller may know of a failure, and what only the log may know.
#[derive(Debug)]
pub struct Error(Box<Parts>);

/// An error is one pointer wide, since most results never hold one.
#[derive(Debug)]
struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    resource_id: Option<String>,
    retry_after_s: Option<u32>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with the text that tells this caller what happened.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            fields: Vec::new(),
            resource_id: None,
            retry_after_s: None,
            cause: None,
        }))
    }

    /// The request has invalid fields, all of them named at once.
    #[must_use]
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let detail = match fields.len() {
            1 => "1 field is invalid".into(),
            count => format!("{count} fields are invalid"),
        };
        let mut error = Self::new(Code::ValidationFailed, detail);
        error.0.fields = fields;
        error
    }

    /// A fault of ours: the cause is for the log, the caller learns nothing of it.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(
            Code::InternalError,
            "the request was not carried out; the request id leads us to the reason",
        );
        error.0.cause = Some(cause.into());
        error
    }

    /// The service cannot take the request for so many seconds.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after_s: u32) -> Self {
        Self::new(Code::ServiceUnavailable, detail).retry_after_s(retry_after_s)
    }

    /// Names the fields the error speaks of.
    #[must_use]
    pub fn with_field(mut self, field: FieldError) -> Self {
        self.0.fields.push(field);
        self
    }

    /// Names the resource that the error speaks of.
    #[must_use]
    pub fn with_resource(mut self, id: impl Into<String>) -> Self {
        self.0.resource_id = Some(id.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// What went wrong, as a caller can act on it.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The public text of this occurrence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The invalid fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// The resource the error speaks of.
    #[must_use]
    pub fn resource_id(&self) -> Option<&str> {
        self.0.resource_id.as_deref()
    }

    /// Seconds after which to try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.0.retry_after_s
    }

    /// The private cause, for the log only.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code().name(), self.detail())?;
        match self.cause() {
            Some(cause) => write!(out, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
