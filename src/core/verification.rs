//! What becomes of a customer's endorsements when the customer is made, is
//! changed, or is driven through the statuses of a sandbox.

use jiff::civil::Date;

use super::checks::{self, CheckResult};
use super::customer::{Identity, Profile};
use super::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use super::evaluation::{
    CheckResults, Facts, Known, Outcome, Reason, Standing, State, Verdict, evaluate, way,
};
use super::geo::GeoPolicy;
use super::name::PersonName;
use super::policy::{Need, Policy, Requirement};
use super::project::{Project, Verification};
use super::references::References;
use super::review::{Review, Step};
use super::screening::Subject;
use crate::store::customer::Endorsements;

/// The surnames that lead a sandbox customer to a status, in any case.
pub const SURNAMES: [(&str, EndorsementStatus); 5] = [
    ("Pending", EndorsementStatus::Pending),
    ("Issues", EndorsementStatus::Issues),
    ("Rejected", EndorsementStatus::Rejected),
    ("Revoked", EndorsementStatus::RevokedIssues),
    ("Offboarded", EndorsementStatus::Offboarded),
];

/// The fields of which a change is looked at again, also where all was granted.
const REVIEWED: [&str; 4] = [
    "residentialAddress",
    "lastName",
    "identifyingInformation",
    "ipAddress",
];

/// The fields that `identityVerification` looks at.
const IDENTITY: [&str; 6] = [
    "firstName",
    "lastName",
    "birthDate",
    "residentialAddress",
    "identifyingInformation",
    "ipAddress",
];

/// A customer as it will be, and what happened to it.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Where the endorsements stood.
    pub before: Endorsements,
    /// What was known of them.
    pub review: Option<&'a Review>,
    /// Those that the request names.
    pub named: EndorsementSet,
    /// The fields that changed.
    pub changed: &'a [&'static str],
    /// What answers return.
    pub profile: &'a Profile,
    /// What they never do.
    pub identity: &'a Identity,
    /// Whether the agreement is signed.
    pub signed: bool,
}

/// What became of the endorsements.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Where they stand.
    pub endorsements: Endorsements,
    /// What is known of them; `None` when that follows from the statuses.
    pub review: Option<Review>,
    /// How they came there.
    pub steps: Vec<Step>,
    /// Whether the provider is to be asked, which it is not yet.
    pub asks_provider: bool,
    /// The version of the watch lists by which the customer was screened for this, 0 without
    /// a list; `None` when nobody was screened.
    pub screened_by: Option<i64>,
}

impl Settled {
    /// Endorsements that stay where they are, and what is known of them.
    #[must_use]
    pub const fn unmoved(endorsements: Endorsements, review: Option<Review>) -> Self {
        Self {
            endorsements,
            review,
            steps: Vec::new(),
            asks_provider: false,
            screened_by: None,
        }
    }
}

/// Settles the endorsements of a customer.
#[must_use]
pub fn settle(
    now: &Situation<'_>,
    project: &Project,
    references: &References,
    today: Date,
) -> Settled {
    match project.verification {
        Verification::Auto => automatic(now, project),
        Verification::Policy => by_policy(now, project, references, today),
    }
}

/// The status that a surname leads to.
#[must_use]
pub fn trigger(last_name: Option<&PersonName>) -> Option<EndorsementStatus> {
    let name = last_name?.expose();
    let found = SURNAMES
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, status)| *status)
}

