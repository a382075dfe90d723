//! What is known of a customer's endorsements beyond their statuses, as it is
//! stored: compact JSON that is sealed like the rest of the customer.

use serde::{Deserialize, Serialize};

use super::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use super::evaluation::{Decision, Standing, Verdict};
use super::policy::{Need, Requirement};
use super::provider;
use crate::error::{Error, Result};
use crate::id::VerificationId;
use crate::store::customer::Endorsements;

/// One of two people who approve or reject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Which endorsement.
    #[serde(rename = "e", with = "super::evaluation::name_number")]
    pub endorsement: EndorsementName,
    /// What it is to become.
    #[serde(rename = "t")]
    pub to: String,
    /// By whom.
    #[serde(rename = "b")]
    pub by: String,
}

/// The endorsements of a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Name and version of the policy that was looked at last.
    #[serde(rename = "p")]
    pub policy: (String, u32),
    /// The requirements of each, in the order of the names; `None` where
    /// nothing is to be said.
    #[serde(rename = "s")]
    pub standings: [Option<Standing>; EndorsementName::ALL.len()],
    /// What people decided.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// Who has agreed to a decision that two people make.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The one verification by the provider whose result counts.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationId>,
    /// Who the customer may be on the watch lists: the marks of the hits at issue.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<String>,
}

impl Review {
    /// The bytes to seal.
    ///
    /// # Errors
    /// `internalError` when it is no JSON, which it always is.
    pub fn to_sealable(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }

    /// Reads what [`Review::to_sealable`] wrote.
    ///
    /// # Errors
    /// `internalError` when it is something else.
    pub fn from_opened(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|_| Error::internal("a stored review does not decode"))
    }

    /// The requirements of one endorsement.
    #[must_use]
    pub fn standing(&self, name: EndorsementName) -> Option<&Standing> {
        self.standings[name as usize].as_ref()
    }

    /// Replaces what was decided of a requirement.
    pub fn decide(&mut self, decision: Decision) {
        let (name, about) = (decision.endorsement, decision.requirement);
        self.decisions
            .retain(|known| known.endorsement != name || known.requirement != about);
        self.decisions.push(decision);
    }

    /// The endorsements for which the provider says whether the person is who he says:
    /// the customer has nothing left to give, and no person wants to look himself.
    #[must_use]
    pub fn awaiting_provider(&self, statuses: &Endorsements) -> EndorsementSet {
        let identity = Requirement::of(Need::IdentityVerification);
        let by_a_person = |name: EndorsementName| {
            let own = |by: EndorsementName| {
                let mut all = self.decisions.iter();
                all.find(|known| known.endorsement == by && known.requirement == identity)
            };
            own(name)
                .or_else(|| own(EndorsementName::Basic))
                .is_some_and(|known| {
                    known.verdict == Verdict::Waiting && known.by != provider::ACTOR
                })
        };
        let waits = |name: &EndorsementName| {
            let open = statuses[*name as usize].is_some_and(|status| !status.is_closed());
            let standing = self.standing(*name).filter(|_| open);
            standing.is_some_and(|standing| {
                standing.pending.contains(&identity) && !standing.is_wanting()
            }) && !by_a_person(*name)
        };
        EndorsementName::ALL.into_iter().filter(waits).collect()
    }

    /// Whether there is anything to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standings.iter().all(Option::is_none)
            && self.decisions.is_empty()
            && self.approvals.is_empty()
            && self.verification.is_none()
            && self.hits.is_empty()
    }
}

/// One step of an endorsement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which endorsement.
    pub name: EndorsementName,
    /// Its status before; `None` when it was just requested.
    pub from: Option<EndorsementStatus>,
    /// Its status after.
    pub to: EndorsementStatus,
    /// Why, for the developer.
    pub why: Option<String>,
}
