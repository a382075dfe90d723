//! The verification provider: what it is told about a customer, and what its result
//! makes of the customer's endorsements. What is opened here is sent to it and nowhere else.

use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use super::customer::Identity;
use super::decision::unchanged;
use super::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use super::evaluation::{Decision, Reason, Verdict};
use super::event::{Detail, Event, EventKind, Origin};
use super::policy::{Need, Requirement};
use super::project::Project;
use super::reach::Reach;
use super::references::References;
use super::review::Review;
use super::roster::{self, Customer, Draft};
use super::stored::{self, PersonOut};
use super::verification::{Settled, Settling, Situation, settle};
use crate::config::Config;
use crate::context::{Context, Time};
use crate::error::{Error, FieldCode, Invalid, Result};
use crate::id::{CustomerId, VerificationId};
use crate::store::customer::Status;
use crate::store::verification::State;
use crate::vault::MessageKeys;

/// The provider in histories and decisions. No API key and nobody at the command line
/// is called so.
pub const ACTOR: &str = "provider";

/// The provider of this server.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Where it is asked.
    pub url: Url,
    /// How far a request to it may go: plain http does not leave the machine.
    pub reach: Reach,
    /// What signs the messages to it and from it.
    pub keys: MessageKeys,
}

impl Provider {
    /// The provider of the settings, if there is one.
    ///
    /// # Errors
    /// When its address or its secret is none.
    pub fn of(config: &Config) -> Result<Option<Self>> {
        let Some(text) = &config.verification_provider_url else {
            return Ok(None);
        };
        let reach = if text.starts_with("https://") {
            Reach::Anywhere
        } else {
            Reach::Loopback
        };
        let url = reach.read(text).map_err(|refused| {
            Error::internal(format!("verification_provider_url {}", refused.0))
        })?;
        let secret = config.provider_secret().map_err(Error::internal)?;
        let secret =
            secret.ok_or_else(|| Error::internal("the verification provider has no secret"))?;
        let keys = MessageKeys::parse(secret.reveal()).map_err(|accepted| {
            Error::internal(format!(
                "the secret shared with the verification provider must be {accepted}"
            ))
        })?;
        Ok(Some(Self { url, reach, keys }))
    }
}

/// What a provider found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person is who he says.
    Approved,
    /// Refused for good.
    Rejected,
    /// The customer has something to mend.
    Issues,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Approved, Self::Rejected, Self::Issues];

    /// The outcome on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Issues => "issues",
        }
    }

    /// Reads an outcome.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| {
            let message = "must be one of approved, rejected, issues";
            Invalid::new(FieldCode::ValueInvalid, message)
        })
    }

    /// The state of a verification with this outcome.
    #[must_use]
    pub const fn state(self) -> State {
        match self {
            Self::Approved => State::Approved,
            Self::Rejected => State::Rejected,
            Self::Issues => State::Issues,
        }
    }
}

/// One reason of a result, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// About what.
    pub requirement: Requirement,
    /// Why.
    pub reason: Reason,
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub outcome: Outcome,
    /// Why; never empty but for an approval.
    pub grounds: Vec<Ground>,
}

/// What a verification is about, beside the customer's data.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The verification.
    pub id: VerificationId,
    /// When it was asked for.
    pub requested_at: Time,
    /// The customer.
    pub customer: CustomerId,
    /// The customer's project.
    pub project: &'a Project,
    /// The endorsements that wait for it.
    pub endorsements: EndorsementSet,
    /// Where the result is posted, below the address of this server.
    pub result_path: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestOut<'a> {
    object: &'static str,
    verification_id: VerificationId,
    customer_id: CustomerId,
    project: &'a str,
    mode: &'static str,
    requested_at: Time,
    endorsements: Vec<&'static str>,
    result_path: &'a str,
    customer: PersonOut<'a>,
}

/// The body that a provider is sent.
#[must_use]
pub fn request(
    subject: &Subject<'_>,
    profile: &super::customer::Profile,
    identity: &Identity,
) -> Zeroizing<Vec<u8>> {
    stored::write(&RequestOut {
        object: "verificationRequest",
        verification_id: subject.id,
        customer_id: subject.customer,
        project: &subject.project.name,
        mode: subject.project.mode.name(),
        requested_at: subject.requested_at,
        endorsements: subject
            .endorsements
            .iter()
            .map(EndorsementName::name)
            .collect(),
        result_path: subject.result_path,
        customer: PersonOut::of(profile, identity),
    })
}

/// Whether a result of this verification still counts for the customer as it is.
#[must_use]
pub fn is_awaited(id: VerificationId, customer: &Customer) -> bool {
    let review = customer.review.as_ref();
    let awaited = review.and_then(|review| review.verification);
    customer.row.status == Status::Active && awaited == Some(id)
}

