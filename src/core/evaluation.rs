//! From what is known of a customer to what the customer may do: a pure function
//! of facts, policy, check results, decisions and the present statuses.

use serde::{Deserialize, Serialize};

use super::address::ResidentialAddress;
use super::checks::CheckResult;
use super::country::Country;
use super::customer::{Identity, Profile};
use super::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use super::id_document::DocumentType;
use super::policy::{Need, Needs, Policy, Requirement};
use crate::store::customer::Endorsements;

/// What a policy may look at, without any value that is personal but countries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Which fields are there.
    pub given: Needs,
    /// The country of the residential address.
    pub residence: Option<Country>,
    /// The nationality.
    pub nationality: Option<Country>,
}

impl Facts {
    /// The facts of a customer.
    #[must_use]
    pub fn of(profile: &Profile, identity: &Identity, signed: bool) -> Self {
        let address = identity
            .residential_address
            .as_ref()
            .map(ResidentialAddress::expose);
        let part =
            |present: fn(&super::address::AddressParts) -> bool| address.is_some_and(present);
        let document = |kind| identity.documents.iter().any(|one| one.kind() == kind);
        let given = |need: &Need| match need {
            Need::FirstName => profile.first_name.is_some(),
            Need::MiddleName => profile.middle_name.is_some(),
            Need::LastName => profile.last_name.is_some(),
            Need::Email => profile.email.is_some(),
            Need::Phone => profile.phone.is_some(),
            Need::BirthDate => identity.birth_date.is_some(),
            Need::Nationality => profile.nationality.is_some(),
            Need::IpAddress => identity.ip_address.is_some(),
            Need::Line1 => part(|parts| parts.line1.is_some()),
            Need::Line2 => part(|parts| parts.line2.is_some()),
            Need::City => part(|parts| parts.city.is_some()),
            Need::State => part(|parts| parts.state.is_some()),
            Need::Country => part(|parts| parts.country.is_some()),
            Need::ZipCode => part(|parts| parts.zip_code.is_some()),
            Need::Document => !identity.documents.is_empty(),
            Need::Ssn => document(DocumentType::Ssn),
            Need::Itin => document(DocumentType::Itin),
            Need::DriversLicense => document(DocumentType::DriversLicense),
            Need::Passport => document(DocumentType::Passport),
            Need::SignedAgreement => signed,
            Need::MinimumAge
            | Need::GeoCheck
            | Need::SanctionsScreening
            | Need::IdentityVerification => false,
        };
        Self {
            given: Need::ALL.into_iter().filter(given).collect(),
            residence: address.and_then(|parts| parts.country),
            nationality: profile.nationality,
        }
    }
}

/// What the checks found. `identityVerification` is not among them: a person or
/// a provider decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResults {
    /// `minimumAge`.
    pub minimum_age: CheckResult,
    /// `geoCheck`.
    pub geo: CheckResult,
    /// `sanctionsScreening`.
    pub sanctions: CheckResult,
    /// Who the customer may be on the watch list: each a mark of the entry and of
    /// all that it says.
    pub hits: Vec<String>,
}

impl CheckResults {
    const UNDECIDED: CheckResult = CheckResult::NotDone("nobody has decided yet");

    /// What the check of a need found.
    #[must_use]
    pub fn of(&self, check: Need) -> &CheckResult {
        match check {
            Need::MinimumAge => &self.minimum_age,
            Need::GeoCheck => &self.geo,
            Need::SanctionsScreening => &self.sanctions,
            _ => &Self::UNDECIDED,
        }
    }
}

/// Why an endorsement stands where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For the developer.
    #[serde(rename = "d")]
    pub developer: String,
    /// Safe to show to the customer.
    #[serde(rename = "c")]
    pub customer: String,
}

/// What somebody decided about a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is good, whatever the check says.
    #[serde(rename = "c")]
    Cleared,
    /// It is to be mended.
    #[serde(rename = "i")]
    AtIssue,
    /// Somebody has to look, again.
    #[serde(rename = "w")]
    Waiting,
}

/// A decision about one requirement of one endorsement; one about `basic` counts for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// For which endorsement.
    #[serde(rename = "e", with = "name_number")]
    pub endorsement: EndorsementName,
    /// About what.
    #[serde(rename = "r")]
    pub requirement: Requirement,
    /// What was decided.
    #[serde(rename = "v")]
    pub verdict: Verdict,
    /// Why.
    #[serde(rename = "w")]
    pub reason: Reason,
    /// By whom.
    #[serde(rename = "b")]
    pub by: String,
    /// The marks of the hits that were looked at; whoever is hit beside them was not.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<String>,
}

