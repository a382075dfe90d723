//! Screens a customer again, against another list than the last time.
//!
//! Pure: what the list and the customer say decides. Only what became of the
//! screening makes a change; nothing else is looked at again on this occasion.

use super::decision::unchanged;
use super::endorsement::{EndorsementName, EndorsementStatus};
use super::evaluation::{Outcome, Standing, State};
use super::event::Origin;
use super::policy::{Need, Requirement};
use super::project::{Project, Verification};
use super::references::References;
use super::review::Review;
use super::roster::{self, Customer, Draft};
use super::verification::{evaluated, settle};
use crate::context::Context;
use crate::error::Result;
use crate::store::customer::Status;

/// The customer with what the list in force says; `None` when that is nothing new.
///
/// # Errors
/// `internalError` when the customer does not open.
pub fn rescreen(
    customer: &Customer,
    project: &Project,
    references: &References,
    origin: &Origin,
    context: &Context,
) -> Result<Option<Draft>> {
    let endorsements = &customer.row.endorsements;
    let open = |status: &EndorsementStatus| {
        !matches!(
            status,
            EndorsementStatus::Rejected | EndorsementStatus::Offboarded
        )
    };
    let follows = project.verification == Verification::Policy
        && customer.row.status == Status::Active
        && endorsements.iter().flatten().any(open);
    if !follows {
        return Ok(None);
    }
    let identity = customer.open_identity()?;
    let situation = unchanged(customer, &identity);
    let context = project.clock(context);
    let today = context.now().date();
    let none = Review::default();
    let review = customer.review.as_ref().unwrap_or(&none);
    let (outcomes, _) = evaluated(&situation, review, (project, references), today);
    let is_new = |(name, outcome): (EndorsementName, &Option<Outcome>)| {
        let outcome = outcome.as_ref();
        outcome.is_some_and(|outcome| {
            open(&outcome.status) && differs(review.standing(name), &outcome.standing)
        })
    };
    if !EndorsementName::ALL.into_iter().zip(&outcomes).any(is_new) {
        return Ok(None);
    }
    let settled = settle(&situation, project, references, today);
    roster::endorse(customer, settled, None, origin, &context).map(Some)
}

/// Whether the screening stands elsewhere than before, or at issue for another reason.
/// What was granted without one stands until there is a hit.
fn differs(before: Option<&Standing>, after: &Standing) -> bool {
    let screening = Requirement::of(Need::SanctionsScreening);
    let new = after.state(screening);
    let Some(before) = before else {
        return new == Some(State::Issues);
    };
    before.state(screening) != new
        || (new == Some(State::Issues) && before.reasons != after.reasons)
}
