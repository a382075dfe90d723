//! What an endorsement asks for: before there is a customer, and of one that is
//! there. Contract section 6.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::app::App;
use super::auth::{Caller, CustomersRead};
use super::customers::{find, json as json_answer};
use super::examples;
use super::request_body::NoQuery;
use super::{etag, query};
use crate::core::checks::CheckResult;
use crate::core::country::Country;
use crate::core::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use crate::core::evaluation::{Facts, Known, Standing, State as Progress, evaluate};
use crate::core::policy::{Need, Policy, Requirement};
use crate::core::project::Project;
use crate::core::references::References;
use crate::core::roster;
use crate::core::verification::run_checks;
use crate::error::{Error, Result};

/// Of whom something is to be asked.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the published shape of what `query::read` reads")]
pub struct AskedOf {
    /// Where the customer lives; without it, whatever could be asked.
    #[param(value_type = Option<String>, example = "US")]
    residence: Option<String>,
    /// The customer's nationality; without it, whatever could be asked.
    #[param(value_type = Option<String>, example = "US")]
    nationality: Option<String>,
    /// Endorsements with commas; without it, what a new customer requests.
    #[param(value_type = Option<String>, example = "usd")]
    endorsements: Option<String>,
}

/// Which policy speaks.
#[derive(Clone, Serialize, ToSchema)]
pub struct PolicyVersion {
    /// Its name.
    #[schema(example = "default")]
    name: String,
    /// Its version.
    #[schema(example = 1)]
    version: u32,
}

impl PolicyVersion {
    fn of(policy: &Policy) -> Self {
        Self {
            name: policy.name.clone(),
            version: policy.version,
        }
    }
}

/// One thing of which one or another is enough.
#[derive(Serialize, ToSchema)]
pub struct Alternative {
    /// A field path, or the name of a check.
    #[schema(example = "email")]
    name: &'static str,
    /// Whether it is a check, and nothing to be sent.
    check: bool,
    /// What is accepted.
    format: &'static str,
    /// What could be sent; null for a check.
    #[schema(value_type = Value)]
    example: Value,
}

/// What will be asked for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequirementAsked {
    /// Field paths and checks of which one is enough, joined by `|`.
    #[schema(example = "email|phone")]
    requirement: String,
    /// Which endorsements ask for it.
    #[schema(value_type = Vec<EndorsementName>)]
    endorsements: Vec<&'static str>,
    /// Those of which one is enough.
    alternatives: Vec<Alternative>,
    /// What is accepted, by the first alternative.
    format: &'static str,
    /// What could be sent, by the first alternative; null for a check.
    #[schema(value_type = Value)]
    example: Value,
    /// The rule of the policy that asks.
    rule: String,
}

/// What will be asked of a customer.
#[derive(Serialize, ToSchema)]
pub struct RequirementsAsked {
    /// Always `requirements`.
    #[schema(example = "requirements")]
    object: &'static str,
    /// The policy that asks.
    policy: PolicyVersion,
    /// Each requirement once.
    data: Vec<RequirementAsked>,
    /// A JSON Schema (2020-12) of a create body that gives all of it.
    #[schema(value_type = Value)]
    schema: Value,
}

/// Where a requirement of a customer stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequirementOfCustomer {
    /// Field paths and checks of which one is enough, joined by `|`.
    #[schema(example = "email|phone")]
    requirement: String,
    /// `complete`, `pending`, `missing` or `issues`.
    #[schema(value_type = RequirementState)]
    state: &'static str,
    /// The endorsements that it holds up, or would.
    #[schema(value_type = Vec<EndorsementName>)]
    endorsements: Vec<&'static str>,
    /// Those of which one is enough.
    alternatives: Vec<&'static str>,
    /// A word that programs act on.
    #[schema(example = "missing")]
    code: &'static str,
    /// What to do, for you.
    message: String,
    /// Whether the customer can send something that changes it.
    retryable: bool,
    /// The rule that asks, and of which version of the policy.
    policy: RuleVersion,
}

/// How far a requirement is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum RequirementState {
    /// Given and found good.
    Complete,
    /// Being checked.
    Pending,
    /// Still to be given.
    Missing,
    /// To be mended.
    Issues,
}

/// The rule of a policy.
#[derive(Serialize, ToSchema)]
pub struct RuleVersion {
    /// The policy's name.
    #[schema(example = "default")]
    name: String,
    /// The rule.
    #[schema(example = "contact")]
    rule: String,
    /// The policy's version.
    #[schema(example = 1)]
    version: u32,
}

