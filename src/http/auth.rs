//! Who is calling: `POST /auth/token`, and the extractor that turns a bearer
//! token into a project to work with. Contract section 2.

use std::marker::PhantomData;
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::extract::{FromRequestParts, State};
use axum::http::{HeaderMap, Method, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::app::App;
use super::client_address::ClientAddress;
use super::examples;
use super::fields::{Fields, finish};
use super::outgoing::Outgoing;
use super::request_body::JsonBody;
use super::request_id::{RequestId as EdgeRequestId, RequestLabel};
use crate::context::Time;
use crate::core::api_key::{ApiKey, Mode, Scope};
use crate::core::event::Origin;
use crate::core::roster::Tenant;
use crate::core::token::{Claims, check_time};
use crate::error::{Code, Error, Result};
use crate::id::RequestId;
use crate::metrics::{self, Refusal};
use crate::store::api_key;

/// A scope as a type, so that a handler names it among its arguments.
pub trait Permission: Send + Sync {
    /// The scope that the call wants.
    const SCOPE: Scope;
}

/// `customers:read`.
pub struct CustomersRead;

/// `customers:write`.
pub struct CustomersWrite;

/// `customers:erase`.
pub struct CustomersErase;

/// `webhooks:read`.
pub struct WebhooksRead;

/// `webhooks:write`.
pub struct WebhooksWrite;

/// `events:read`.
pub struct EventsRead;

impl Permission for WebhooksRead {
    const SCOPE: Scope = Scope::WebhooksRead;
}

impl Permission for WebhooksWrite {
    const SCOPE: Scope = Scope::WebhooksWrite;
}

impl Permission for EventsRead {
    const SCOPE: Scope = Scope::EventsRead;
}

impl Permission for CustomersErase {
    const SCOPE: Scope = Scope::CustomersErase;
}

impl Permission for CustomersRead {
    const SCOPE: Scope = Scope::CustomersRead;
}

impl Permission for CustomersWrite {
    const SCOPE: Scope = Scope::CustomersWrite;
}

/// A caller who may do what the handler asks for. Without it a handler has no
/// project to work with.
pub struct Caller<P> {
    /// The API key, its project and mode.
    pub key: Arc<ApiKey>,
    request_id: String,
    /// The answer, where it goes over a connection.
    outgoing: Option<Arc<Outgoing>>,
    permission: PhantomData<P>,
}

/// Bytes of the largest row of a list.
const LARGEST_ROW: usize = 24 << 10;

impl<P: Permission> FromRequestParts<App> for Caller<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        check_pressure(&parts.method, app)?;
        let token = bearer(&parts.headers)?;
        let claims = verify(app, token).await?;
        let key = app
            .api_key_of_token(&claims.sub)
            .await?
            .filter(|key| key.revoked_at.is_none())
            .ok_or_else(|| {
                Error::new(Code::TokenInvalid, "the API key of this token was revoked")
            })?;
        if let Some(label) = parts.extensions.get::<RequestLabel>() {
            label.set(key.project);
            check_rate(app, &key.api_key, label)?;
        }
        if !key.scopes.contains(P::SCOPE) {
            let detail = format!("this call wants the scope {}", P::SCOPE.name());
            return Err(Error::new(Code::ScopeMissing, detail));
        }
        let outgoing = parts.extensions.get::<Arc<Outgoing>>().cloned();
        if let Some(outgoing) = &outgoing {
            outgoing.charge(&app.send_budgets, &key.api_key).await?;
        }
        let request_id = parts.extensions.get::<EdgeRequestId>();
        Ok(Self {
            key,
            request_id: request_id.map_or_else(String::new, |id| id.as_str().to_owned()),
            outgoing,
            permission: PhantomData,
        })
    }
}

impl<P> Caller<P> {
    /// Waits until there is room for a page of so many rows: until the client has taken what it
    /// was given before. A handler that gives a list asks before it reads one.
    ///
    /// # Errors
    /// `serviceUnavailable` when too many wait already.
    pub async fn wait_for_room(&self, rows: usize) -> Result<()> {
        match &self.outgoing {
            Some(outgoing) => outgoing.reserve(rows * LARGEST_ROW).await,
            None => Ok(()),
        }
    }

    /// In which project and mode the caller commands, and as whom.
    ///
    /// # Errors
    /// As [`App::project`].
    pub fn tenant(&self, app: &App) -> Result<Tenant> {
        Ok(Tenant {
            project: self.key.project,
            settings: app.project(&self.key)?,
            references: app.references(),
            origin: Origin {
                actor: self.key.api_key.clone(),
                request_id: self.request_id.clone(),
            },
        })
    }
}

/// A write that would wait too long is refused before anything is done for it;
/// what it costs to refuse it later would be taken from those that can be served.
pub(super) fn check_pressure(method: &Method, app: &App) -> Result<()> {
    if method.is_safe() {
        return Ok(());
    }
    app.installation.store.check_room()?;
    if app.installation.store.is_overloaded() {
        Refusal::Overload.add();
        return Err(Error::unavailable("too many requests are waiting", 1));
    }
    Ok(())
}

fn check_rate(app: &App, api_key: &str, label: &RequestLabel) -> Result<()> {
    let Some(limit) = &app.key_limit else {
        return Ok(());
    };
    let standing = limit.take(api_key.as_bytes(), app.context.steady_now());
    label.note_rate(standing);
    standing.refusal().map_or(Ok(()), |refused| {
        Refusal::KeyRate.add();
        Err(refused)
    })
}

