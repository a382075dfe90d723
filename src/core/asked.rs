//! What a change of a customer means to those who verify the identity: whom to ask anew, and
//! which result counts no longer.

use super::review::Review;
use super::verification::Settled;
use crate::context::Context;
use crate::error::Result;
use crate::id::VerificationId;
use crate::store::Tx;
use crate::store::customer::CustomerRow;
use crate::store::verification as verification_rows;

/// What a change means to the verifications by the provider.
#[derive(Clone, Default)]
pub(super) struct Asked {
    opened: Option<verification_rows::Order>,
    closed: Option<VerificationId>,
    /// The result that the change takes.
    pub(super) answer: Option<verification_rows::Answer>,
}

impl Asked {
    /// Gives the verification that is asked for its id; one before it counts no longer.
    pub(super) fn follow(
        before: Option<&Review>,
        settled: &mut Settled,
        context: &Context,
    ) -> Self {
        let before = before.and_then(|review| review.verification);
        let opened = (settled.asks_provider).then(|| verification_rows::Order::new(context));
        if let Some(order) = opened {
            settled.review.get_or_insert_default().verification = Some(order.id);
        }
        let after = settled.review.as_ref();
        let after = after.and_then(|review| review.verification);
        Self {
            opened,
            closed: before.filter(|before| after != Some(*before)),
            answer: None,
        }
    }

    /// The customer takes part no longer.
    pub(super) fn end(review: Option<&Review>) -> Self {
        Self {
            closed: review.and_then(|review| review.verification),
            ..Self::default()
        }
    }

    /// Writes it, in the transaction of the change.
    pub(super) fn write(&self, tx: &mut Tx<'_>, row: &CustomerRow) -> Result<()> {
        if let Some(answer) = &self.answer {
            verification_rows::answer(tx, answer)?;
        }
        if let Some(id) = self.closed {
            verification_rows::supersede(tx, id)?;
        }
        if let Some(order) = self.opened {
            verification_rows::insert(tx, order, row.project, row.id)?;
        }
        Ok(())
    }
}