/// What the audit log says when the customer is opened for the provider.
#[must_use]
pub fn opening(id: VerificationId) -> Event {
    let detail = Detail {
        reason: Some("sent to the verification provider".to_owned()),
        subject: Some(id.to_string()),
        ..Detail::default()
    };
    Event {
        kind: EventKind::CustomerOpened,
        detail,
    }
}

/// Carries out a result for a customer whose verification is still open.
///
/// # Errors
/// `validationFailed` when a reason speaks of what nothing here asks for.
pub fn conclude(
    customer: &Customer,
    finding: &Finding,
    (project, references): (&Project, &References),
    origin: &Origin,
    context: &Context,
) -> Result<Draft> {
    let identity = customer.open_identity()?;
    let mut review = customer.review.clone().unwrap_or_default();
    let waiting = review.awaiting_provider(&customer.row.endorsements);
    review.verification = None;
    // What it found before is about what the customer was before.
    review.decisions.retain(|known| known.by != ACTOR);
    decide(&mut review, finding, waiting)?;
    let situation = Situation {
        review: Some(&review),
        ..unchanged(customer, &identity)
    };
    let settled = if finding.outcome == Outcome::Rejected {
        let reasons: Vec<_> = finding
            .grounds
            .iter()
            .map(|one| one.reason.clone())
            .collect();
        let mut settling = Settling::new(&situation, project);
        for name in waiting.iter() {
            settling.walk(name, EndorsementStatus::Rejected, &reasons);
        }
        settling.finish()
    } else {
        let mut settled = settle(&situation, project, references, context.now().date());
        explain(&mut settled, finding, waiting);
        settled
    };
    roster::endorse(customer, settled, None, origin, context)
}

/// Turns a finding into decisions. An approval is about the person and counts for every
/// endorsement, also for one that is requested later.
fn decide(review: &mut Review, finding: &Finding, waiting: EndorsementSet) -> Result<()> {
    let identity = Requirement::of(Need::IdentityVerification);
    let decision = |endorsement, requirement, verdict, reason: &Reason| Decision {
        endorsement,
        requirement,
        verdict,
        reason: reason.clone(),
        by: ACTOR.to_owned(),
        hits: Vec::new(),
    };
    match finding.outcome {
        Outcome::Approved => {
            let reason = finding.grounds.first().map_or_else(
                || Reason {
                    developer: "approved by the provider".to_owned(),
                    customer: String::new(),
                },
                |ground| ground.reason.clone(),
            );
            review.decide(decision(
                EndorsementName::Basic,
                identity,
                Verdict::Cleared,
                &reason,
            ));
        }
        Outcome::Issues => {
            for (place, ground) in finding.grounds.iter().enumerate() {
                let wanted = asked_as(ground.requirement, review, waiting);
                let asks = |name: &EndorsementName| {
                    let standing = review.standing(*name);
                    standing.is_some_and(|standing| standing.state(wanted).is_some())
                };
                if !waiting.iter().any(|name| asks(&name)) {
                    return Err(not_asked(place, review, waiting));
                }
                let about: Vec<_> = waiting
                    .iter()
                    .map(|name| (name, if asks(&name) { wanted } else { identity }))
                    .collect();
                for (name, requirement) in about {
                    review.decide(decision(
                        name,
                        requirement,
                        Verdict::AtIssue,
                        &ground.reason,
                    ));
                }
            }
        }
        Outcome::Rejected => {}
    }
    Ok(())
}

/// A requirement as it is asked for: a field that is one of several may be named alone.
fn asked_as(named: Requirement, review: &Review, waiting: EndorsementSet) -> Requirement {
    let standings = waiting.iter().filter_map(|name| review.standing(name));
    let asked = standings.flat_map(|standing| standing.pending.iter().chain(&standing.complete));
    let holds = |asked: &&Requirement| !asked.alternatives().and(named.alternatives()).is_empty();
    let asked: Vec<_> = asked.filter(holds).collect();
    match asked.first() {
        Some(first) if !asked.contains(&&named) => **first,
        _ => named,
    }
}

fn not_asked(place: usize, review: &Review, waiting: EndorsementSet) -> Error {
    let mut asked: Vec<_> = waiting
        .iter()
        .filter_map(|name| review.standing(name))
        .flat_map(|standing| standing.pending.iter().chain(&standing.complete))
        .map(|requirement| requirement.name())
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let message = format!("must be one that is asked for here: {}", asked.join(", "));
    let invalid = Invalid::new(FieldCode::ValueInvalid, message);
    Error::invalid_fields(vec![invalid.at(format!("/reasons/{place}/requirement"))])
}

/// The events of those that waited say why in the provider's words.
fn explain(settled: &mut Settled, finding: &Finding, waiting: EndorsementSet) {
    let Some(ground) = finding.grounds.first() else {
        return;
    };
    for step in &mut settled.steps {
        if waiting.contains(step.name) {
            step.why = Some(ground.reason.developer.clone());
        }
    }
}