/// Where the requirements of a customer stand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerRequirements {
    /// Always `customerRequirements`.
    #[schema(example = "customerRequirements")]
    object: &'static str,
    /// Whose they are.
    customer_id: String,
    /// The policy that asks.
    policy: PolicyVersion,
    /// Each requirement once.
    data: Vec<RequirementOfCustomer>,
}

/// Says what will be asked of a customer.
///
/// For a residence, a nationality and endorsements; the answer also is a JSON Schema of the body
/// of POST /customers that leaves nothing missing.
#[utoipa::path(
    get,
    path = "/requirements",
    operation_id = "getRequirements",
    tag = "Customers",
    params(AskedOf),
    responses((status = 200, description = "What will be asked", headers(("ETag" = String, description = "The answer's entity tag")), body = RequirementsAsked, example = json!(examples::requirements()))),
    security(("bearer" = ["customers:read"]))
)]
pub async fn requirements(
    State(app): State<App>,
    caller: Caller<CustomersRead>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let names = ["residence", "nationality", "endorsements"];
    let [residence, nationality, endorsements] = query::read(query.as_deref(), names)?;
    let residence = country("residence", residence)?;
    let nationality = country("nationality", nationality)?;
    let wanted = names_of(endorsements.as_deref())?;
    let project = app.project(&caller.key)?;
    let answer = ask(&project.policy, wanted, residence, nationality);
    let body = serde_json::to_vec(&answer).map_err(Error::internal)?;
    let tag = etag::of(&body);
    Ok(json_answer(body, Some(tag)))
}

fn country(name: &str, code: Option<String>) -> Result<Option<Country>> {
    let read = code.map(|code| {
        Country::parse_nationality(&code).map_err(|invalid| query::refuse(name, &invalid.message))
    });
    read.transpose()
}

fn names_of(list: Option<&str>) -> Result<EndorsementSet> {
    let Some(list) = list else {
        return Ok(EndorsementSet::ALL);
    };
    let names = list.split(',').map(|name| {
        EndorsementName::parse(name.trim())
            .map_err(|invalid| query::refuse("endorsements", &invalid.message))
    });
    names
        .collect::<Result<EndorsementSet>>()
        .map(EndorsementSet::with_basic)
}

/// What a policy asks, each requirement once.
#[must_use]
pub fn ask(
    policy: &Policy,
    wanted: EndorsementSet,
    residence: Option<Country>,
    nationality: Option<Country>,
) -> RequirementsAsked {
    let mut data: Vec<(Requirement, RequirementAsked)> = Vec::new();
    for name in wanted.iter() {
        for asked in policy.asked(name, residence, nationality) {
            let known = data
                .iter_mut()
                .find(|(known, _)| *known == asked.requirement);
            if let Some((_, known)) = known {
                known.endorsements.push(name.name());
                continue;
            }
            let alternatives: Vec<_> = asked.requirement.alternatives().iter().collect();
            let first = alternatives[0];
            data.push((
                asked.requirement,
                RequirementAsked {
                    requirement: asked.requirement.name(),
                    endorsements: vec![name.name()],
                    alternatives: alternatives.into_iter().map(alternative).collect(),
                    format: first.format(),
                    example: first.example(),
                    rule: asked.rule.id.clone(),
                },
            ));
        }
    }
    let all: Vec<_> = data.iter().map(|(requirement, _)| *requirement).collect();
    RequirementsAsked {
        object: "requirements",
        policy: PolicyVersion::of(policy),
        schema: schema(&all, wanted, residence, nationality),
        data: data.into_iter().map(|(_, asked)| asked).collect(),
    }
}

fn alternative(need: Need) -> Alternative {
    Alternative {
        name: need.name(),
        check: need.is_check(),
        format: need.format(),
        example: need.example(),
    }
}

/// The create body that leaves nothing missing, as a JSON Schema.
fn schema(
    all: &[Requirement],
    wanted: EndorsementSet,
    residence: Option<Country>,
    nationality: Option<Country>,
) -> Value {
    let asked = all.iter().filter(|one| one.check().is_none());
    let mut conditions: Vec<Value> = asked
        .map(|one| {
            let mut ways: Vec<_> = one.alternatives().iter().map(presence).collect();
            match ways.len() {
                1 => ways.remove(0),
                _ => json!({"anyOf": ways}),
            }
        })
        .collect();
    let fixed = [
        (nationality, "/nationality"),
        (residence, "/residentialAddress/country"),
    ];
    for (country, place) in fixed {
        let Some(country) = country else { continue };
        let value = json!({"const": country.code()});
        let condition = place
            .rsplit('/')
            .filter(|part| !part.is_empty())
            .fold(value, |inner, part| json!({"properties": {part: inner}}));
        conditions.push(condition);
    }
    let names: Vec<_> = wanted.iter().map(EndorsementName::name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"const": "individual"},
            "endorsements": {"type": "array", "items": {"enum": names}},
        },
        "allOf": conditions,
    })
}