fn automatic(now: &Situation<'_>, project: &Project) -> Settled {
    use EndorsementStatus as S;
    let target = trigger(now.profile.last_name.as_ref()).unwrap_or(S::Active);
    let again = now.changed.iter().any(|field| REVIEWED.contains(field));
    let mut settling = Settling::new(now, project);
    if target == S::RevokedIssues {
        // What is taken back was granted before: together, for nothing is while basic is not.
        for name in EndorsementName::ALL {
            let open = matches!(
                now.before[name as usize],
                Some(S::Inactive | S::Pending | S::Issues)
            );
            if open && (again || now.named.contains(name)) {
                settling.walk(name, S::Active, &sample(target));
            }
        }
    }
    for name in EndorsementName::ALL {
        let gated = name != EndorsementName::Basic
            && settling.endorsements[EndorsementName::Basic as usize] != Some(S::Active);
        let target = if gated && target == S::Active {
            S::Pending
        } else {
            target
        };
        let looked_at = again || now.named.contains(name);
        match now.before[name as usize] {
            None if now.named.contains(name) => settling.enter(name, target),
            Some(S::Rejected | S::Offboarded) | None => {}
            Some(S::Active) if matches!(target, S::Active | S::Pending) => {}
            Some(S::Active) if target == S::Issues && looked_at => {
                settling.walk(name, S::RevokedIssues, &sample(S::RevokedIssues));
            }
            Some(_) if looked_at => settling.walk(name, target, &sample(target)),
            Some(_) => {}
        }
    }
    settling.finish()
}

fn by_policy(
    now: &Situation<'_>,
    project: &Project,
    references: &References,
    today: Date,
) -> Settled {
    let mut review = now.review.cloned().unwrap_or_default();
    forget_outdated(&mut review, now);
    review.policy = (project.policy.name.clone(), project.policy.version);
    let (outcomes, hits) = evaluated(now, &review, (project, references), today);
    let mut endorsements = now.before;
    let mut steps = Vec::new();
    for (name, outcome) in EndorsementName::ALL.into_iter().zip(outcomes) {
        let Some(Outcome {
            status,
            mut standing,
        }) = outcome
        else {
            continue;
        };
        let from = endorsements[name as usize];
        if matches!(
            status,
            EndorsementStatus::Rejected | EndorsementStatus::Offboarded
        ) {
            let kept = review
                .standing(name)
                .map(|standing| standing.reasons.clone());
            standing.reasons = kept.unwrap_or_default();
        }
        walk_steps(name, from, status, why(&standing).as_deref(), &mut steps);
        endorsements[name as usize] = Some(status);
        review.standings[name as usize] = Some(standing);
    }
    let screening = Requirement::of(Need::SanctionsScreening);
    let mut standings = review.standings.iter().flatten();
    let at_issue = standings.any(|standing| standing.issues.contains(&screening));
    review.hits = if at_issue { hits } else { Vec::new() };
    let awaited = !review.awaiting_provider(&endorsements).is_empty();
    let outdated = IDENTITY.iter().any(|field| now.changed.contains(field));
    if outdated || !awaited {
        review.verification = None;
    }
    Settled {
        endorsements,
        asks_provider: awaited && review.verification.is_none() && references.has_provider,
        screened_by: Some(references.list_version().unwrap_or(0)),
        review: (!review.is_empty()).then_some(review),
        steps,
    }
}

/// Where each requested endorsement is to stand by what the checks find today, and the marks
/// of the hits.
pub(super) fn evaluated(
    now: &Situation<'_>,
    review: &Review,
    (project, references): (&Project, &References),
    today: Date,
) -> ([Option<Outcome>; 3], Vec<String>) {
    let requested: EndorsementSet = EndorsementName::ALL
        .into_iter()
        .filter(|name| now.before[*name as usize].is_some() || now.named.contains(*name))
        .collect();
    let checks = run_checks(
        (now.profile, now.identity),
        &project.policy,
        references,
        &review.hits,
        today,
    );
    let known = Known {
        facts: Facts::of(now.profile, now.identity, now.signed),
        checks: &checks,
        decisions: &review.decisions,
        present: now.before,
        requested,
    };
    let outcomes = evaluate(&project.policy, &known);
    (outcomes, checks.hits)
}

