//! What only a sandbox has: its scenarios and its clock. Contract section 6.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::app::App;
use super::auth::{Caller, CustomersRead, CustomersWrite};
use super::examples;
use super::fields::{Fields, finish};
use super::idempotency::{self, DataKey, Effect, RequestText, RequiredKey, Written, exactly_once};
use super::request_body::{JsonBody, NoQuery};
use crate::config::UnknownFields;
use crate::context::Time;
use crate::core::api_key::Mode;
use crate::core::endorsement::EndorsementStatus;
use crate::core::verification::SURNAMES;
use crate::error::{Code, Error, FieldCode, Invalid, Result};
use crate::store::project;

/// How far a test clock may be ahead in all: ten years.
const FARTHEST_S: i64 = 3653 * 24 * 3600;

/// A way to bring a sandbox customer into a state.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scenario {
    /// What to call it.
    name: String,
    /// The field that triggers it; null for a call.
    field: Option<&'static str>,
    /// The value of the field, in any case; null for a call.
    value: Option<&'static str>,
    /// The call that triggers it; null for a field.
    call: Option<&'static str>,
    /// The status that the requested endorsements come to; null when you choose.
    #[schema(value_type = Option<EndorsementStatus>)]
    status: Option<&'static str>,
    /// What happens.
    description: String,
}

/// Every scenario of a sandbox.
#[derive(Serialize, ToSchema)]
pub struct Scenarios {
    /// The scenarios.
    data: Vec<Scenario>,
}

impl Scenarios {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        let named = SURNAMES.iter().map(|(word, status)| Scenario {
            name: format!("surname{word}"),
            field: Some("lastName"),
            value: Some(word),
            call: None,
            status: Some(status.name()),
            description: format!(
                "A customer with the lastName {word} goes to {} instead of ACTIVE.",
                status.name()
            ),
        });
        let call = |name: &str, call, description: &str| Scenario {
            name: name.to_owned(),
            field: None,
            value: None,
            call: Some(call),
            status: None,
            description: description.to_owned(),
        };
        let any = Scenario {
            name: "automatic".to_owned(),
            field: None,
            value: None,
            call: None,
            status: Some(EndorsementStatus::Active.name()),
            description: "Whatever else is sent, what is requested becomes ACTIVE at once."
                .to_owned(),
        };
        let calls = [
            call(
                "simulate",
                "POST /customers/{customerId}/endorsements/{name}/simulate",
                "Drives an endorsement to any status that the present one may become.",
            ),
            call(
                "clock",
                "POST /sandbox/clock",
                "Moves the time of the project on: ages, deadlines and expiries follow.",
            ),
        ];
        Self {
            data: [any].into_iter().chain(named).chain(calls).collect(),
        }
    }
}

/// Lists what triggers what in a sandbox.
#[utoipa::path(
    get,
    path = "/sandbox/scenarios",
    operation_id = "listScenarios",
    tag = "Sandbox",
    responses((status = 200, description = "Every scenario", body = Scenarios, example = json!(Scenarios::all()))),
    security(("bearer" = ["customers:read"]))
)]
pub async fn scenarios(_: Caller<CustomersRead>, _: NoQuery) -> Response {
    Json(Scenarios::all()).into_response()
}

/// How far to move the clock.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `read_advance` reads")]
pub struct AdvanceClock {
    /// An ISO 8601 duration, forward only.
    #[schema(example = "P1D")]
    advance: String,
}

/// What time it is in a sandbox project.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SandboxClock {
    /// Always `sandboxClock`.
    #[schema(example = "sandboxClock")]
    object: &'static str,
    /// The project's time.
    #[schema(value_type = String, format = DateTime)]
    now: Time,
    /// How far it is ahead of the machine's, in seconds.
    offset_seconds: i64,
}

fn read_advance(body: &Map<String, Value>, now: Time, unknown: UnknownFields) -> Result<i64> {
    let mut errors = Vec::new();
    let mut fields = Fields::new(body, &["advance"], unknown, &mut errors);
    let seconds = fields.required("advance", |text| {
        let later = Some(text)
            .filter(|text| text.starts_with('P'))
            .and_then(|text| now.plus_duration(text));
        let seconds = later.map(|later| later.as_seconds() - now.as_seconds());
        seconds.filter(|seconds| *seconds > 0).ok_or_else(|| {
            let message = "must be an ISO 8601 duration of a second or more, like P1D or PT12H";
            Invalid::new(FieldCode::ValueInvalid, message)
        })
    });
    finish(seconds.unwrap_or_default(), errors)
}

/// Moves the clock of a sandbox project on.
///
/// `updatedAt`, `signedAgreementAt`, ages, deadlines and expiries of the project follow it; ids,
/// `createdAt`, access tokens and idempotency keys keep to the machine's clock. There is no way back.
#[utoipa::path(
    post,
    path = "/sandbox/clock",
    operation_id = "advanceClock",
    tag = "Sandbox",
    request_body(content = AdvanceClock, example = json!(examples::advance_clock())),
    responses((status = 200, description = "The project's time", body = SandboxClock, example = json!(examples::sandbox_clock()))),
    security(("bearer" = ["customers:write"])),
    extensions(("x-errors" = json!([Code::NotFound])))
)]
pub async fn advance_clock(
    State(app): State<App>,
    caller: Caller<CustomersWrite>,
    _: NoQuery,
    RequiredKey(key): RequiredKey,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let request = RequestText {
        method: "POST",
        path: "/sandbox/clock",
        body: Some(&body),
    };
    let claim = idempotency::claim(&app.installation.secrets, caller.key.project, &key, request);
    let (app, key, body) = (&app, &caller.key, &body);
    let answer = exactly_once(app, Some(claim), || async move {
        if key.mode == Mode::Live {
            return Err(Error::new(Code::NotFound, "live time cannot be moved"));
        }
        app.refresh_projects().await?;
        let settings = app.project(key)?;
        let now = settings.clock(&app.context).now();
        let seconds = read_advance(body, now, app.config.unknown_fields)?;
        let (number, from) = (settings.number, settings.clock_offset_s);
        let to = from.saturating_add(seconds);
        if to > FARTHEST_S {
            let limit = Invalid::new(
                FieldCode::ValueInvalid,
                "must not lead over ten years ahead",
            );
            return Err(Error::invalid_fields(vec![limit.at("/advance")]));
        }
        let clock = SandboxClock {
            object: "sandboxClock",
            now: now.plus_seconds(seconds),
            offset_seconds: to,
        };
        Ok(Effect {
            status: StatusCode::OK,
            body: serde_json::to_vec(&clock).map_err(Error::internal)?,
            resource: "sandbox/clock".to_owned(),
            key: DataKey::New(app.new_data_key()?),
            write: Box::new(move |tx| {
                let moved = project::move_clock(tx, number, from, to)?;
                Ok(if moved { Written::Done } else { Written::Stale })
            }),
        })
    })
    .await?;
    app.refresh_projects().await?;
    // Whoever moves the clock counts on it, at whichever server the next request arrives.
    app.let_others_hear().await;
    Ok(answer)
}