/// What says in JSON Schema that a field is there.
fn presence(need: Need) -> Value {
    let (first, rest) = match need.name().split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (need.name(), None),
    };
    let example = need.example();
    let text = json!({"type": "string", "minLength": 1, "description": need.format(), "examples": [example]});
    let inner = match (need, rest) {
        (Need::SignedAgreement, _) => json!({"const": true}),
        (Need::Document, _) => json!({"type": "array", "minItems": 1, "items": {"type": "object"}}),
        (Need::Ssn | Need::Itin | Need::DriversLicense | Need::Passport, Some(kind)) => json!({
            "type": "array", "items": {"type": "object"},
            "contains": {"type": "object", "required": ["type", "issuingCountry", "number"],
                         "properties": {"type": {"const": kind}}, "examples": [example]},
        }),
        (_, Some(part)) => {
            json!({"type": "object", "required": [part], "properties": {part: text}})
        }
        (_, None) => text,
    };
    json!({"required": [first], "properties": {first: inner}})
}

/// Says where the requirements of a customer stand.
///
/// For those endorsements that were requested: what is complete, being checked, missing or to be
/// mended, and which rule of which policy asks for it.
#[utoipa::path(
    get,
    path = "/customers/{customerId}/requirements",
    operation_id = "getCustomerRequirements",
    tag = "Customers",
    params(("customerId" = String, Path, description = "The customer's id", example = "cst_01h2xcejqtf2nbrexx3vqjhp41")),
    responses((status = 200, description = "Where they stand", headers(("ETag" = String, description = "The answer's entity tag")), body = CustomerRequirements, example = json!(example()))),
    security(("bearer" = ["customers:read"]))
)]
pub async fn customer_requirements(
    State(app): State<App>,
    caller: Caller<CustomersRead>,
    _: NoQuery,
    Path(id): Path<String>,
) -> Result<Response> {
    let customer = find(&app, caller.key.project, &id).await?;
    let project = app.project(&caller.key)?;
    let today = project.clock(&app.context).now().date();
    let answer = of_customer(&customer, &project, &app.references(), today)?;
    let body = serde_json::to_vec(&answer).map_err(Error::internal)?;
    let tag = etag::of(&body);
    Ok(json_answer(body, Some(tag)))
}

fn of_customer(
    customer: &roster::Customer,
    project: &Project,
    references: &References,
    today: jiff::civil::Date,
) -> Result<CustomerRequirements> {
    let policy = &project.policy;
    let identity = customer.open_identity()?;
    let facts = Facts::of(
        &customer.profile,
        &identity,
        customer.row.signed_at.is_some(),
    );
    let open = customer
        .review
        .as_ref()
        .map_or(&[][..], |review| &review.hits);
    let person = (&customer.profile, &identity);
    let checks = run_checks(person, policy, references, open, today);
    let standings = standings(customer, policy, facts, &checks);
    let mut data: Vec<RequirementOfCustomer> = Vec::new();
    let mut requested: Vec<_> = standings.iter().flatten().collect();
    // The strictest first, so that a requirement shows the worst of its states.
    requested.sort_by_key(|(name, _, _)| *name);
    for (name, status, standing) in requested {
        for asked in policy.asked(*name, facts.residence, facts.nationality) {
            let requirement = asked.requirement;
            let Some(state) = standing.state(requirement) else {
                continue;
            };
            let known = data
                .iter_mut()
                .find(|known| known.requirement == requirement.name());
            let entry = describe(
                requirement,
                state,
                *status,
                checks_of(&checks, requirement),
                standing,
            );
            let rule = RuleVersion {
                name: policy.name.clone(),
                rule: asked.rule.id.clone(),
                version: policy.version,
            };
            match known {
                None => data.push(RequirementOfCustomer {
                    endorsements: vec![name.name()],
                    policy: rule,
                    ..entry
                }),
                Some(known) => {
                    known.endorsements.push(name.name());
                    if rank(entry.state) > rank(known.state) {
                        known.state = entry.state;
                        known.code = entry.code;
                        known.message = entry.message;
                        known.retryable = entry.retryable;
                    }
                }
            }
        }
    }
    Ok(CustomerRequirements {
        object: "customerRequirements",
        customer_id: customer.row.id.to_string(),
        policy: PolicyVersion::of(policy),
        data,
    })
}