/// The token of the `Authorization` header (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str> {
    let missing = || Error::new(Code::TokenMissing, "send `Authorization: Bearer …`");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(missing)?;
    let malformed = || {
        Error::new(
            Code::TokenInvalid,
            "the Authorization header is not `Bearer …`",
        )
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or_else(|| instead_of_key(value.to_str().unwrap_or_default(), malformed()))?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_start())
    } else {
        Err(malformed())
    }
}

/// Checks a token once; after that it is remembered by its hash, and only its
/// time is looked at.
async fn verify(app: &App, token: &str) -> Result<Arc<Claims>> {
    let now = app.context.now();
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    let hash: [u8; 32] = hash.as_ref().try_into().expect("SHA-256 gives 32 bytes");
    if let Some(claims) = app.tokens.get(&hash) {
        check_time(&claims, now)?;
        metrics::TOKENS_REMEMBERED.add();
        return Ok(claims);
    }
    let keys = app.signing_keys_of(token).await?;
    let verified = keys.verify(token, now);
    let claims = Arc::new(verified.map_err(|error| instead_of_key(token, error))?);
    metrics::TOKENS_VERIFIED.add();
    app.tokens.insert(hash, Arc::clone(&claims));
    // A key that ended meanwhile took with it what was remembered before this was.
    if !Arc::ptr_eq(&keys, &app.signing_keys()) {
        app.tokens.invalidate(&hash);
    }
    Ok(claims)
}

/// An API key is told from a bad token: it is to be exchanged first.
fn instead_of_key(credential: &str, otherwise: Error) -> Error {
    let modes = [Mode::Sandbox, Mode::Live];
    if !modes
        .iter()
        .any(|mode| credential.starts_with(mode.key_prefix()))
    {
        return otherwise;
    }
    let detail = "this is an API key and no token: exchange it with its secret at POST /auth/token, \
                  and send the accessToken";
    Error::new(Code::TokenInvalid, detail)
}

/// What `POST /auth/token` takes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Credentials {
    /// `sk_sdbx_…` or `sk_live_…`, from `oms keys create`.
    #[schema(
        min_length = 1,
        max_length = 200,
        example = "sk_sdbx_Zk3vT0m9QwYx1uAe7rBn"
    )]
    pub api_key: String,
    /// The secret that was shown with it.
    #[schema(
        write_only,
        min_length = 1,
        max_length = 200,
        example = "pX2c0F8l3s0Zl2cQm5rXvH7n1e9dTt4uWbKy6gJiMoA"
    )]
    pub api_secret: String,
}

/// What `POST /auth/token` gives.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessToken {
    /// A JWT to send as `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Seconds until it expires.
    #[schema(example = 3600)]
    pub expires_in: i64,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// Longest API key or secret that is looked at.
const LONGEST_CREDENTIAL: usize = 200;

impl Credentials {
    fn read(app: &App, body: &Map<String, Value>) -> Result<Self> {
        let mut wrong = Vec::new();
        let known = &["apiKey", "apiSecret"];
        let mut fields = Fields::new(body, known, app.config.unknown_fields, &mut wrong);
        let mut credential = |name| {
            fields.required(name, |text: &str| match text.chars().count() {
                1..=LONGEST_CREDENTIAL => Ok(text.to_owned()),
                _ => Err(crate::error::Invalid::new(
                    crate::error::FieldCode::ValueInvalid,
                    "must be 1 to 200 characters",
                )),
            })
        };
        let (api_key, api_secret) = (credential("apiKey"), credential("apiSecret"));
        let sent = Self {
            api_key: api_key.unwrap_or_default(),
            api_secret: api_secret.unwrap_or_default(),
        };
        finish(sent, wrong)
    }
}

/// Exchanges an API key and its secret for an access token.
///
/// Send the token as `Authorization: Bearer …` until it expires, then get a new one. Ten failures a minute close the
/// address they came from (IPv6: its /64) for a minute: 429. No key is ever closed.
#[utoipa::path(
    post,
    path = "/auth/token",
    operation_id = "createToken",
    tag = "Authentication",
    request_body(content = Credentials, example = json!(examples::credentials())),
    responses((status = 200, description = "A token", body = AccessToken, example = json!(examples::access_token())))
)]
pub async fn create_token(
    State(app): State<App>,
    Extension(ClientAddress(client)): Extension<ClientAddress>,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let sent = Credentials::read(&app, &body)?;
    let (now, steady) = (app.context.now(), app.context.steady_now());
    let look = app.failures.look(client, steady).await?;
    let (name, secrets) = (sent.api_key.clone(), Arc::clone(&app.installation.secrets));
    let stored = app
        .installation
        .store
        .read(move |tx| api_key::find(tx, &name, &secrets.rows))
        .await?;
    app.refresh_projects().await?;
    // An unknown key is compared too, so that it takes the same time.
    let hash = stored.as_ref().map_or(&[0; 32][..], |key| &key.secret_hash);
    let matches =
        app.installation
            .secrets
            .api_secret_matches(&sent.api_key, &sent.api_secret, hash);
    let key = stored.filter(|key| matches && key.revoked_at.is_none());
    let Some(key) = key else {
        look.failed(app.context.steady_now());
        return Err(Error::new(
            Code::CredentialsInvalid,
            "the API key or its secret is wrong",
        ));
    };
    drop(look);
    let key = app.learn_key(key);
    let lifetime_s = i64::try_from(app.config.token_lifetime.as_secs()).unwrap_or(i64::MAX);
    let id = RequestId::from_bytes(app.context.new_id()).to_string();
    let claims = Claims::new(&key.api_key, key.mode.name(), now, lifetime_s, id);
    let token = AccessToken {
        access_token: app.signing_keys().sign(&claims)?,
        token_type: "bearer",
        expires_in: lifetime_s,
        expires_at: Time::from_millis(claims.exp * 1000),
    };
    Ok(Json(token).into_response())
}
