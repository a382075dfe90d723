//! What people and tests decide about an endorsement: each decision is checked
//! against the status machine and leaves its events.

use super::customer::Identity;
use super::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use super::evaluation::{Decision, Reason, Verdict};
use super::event::Origin;
use super::policy::{Need, Requirement};
use super::project::{Project, Verification};
use super::references::References;
use super::review::{Approval, Review};
use super::roster::{self, Customer, Draft, Tenant};
use super::verification::{Settled, Settling, Situation, run_checks, sample, settle};
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::store::customer::Status;

/// What a reviewer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The checks are good.
    Approve,
    /// The customer has something to mend.
    Issue,
    /// Refused for good.
    Reject,
    /// What was granted is taken back until something is mended.
    Revoke,
    /// The relation ends.
    Offboard,
    /// What was refused is looked at again.
    Reopen,
}

impl Act {
    /// The status that the act leads to when nothing else stands in the way.
    #[must_use]
    pub const fn target(self) -> EndorsementStatus {
        match self {
            Self::Approve => EndorsementStatus::Active,
            Self::Issue => EndorsementStatus::Issues,
            Self::Reject => EndorsementStatus::Rejected,
            Self::Revoke => EndorsementStatus::RevokedIssues,
            Self::Offboard => EndorsementStatus::Offboarded,
            Self::Reopen => EndorsementStatus::Pending,
        }
    }
}

/// A reviewer's decision.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// About which endorsement.
    pub name: EndorsementName,
    /// What is done.
    pub act: Act,
    /// About which requirement; the one that people decide on when absent.
    pub requirement: Option<Requirement>,
    /// Why.
    pub reason: Reason,
    /// Whether a second person has to agree to an approval or a rejection.
    pub two_people: bool,
}

/// Leads an endorsement of a sandbox to a status that may come next.
///
/// # Errors
/// `customerInactive`, `transitionNotAllowed`, `notFound`.
pub fn simulate(
    customer: &Customer,
    name: EndorsementName,
    to: EndorsementStatus,
    reasons: Option<Vec<Reason>>,
    (tenant, context): (&Tenant, &Context),
) -> Result<Draft> {
    check_transition(customer, name, to, |from| from.may_become(to))?;
    let identity = customer.open_identity()?;
    let situation = unchanged(customer, &identity);
    let mut settling = Settling::new(&situation, &tenant.settings);
    settling.walk(name, to, &reasons.unwrap_or_else(|| sample(to)));
    roster::endorse(customer, settling.finish(), None, &tenant.origin, context)
}

/// Carries out a reviewer's decision. The draft of the first of two people
/// changes no status.
///
/// # Errors
/// `customerInactive`, `transitionNotAllowed`, `notFound`.
pub fn judge(
    customer: &Customer,
    judgement: &Judgement,
    (project, references): (&Project, &References),
    origin: &Origin,
    context: &Context,
) -> Result<Draft> {
    let (name, to) = (judgement.name, judgement.act.target());
    let waits = customer.review.as_ref().is_some_and(|review| {
        let standing = review.standing(name);
        standing.is_some_and(|standing| !standing.pending.is_empty())
    });
    check_transition(customer, name, to, |from| match judgement.act {
        Act::Approve => match from {
            EndorsementStatus::Active => waits,
            from => {
                from.may_become(to)
                    || from.may_become(EndorsementStatus::Pending) && !from.is_closed()
            }
        },
        Act::Reopen => from == EndorsementStatus::Rejected,
        _ => from.may_become(to),
    })?;
    let identity = customer.open_identity()?;
    let mut review = customer.review.clone().unwrap_or_default();
    if judgement.two_people && first_of_two(&mut review, judgement, origin)? {
        let settled = Settled::unmoved(customer.row.endorsements, Some(review));
        return roster::endorse(customer, settled, None, origin, context);
    }
    review.approvals.retain(|known| known.endorsement != name);
    let forced = project.verification == Verification::Auto || to.is_closed();
    let today = context.now().date();
    if !forced {
        let (profile, policy) = (&customer.profile, &project.policy);
        let open = review.hits.clone();
        let checks = run_checks((profile, &identity), policy, references, &open, today);
        decide(&mut review, judgement, project, (origin, checks.hits));
    }
    let situation = Situation {
        review: Some(&review),
        ..unchanged(customer, &identity)
    };
    let settled = if forced {
        let mut settling = Settling::new(&situation, project);
        settling.walk(name, to, std::slice::from_ref(&judgement.reason));
        Settled {
            screened_by: (project.verification == Verification::Policy)
                .then(|| references.list_version().unwrap_or(0)),
            ..settling.finish()
        }
    } else {
        let mut before = situation.before;
        if judgement.act == Act::Reopen {
            before[name as usize] = Some(EndorsementStatus::Pending);
        }
        let reopened = Situation {
            before,
            ..situation
        };
        let mut settled = settle(&reopened, project, references, today);
        explain(&mut settled, judgement, customer);
        settled
    };
    roster::endorse(customer, settled, None, origin, context)
}