fn rank(state: &str) -> usize {
    let order = ["complete", "pending", "missing", "issues"];
    order
        .iter()
        .position(|known| *known == state)
        .unwrap_or_default()
}

fn checks_of(
    checks: &crate::core::evaluation::CheckResults,
    requirement: Requirement,
) -> Option<&CheckResult> {
    requirement.check().map(|check| checks.of(check))
}

type Standings = [Option<(EndorsementName, EndorsementStatus, Standing)>; 3];

/// The lists that are kept; where there are none, what follows from status and policy.
fn standings(
    customer: &roster::Customer,
    policy: &Policy,
    facts: Facts,
    checks: &crate::core::evaluation::CheckResults,
) -> Standings {
    let present = customer.row.endorsements;
    EndorsementName::ALL.map(|name| {
        let status = present[name as usize]?;
        let kept = customer
            .review
            .as_ref()
            .and_then(|review| review.standing(name));
        let standing = match kept {
            Some(kept) => kept.clone(),
            None if status == EndorsementStatus::Active => Standing {
                complete: policy
                    .asked(name, facts.residence, facts.nationality)
                    .iter()
                    .map(|asked| asked.requirement)
                    .collect(),
                ..Standing::default()
            },
            None => {
                let known = Known {
                    facts,
                    checks,
                    decisions: &[],
                    present,
                    requested: EndorsementSet::NONE.with(EndorsementName::Basic).with(name),
                };
                let [basic, custody, usd] = evaluate(policy, &known);
                let outcome = [basic, custody, usd]
                    .into_iter()
                    .nth(name as usize)
                    .flatten();
                outcome.map(|outcome| outcome.standing).unwrap_or_default()
            }
        };
        Some((name, status, standing))
    })
}

/// An entry without its endorsements and rule.
fn describe(
    requirement: Requirement,
    state: Progress,
    status: EndorsementStatus,
    check: Option<&CheckResult>,
    standing: &Standing,
) -> RequirementOfCustomer {
    let alternatives: Vec<_> = requirement.alternatives().iter().map(Need::name).collect();
    let reason = || {
        standing
            .reasons
            .first()
            .map(|reason| reason.developer.clone())
    };
    let (code, message) = match (state, check) {
        (Progress::Complete, _) => ("complete", "Nothing is left to do.".to_owned()),
        (Progress::Pending, Some(CheckResult::NotDone(why))) => {
            ("pending", format!("Somebody has to decide: {why}."))
        }
        (Progress::Pending, _) => ("pending", "Somebody has to decide.".to_owned()),
        (Progress::Missing, _) if alternatives.len() > 1 => (
            "missing",
            format!("Send one of {}.", alternatives.join(", ")),
        ),
        (Progress::Missing, _) => ("missing", format!("Send {}.", requirement.name())),
        (
            Progress::Issues,
            Some(CheckResult::Issue {
                code, developer, ..
            }),
        ) => (*code, developer.clone()),
        (Progress::Issues, _) => (
            "needsMending",
            reason().unwrap_or_else(|| "Mend it by PATCH.".to_owned()),
        ),
    };
    let open = !matches!(
        status,
        EndorsementStatus::Rejected | EndorsementStatus::Offboarded
    );
    RequirementOfCustomer {
        requirement: requirement.name(),
        state: state.name(),
        endorsements: Vec::new(),
        alternatives,
        code,
        message,
        retryable: open && matches!(state, Progress::Missing | Progress::Issues),
        policy: RuleVersion {
            name: String::new(),
            rule: String::new(),
            version: 0,
        },
    }
}

/// Where the requirements of the documentation's customer stand.
#[must_use]
pub fn example() -> Value {
    json!({
        "object": "customerRequirements",
        "customerId": "cst_01kg9y4g00ehk8awn1t2e5c7vd",
        "policy": {"name": "default", "version": 2},
        "data": [{
            "requirement": "email|phone", "state": "missing",
            "endorsements": ["basic", "cryptoCustody", "usd"],
            "alternatives": ["email", "phone"], "code": "missing",
            "message": "Send one of email, phone.", "retryable": true,
            "policy": {"name": "default", "rule": "contact", "version": 2}
        }]
    })
}