/// What the checks find that need nobody outside. `open` are the marks of the hits that stand
/// against the customer already.
#[must_use]
pub fn run_checks(
    (profile, identity): (&Profile, &Identity),
    policy: &Policy,
    references: &References,
    open: &[String],
    today: Date,
) -> CheckResults {
    let residence = identity.residential_address.as_ref();
    let residence = residence.and_then(|address| address.expose().country);
    let refused = GeoPolicy::new(policy.refused_countries.iter().copied());
    let address = identity.ip_address.as_ref();
    let located = references.located(address.and_then(|ip| ip.expose().parse().ok()));
    let geo = match checks::geo(&refused, profile.nationality, residence, located) {
        CheckResult::Passed if residence.is_none() || profile.nationality.is_none() => {
            CheckResult::NotDone("address or nationality are not known")
        }
        found => found,
    };
    let minimum_age = match &identity.birth_date {
        Some(birth) => checks::minimum_age(birth.date(), today, policy.minimum_age),
        None => CheckResult::NotDone("the birth date is not known"),
    };
    let subject = Subject::of(profile, identity);
    let (sanctions, hits) = checks::sanctions(references.lists(), &subject, open);
    CheckResults {
        minimum_age,
        geo,
        sanctions,
        hits,
    }
}

/// A decision holds as long as what it was made of. What was to be mended waits
/// for another look once it was touched, or the customer asks for one.
fn forget_outdated(review: &mut Review, now: &Situation<'_>) {
    let touched = |need: Need| {
        let fields: &[&str] = match need {
            Need::IdentityVerification => &IDENTITY,
            Need::SanctionsScreening => &[
                "firstName",
                "middleName",
                "lastName",
                "birthDate",
                "nationality",
                "residentialAddress",
            ],
            Need::GeoCheck => &["residentialAddress", "nationality", "ipAddress"],
            Need::MinimumAge => &["birthDate"],
            field => &[field.name().split('.').next().unwrap_or_default()],
        };
        now.changed.iter().any(|changed| fields.contains(changed))
    };
    review.decisions.retain_mut(|decision| {
        let touched = decision.requirement.alternatives().iter().any(touched);
        match decision.verdict {
            Verdict::Cleared => !touched,
            Verdict::Waiting => true,
            Verdict::AtIssue => {
                if touched || now.named.contains(decision.endorsement) {
                    decision.verdict = Verdict::Waiting;
                }
                true
            }
        }
    });
    if !now.changed.is_empty() {
        review.approvals.clear();
    }
}

/// Why an endorsement stands where it stands, in a sentence.
fn why(standing: &Standing) -> Option<String> {
    if let Some(reason) = standing.reasons.first() {
        return Some(reason.developer.clone());
    }
    let list = |what: &str, list: &[super::policy::Requirement]| {
        let names: Vec<_> = list.iter().map(|one| one.name()).collect();
        Some(format!("{what}: {}", names.join(", ")))
    };
    match standing {
        Standing { missing, .. } if !missing.is_empty() => list("missing", missing),
        Standing { pending, .. } if !pending.is_empty() => list("pending", pending),
        _ => Some("all that is required is complete".to_owned()),
    }
}

fn walk_steps(
    name: EndorsementName,
    from: Option<EndorsementStatus>,
    to: EndorsementStatus,
    why: Option<&str>,
    steps: &mut Vec<Step>,
) {
    let way = match from {
        None => vec![to],
        Some(from) => way(from, to).unwrap_or_default(),
    };
    let mut from = from;
    for to in way {
        let why = why.map(str::to_owned);
        steps.push(Step {
            name,
            from,
            to,
            why,
        });
        from = Some(to);
    }
}

/// What a sandbox gives as the reason of a status that somebody asked for.
#[must_use]
pub fn sample(status: EndorsementStatus) -> Vec<Reason> {
    use EndorsementStatus as S;
    let (developer, customer) = match status {
        S::Inactive | S::Pending | S::Active => return Vec::new(),
        S::Issues => (
            "Sandbox: the document could not be read.",
            "Please send your document again.",
        ),
        S::Rejected => (
            "Sandbox: the verification failed for good.",
            "We cannot offer you this.",
        ),
        S::RevokedIssues => (
            "Sandbox: the document has expired.",
            "Please send a valid document.",
        ),
        S::Offboarded => (
            "Sandbox: the relation has ended.",
            "Your account is closed.",
        ),
    };
    vec![Reason {
        developer: developer.to_owned(),
        customer: customer.to_owned(),
    }]
}