/// The events of the endorsement that was judged say why in the reviewer's words.
fn explain(settled: &mut Settled, judgement: &Judgement, customer: &Customer) {
    let name = judgement.name;
    if judgement.act == Act::Reopen {
        let step = super::review::Step {
            name,
            from: customer.row.endorsements[name as usize],
            to: EndorsementStatus::Pending,
            why: None,
        };
        settled.steps.insert(0, step);
    }
    for step in settled.steps.iter_mut().filter(|step| step.name == name) {
        step.why = Some(judgement.reason.developer.clone());
    }
}

/// Turns an act into decisions about requirements.
fn decide(
    review: &mut Review,
    judgement: &Judgement,
    project: &Project,
    (origin, hits): (&Origin, Vec<String>),
) {
    let name = judgement.name;
    let decision = |requirement: Requirement, verdict| Decision {
        endorsement: name,
        requirement,
        verdict,
        reason: judgement.reason.clone(),
        by: origin.actor.clone(),
        hits: match requirement.check() {
            Some(Need::SanctionsScreening) => hits.clone(),
            _ => Vec::new(),
        },
    };
    let subject = judgement
        .requirement
        .unwrap_or_else(|| project.policy.subject(name));
    match judgement.act {
        Act::Approve => {
            let standing = review.standing(name).cloned().unwrap_or_default();
            let asked_by_basic = project.policy.asked(EndorsementName::Basic, None, None);
            let others = |one: &Requirement| {
                name != EndorsementName::Basic
                    && asked_by_basic.iter().any(|asked| asked.requirement == *one)
            };
            let open = standing.pending.iter().chain(&standing.issues);
            let decided: Vec<_> = open.filter(|one| !others(one)).copied().collect();
            for requirement in decided {
                review.decide(decision(requirement, Verdict::Cleared));
            }
        }
        Act::Issue | Act::Revoke => review.decide(decision(subject, Verdict::AtIssue)),
        Act::Reopen => {
            review.decisions.retain(|known| known.endorsement != name);
            review.decide(decision(subject, Verdict::Waiting));
        }
        Act::Reject | Act::Offboard => {}
    }
}

/// Whether this is the first of two people, who is then remembered.
fn first_of_two(review: &mut Review, judgement: &Judgement, origin: &Origin) -> Result<bool> {
    if !matches!(judgement.act, Act::Approve | Act::Reject) {
        return Ok(false);
    }
    let to = judgement.act.target().name();
    let same = |known: &&Approval| known.endorsement == judgement.name && known.to == to;
    if let Some(known) = review.approvals.iter().find(same) {
        if known.by == origin.actor {
            let detail = "you have agreed already; a second person has to";
            return Err(Error::new(Code::TransitionNotAllowed, detail));
        }
        return Ok(false);
    }
    review
        .approvals
        .retain(|known| known.endorsement != judgement.name);
    review.approvals.push(Approval {
        endorsement: judgement.name,
        to: to.to_owned(),
        by: origin.actor.clone(),
    });
    Ok(true)
}

/// The customer as it is.
pub(super) fn unchanged<'a>(customer: &'a Customer, identity: &'a Identity) -> Situation<'a> {
    Situation {
        before: customer.row.endorsements,
        review: customer.review.as_ref(),
        named: EndorsementSet::NONE,
        changed: &[],
        profile: &customer.profile,
        identity,
        signed: customer.row.signed_at.is_some(),
    }
}

/// Refuses what the status machine does not allow, and names what it does.
fn check_transition(
    customer: &Customer,
    name: EndorsementName,
    to: EndorsementStatus,
    allowed: impl FnOnce(EndorsementStatus) -> bool,
) -> Result<()> {
    let id = || customer.row.id.to_string();
    if customer.row.status == Status::Inactive {
        let detail = "an inactive customer takes no changes";
        return Err(Error::new(Code::CustomerInactive, detail).with_resource(id()));
    }
    let endorsements = &customer.row.endorsements;
    let from = endorsements[name as usize].ok_or_else(|| {
        let detail = format!("the customer did not request {}", name.name());
        Error::new(Code::NotFound, detail)
    })?;
    let basic = endorsements[EndorsementName::Basic as usize];
    let gated = |status: EndorsementStatus| {
        status == EndorsementStatus::Active
            && name != EndorsementName::Basic
            && basic != Some(EndorsementStatus::Active)
    };
    if allowed(from) && !gated(to) {
        return Ok(());
    }
    let next: Vec<_> = from
        .next()
        .iter()
        .filter(|next| !gated(**next))
        .map(|next| next.name())
        .collect();
    let may = if next.is_empty() {
        "nothing else".to_owned()
    } else {
        next.join(", ")
    };
    let detail = format!(
        "{} is {} and may become {may}, not {}",
        name.name(),
        from.name(),
        to.name()
    );
    Err(Error::new(Code::TransitionNotAllowed, detail).with_resource(id()))
}