impl Decision {
    /// Whether it was made about what the checks find now.
    fn covers(&self, checks: &CheckResults) -> bool {
        let screens = self.requirement.check() == Some(Need::SanctionsScreening);
        !screens
            || self.verdict != Verdict::Cleared
            || checks.hits.iter().all(|hit| self.hits.contains(hit))
    }
}

/// How far each requirement of an endorsement is. The lists are disjoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Given and found good.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub complete: Vec<Requirement>,
    /// Being checked.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Requirement>,
    /// Still to be given.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Requirement>,
    /// To be mended.
    #[serde(rename = "i", default, skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<Requirement>,
    /// Why it was refused or taken back, or what is to be mended.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// Where a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Given and found good.
    Complete,
    /// Being checked.
    Pending,
    /// Still to be given.
    Missing,
    /// To be mended.
    Issues,
}

impl State {
    /// The state on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Pending => "pending",
            Self::Missing => "missing",
            Self::Issues => "issues",
        }
    }
}

impl Standing {
    /// Where one requirement stands; `None` when it is not asked for.
    #[must_use]
    pub fn state(&self, requirement: Requirement) -> Option<State> {
        let lists = [
            (State::Complete, &self.complete),
            (State::Pending, &self.pending),
            (State::Missing, &self.missing),
            (State::Issues, &self.issues),
        ];
        lists
            .into_iter()
            .find(|(_, list)| list.contains(&requirement))
            .map(|(state, _)| state)
    }

    fn list(&mut self, state: State) -> &mut Vec<Requirement> {
        match state {
            State::Complete => &mut self.complete,
            State::Pending => &mut self.pending,
            State::Missing => &mut self.missing,
            State::Issues => &mut self.issues,
        }
    }

    /// Moves one requirement of the complete ones elsewhere.
    pub fn move_complete(&mut self, requirement: Requirement, to: State) {
        self.complete.retain(|known| *known != requirement);
        self.list(to).push(requirement);
    }

    /// Whether the customer has something to give or to mend.
    #[must_use]
    pub fn is_wanting(&self) -> bool {
        !self.missing.is_empty() || !self.issues.is_empty()
    }

    /// Whether a status fits the lists.
    #[must_use]
    pub fn agrees_with(&self, status: EndorsementStatus) -> bool {
        use EndorsementStatus as S;
        match status {
            S::Inactive => !self.missing.is_empty() && self.issues.is_empty(),
            S::Pending => !self.is_wanting() && !self.pending.is_empty(),
            S::Issues | S::RevokedIssues => self.is_wanting(),
            S::Active => !self.is_wanting(),
            S::Rejected | S::Offboarded => true,
        }
    }
}

/// Where an endorsement is to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status.
    pub status: EndorsementStatus,
    /// Its requirements.
    pub standing: Standing,
}

/// What is known of a customer when an evaluation runs.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The facts.
    pub facts: Facts,
    /// What the checks found at this time.
    pub checks: &'a CheckResults,
    /// What people decided.
    pub decisions: &'a [Decision],
    /// Where the endorsements stand; `None` where it was not requested.
    pub present: Endorsements,
    /// The endorsements to evaluate: those requested.
    pub requested: EndorsementSet,
}

/// Where each requested endorsement is to stand.
#[must_use]
pub fn evaluate(policy: &Policy, known: &Known<'_>) -> [Option<Outcome>; 3] {
    let mut outcomes: [Option<Outcome>; 3] = [const { None }; 3];
    let mut basic = None;
    for name in known.requested.iter() {
        let mut standing = stand(policy, name, known);
        let gate = match name {
            EndorsementName::Basic => EndorsementStatus::Active,
            _ => basic.unwrap_or(EndorsementStatus::Inactive),
        };
        if gate != EndorsementStatus::Active && !standing.is_wanting() {
            let present = known.present[name as usize];
            hold_back(policy, gate, present, &mut standing);
        }
        let status = settle(known.present[name as usize], &standing);
        if name == EndorsementName::Basic {
            basic = Some(status);
        }
        outcomes[name as usize] = Some(Outcome { status, standing });
    }
    outcomes
}

/// What the lists of an endorsement are.
fn stand(policy: &Policy, name: EndorsementName, known: &Known<'_>) -> Standing {
    let mut standing = Standing::default();
    let facts = &known.facts;
    for asked in policy.asked(name, facts.residence, facts.nationality) {
        let requirement = asked.requirement;
        let own = |decision: &&Decision| {
            decision.requirement == requirement && decision.covers(known.checks)
        };
        let decided = |by: EndorsementName| {
            let mut all = known.decisions.iter().rev().filter(own);
            all.find(|decision| decision.endorsement == by)
        };
        let decision = decided(name).or_else(|| decided(EndorsementName::Basic));
        let (state, reason) = state(requirement, decision, known);
        standing.list(state).push(requirement);
        standing.reasons.extend(reason);
    }
    standing
}