/// Endorsements on their way to statuses that somebody asked for, whatever the
/// data says.
pub struct Settling<'a> {
    endorsements: Endorsements,
    review: Review,
    steps: Vec<Step>,
    policy: &'a Policy,
    facts: Option<Facts>,
    now: &'a Situation<'a>,
}

impl<'a> Settling<'a> {
    /// Begins where the customer is.
    #[must_use]
    pub fn new(now: &'a Situation<'a>, project: &'a Project) -> Self {
        Self {
            endorsements: now.before,
            review: now.review.cloned().unwrap_or_default(),
            steps: Vec::new(),
            policy: &project.policy,
            facts: None,
            now,
        }
    }

    fn enter(&mut self, name: EndorsementName, to: EndorsementStatus) {
        self.arrive(name, to, &sample(to), None);
    }

    /// Leads an endorsement to a status over those between, if it may go all the way: where
    /// `basic` is not granted, no other is, not even on the way to being taken back.
    pub fn walk(&mut self, name: EndorsementName, to: EndorsementStatus, reasons: &[Reason]) {
        use EndorsementStatus::Active;
        let from = self.endorsements[name as usize];
        let way = from.and_then(|from| way(from, to)).unwrap_or_default();
        let may_be_granted = name == EndorsementName::Basic
            || self.endorsements[EndorsementName::Basic as usize] == Some(Active);
        if !way.is_empty() && (may_be_granted || !way.contains(&Active)) {
            let why = reasons.first().map(|reason| reason.developer.clone());
            self.arrive(name, to, reasons, why.as_deref());
        }
    }

    fn arrive(
        &mut self,
        name: EndorsementName,
        to: EndorsementStatus,
        reasons: &[Reason],
        why: Option<&str>,
    ) {
        walk_steps(
            name,
            self.endorsements[name as usize],
            to,
            why,
            &mut self.steps,
        );
        self.endorsements[name as usize] = Some(to);
        self.review.standings[name as usize] = match to {
            EndorsementStatus::Active => None,
            _ => Some(self.standing(name, to, reasons)),
        };
    }

    /// What the lists of such a status are: all is complete but one requirement.
    fn standing(
        &mut self,
        name: EndorsementName,
        status: EndorsementStatus,
        reasons: &[Reason],
    ) -> Standing {
        use EndorsementStatus as S;
        let now = self.now;
        let facts = *self
            .facts
            .get_or_insert_with(|| Facts::of(now.profile, now.identity, now.signed));
        let asked = self.policy.asked(name, facts.residence, facts.nationality);
        let mut standing = Standing {
            complete: asked.iter().map(|asked| asked.requirement).collect(),
            reasons: reasons.to_vec(),
            ..Standing::default()
        };
        let subject = self.policy.subject(name);
        match status {
            S::Inactive => standing.move_complete(subject, State::Missing),
            S::Pending => standing.move_complete(subject, State::Pending),
            S::Issues | S::RevokedIssues | S::Rejected => {
                standing.move_complete(subject, State::Issues);
            }
            S::Active | S::Offboarded => {}
        }
        standing
    }

    /// Takes back what is granted while `basic` is not, and gives the whole.
    #[must_use]
    pub fn finish(mut self) -> Settled {
        use EndorsementStatus as S;
        let basic = self.endorsements[EndorsementName::Basic as usize];
        if let Some(basic) = basic.filter(|basic| *basic != S::Active) {
            let reason = Reason {
                developer: format!("basic is {}.", basic.name()),
                customer: "Your account is not cleared for this.".to_owned(),
            };
            for name in [EndorsementName::CryptoCustody, EndorsementName::Usd] {
                if self.endorsements[name as usize] == Some(S::Active) {
                    self.walk(name, S::RevokedIssues, std::slice::from_ref(&reason));
                }
            }
        }
        if !self.steps.is_empty() && !self.review.is_empty() {
            self.review.policy = (self.policy.name.clone(), self.policy.version);
        }
        if self.review.awaiting_provider(&self.endorsements).is_empty() {
            self.review.verification = None;
        }
        Settled {
            endorsements: self.endorsements,
            asks_provider: false,
            screened_by: None,
            review: (!self.review.is_empty()).then_some(self.review),
            steps: self.steps,
        }
    }
}