fn state(
    requirement: Requirement,
    decision: Option<&Decision>,
    known: &Known<'_>,
) -> (State, Option<Reason>) {
    let check = requirement.check();
    let given = !requirement.alternatives().and(known.facts.given).is_empty();
    if check.is_none() && !given {
        return (State::Missing, None);
    }
    match (decision, check) {
        (Some(decision), _) => match decision.verdict {
            Verdict::Cleared => (State::Complete, None),
            Verdict::AtIssue => (State::Issues, Some(decision.reason.clone())),
            Verdict::Waiting => (State::Pending, None),
        },
        (None, None) => (State::Complete, None),
        (None, Some(check)) => match known.checks.of(check) {
            CheckResult::Passed => (State::Complete, None),
            CheckResult::NotDone(_) => (State::Pending, None),
            CheckResult::Issue {
                developer,
                customer,
                ..
            } => {
                let (developer, customer) = (developer.clone(), (*customer).to_owned());
                (
                    State::Issues,
                    Some(Reason {
                        developer,
                        customer,
                    }),
                )
            }
        },
    }
}

/// Nothing is `ACTIVE` while `basic` is not: what `basic` waits for holds up the rest.
fn hold_back(
    policy: &Policy,
    basic: EndorsementStatus,
    present: Option<EndorsementStatus>,
    standing: &mut Standing,
) {
    let subject = Some(policy.subject(EndorsementName::Basic))
        .filter(|subject| standing.state(*subject).is_some())
        .or_else(|| standing.complete.last().copied());
    let Some(subject) = subject else {
        return;
    };
    let waits = matches!(
        basic,
        EndorsementStatus::Pending | EndorsementStatus::Inactive
    );
    if waits && present != Some(EndorsementStatus::Active) {
        if standing.pending.is_empty() {
            standing.move_complete(subject, State::Pending);
        }
        return;
    }
    standing.pending.retain(|known| *known != subject);
    standing.move_complete(subject, State::Issues);
    standing.reasons.push(Reason {
        developer: format!("basic is {}.", basic.name()),
        customer: "Your account is not cleared for this.".to_owned(),
    });
}

/// The status that fits the lists and that the present one may become, over
/// `PENDING` where that lies between.
fn settle(present: Option<EndorsementStatus>, standing: &Standing) -> EndorsementStatus {
    use EndorsementStatus as S;
    let wanting = standing.is_wanting();
    match present {
        Some(last @ (S::Rejected | S::Offboarded)) => last,
        Some(S::Active | S::RevokedIssues) if wanting => S::RevokedIssues,
        Some(S::Active) => S::Active,
        Some(S::Pending | S::Issues) if wanting => S::Issues,
        _ if !standing.issues.is_empty() => S::Issues,
        _ if !standing.missing.is_empty() => S::Inactive,
        _ if !standing.pending.is_empty() => S::Pending,
        _ => S::Active,
    }
}

/// The shortest way from one status to another that the status machine allows,
/// without the first and with the last; `None` when there is none. A way out of
/// `REJECTED` leads only where it is asked for by name.
#[must_use]
pub fn way(from: EndorsementStatus, to: EndorsementStatus) -> Option<Vec<EndorsementStatus>> {
    if from == to {
        return Some(Vec::new());
    }
    let mut ways = std::collections::VecDeque::from([vec![from]]);
    let mut seen = vec![from, EndorsementStatus::Rejected];
    while let Some(walked) = ways.pop_front() {
        let last = walked[walked.len() - 1];
        if last.may_become(to) {
            let mut way = walked[1..].to_vec();
            way.push(to);
            return Some(way);
        }
        for next in last.next() {
            if !seen.contains(next) {
                seen.push(*next);
                ways.push_back(walked.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

impl Serialize for Requirement {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u32(self.alternatives().bits())
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let needs = Needs::from_bits(u32::deserialize(input)?);
        Self::new(needs).ok_or_else(|| serde::de::Error::custom("no requirement"))
    }
}

/// An endorsement as the number of its place.
pub(super) mod name_number {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::core::endorsement::EndorsementName;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks for a reference"
    )]
    pub fn serialize<S: Serializer>(name: &EndorsementName, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u8(*name as u8)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<EndorsementName, D::Error> {
        let place = usize::from(u8::deserialize(input)?);
        let name = EndorsementName::ALL.get(place).copied();
        name.ok_or_else(|| serde::de::Error::custom("no endorsement"))
    }
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
