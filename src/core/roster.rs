//! What may be done to customers: create, change, deactivate. Each command
//! decides and seals before the transaction; [`Draft::write`] is all that runs in it.

use crate::context::{Context, Time};
use crate::core::asked::Asked;
use crate::core::binding;
use crate::core::customer::{CustomerPatch, Identity, NewCustomer, Profile};
use crate::core::endorsement::{EndorsementSet, EndorsementStatus};
use crate::core::event::{self, Event, EventKind, Origin};
use crate::core::lookups::{self, LookupChange};
use crate::core::project::Project;
use crate::core::references::References;
use crate::core::review::{Review, Step};
use crate::core::verification::{self, Settled, Situation};
use crate::error::{Code, Error, FieldCode, Invalid, Result};
use crate::id::CustomerId;
use crate::store::customer::{self, CustomerRow, Endorsements, Found, Status};
use crate::store::event::{self as event_rows, EventRow};
use crate::store::rescreening;
use crate::store::verification as verification_rows;
use crate::store::{Tx, customer_version};
use std::sync::Arc;

use crate::vault::{HashKey, HashKeys, KeyRing, Place, SealingKey, Secrets, tag};

/// The project and mode in which a command runs, and for whom.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The project's number.
    pub project: i64,
    /// What the project is set to.
    pub settings: Arc<Project>,
    /// What checks look things up in.
    pub references: Arc<References>,
    /// Who commands.
    pub origin: Origin,
}

/// A stored customer, opened as far as answers go. What answers never return
/// stays sealed.
pub struct Customer {
    /// The row.
    pub row: CustomerRow,
    /// What answers return of the sealed part.
    pub profile: Profile,
    /// What is known of the endorsements beyond their statuses.
    pub review: Option<Review>,
    /// What opens and seals it.
    pub key: SealingKey,
}

/// A customer as it is to be stored.
pub struct Draft {
    /// The row to write. Nobody alters it any more: its profile is bound to it.
    row: CustomerRow,
    /// What answers return of the sealed part.
    pub profile: Profile,
    /// What is known of the endorsements beyond their statuses.
    pub review: Option<Review>,
    change: Change,
}

#[derive(Clone)]
struct Change {
    /// What stands for the identity of the row that is replaced; `None` for a new customer.
    replaces: Option<Vec<u8>>,
    event: EventRow,
    lookups: LookupChange,
    asked: Asked,
    screened_by: Option<i64>,
}

impl Customer {
    /// Opens a row; `None` when its data key was destroyed.
    ///
    /// # Errors
    /// `internalError` when it does not open with its key.
    pub fn open((row, wrapped): Found, ring: &KeyRing) -> Result<Option<Self>> {
        let Some(wrapped) = wrapped else {
            return Ok(None);
        };
        let key = ring.unwrap_data_key(row.data_key, &wrapped)?;
        let profile = binding::open_profile(&row, &key)?;
        Self::with_profile(row, profile, key).map(Some)
    }

    /// Opens a row that a version before this one stored, which was bound to nothing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_unbound((row, wrapped): Found, ring: &KeyRing) -> Result<Option<Self>> {
        let Some(wrapped) = wrapped else {
            return Ok(None);
        };
        let key = ring.unwrap_data_key(row.data_key, &wrapped)?;
        let profile = binding::open_unbound(&row, &key)?;
        Self::with_profile(row, profile, key).map(Some)
    }

    fn with_profile(row: CustomerRow, profile: Profile, key: SealingKey) -> Result<Self> {
        let sealed = row.review.as_ref();
        let review = sealed.map(|sealed| {
            let place = place(row.project, &row.id, "customers.review");
            Review::from_opened(&key.open(place, sealed)?)
        });
        let review = review.transpose()?;
        Ok(Self {
            row,
            profile,
            review,
            key,
        })
    }

    /// Opens what answers never return: to merge a change into it, to check it,
    /// or for an export that says why.
    ///
    /// # Errors
    /// `internalError` when it does not open with its key.
    pub fn open_identity(&self) -> Result<Identity> {
        let place = place(self.row.project, &self.row.id, "customers.identity");
        Identity::from_opened(&self.key.open(place, &self.row.identity)?)
    }

    /// By which hashes the customer is found with one key.
    #[must_use]
    pub fn hashes(&self, identity: &Identity, key: &HashKey) -> Vec<i64> {
        lookups::hashes(self.row.project, &self.profile, identity, key)
    }

    /// For each value by which the customer must be found, once, the hashes under which it may.
    #[must_use]
    pub fn lookups(&self, identity: &Identity, keys: &HashKeys) -> Vec<Vec<i64>> {
        let by_key: Vec<_> = keys.iter().map(|key| self.hashes(identity, key)).collect();
        let values = by_key.first().map_or(0, Vec::len);
        let of_value = |value: usize| by_key.iter().map(|hashes| hashes[value]).collect();
        let mut all: Vec<Vec<i64>> = (0..values).map(of_value).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Makes a customer of a request.
///
/// # Errors
/// None that a caller can cause.
pub fn create(
    new: &NewCustomer,
    tenant: &Tenant,
    key: &SealingKey,
    context: &Context,
    secrets: &Secrets,
) -> Result<Draft> {
    let (id, created_at) = context.new_dated_id();
    let id = CustomerId::from_bytes(id);
    let now = created_at
        .unwrap_or_else(|| id.time())
        .plus_seconds(context.offset_s());
    let situation = Situation {
        before: Endorsements::default(),
        review: None,
        named: new.endorsements,
        changed: &[],
        profile: &new.profile,
        identity: &new.identity,
        signed: new.signed_agreement,
    };
    let (settings, references) = (&tenant.settings, &tenant.references);
    let mut settled = verification::settle(&situation, settings, references, now.date());
    let asked = Asked::follow(None, &mut settled, context);
    let mut row = CustomerRow {
        project: tenant.project,
        id,
        created_at,
        version: 1,
        status: Status::Active,
        signed_at: new.signed_agreement.then_some(now),
        updated_at: now,
        data_key: key.id(),
        endorsements: settled.endorsements,
        profile: Vec::new(),
        identity: Vec::new(),
        review: None,
    };
    seal_identity(&mut row, &new.identity, key, context);
    seal_review(&mut row, settled.review.as_ref(), key, context)?;
    binding::seal_profile(&mut row, &new.profile, key, &context.random);
    let mut events = vec![Event::of_customer(EventKind::CustomerCreated, &[])];
    events.extend(settled.steps.into_iter().map(step_event));
    let change = Change {
        replaces: None,
        event: event_of(&row, &events, &tenant.origin, key, context)?,
        lookups: LookupChange::of_new(tenant.project, &new.profile, &new.identity, secrets),
        asked,
        screened_by: settled.screened_by,
    };
    let profile = new.profile.clone();
    Ok(Draft {
        row,
        profile,
        review: settled.review,
        change,
    })
}

/// Applies a change; `None` when it changes nothing.
///
/// # Errors
/// `customerInactive`, `agreementCannotBeWithdrawn`, `validationFailed`.
pub fn update(
    customer: &Customer,
    patch: &CustomerPatch,
    tenant: &Tenant,
    context: &Context,
    secrets: &Secrets,
) -> Result<Option<Draft>> {
    let old = &customer.row;
    if old.status == Status::Inactive {
        let detail = "an inactive customer takes no changes";
        return Err(Error::new(Code::CustomerInactive, detail).with_resource(old.id.to_string()));
    }
    let now = context.now_after(old.updated_at);
    let signed_at = sign(old.signed_at, patch.signed_agreement, now)?;
    let named = patch.endorsements.unwrap_or(EndorsementSet::NONE);
    let mut identity = customer.open_identity()?;
    let mut profile = customer.profile.clone();
    let keys = secrets.hash_keys();
    let before = lookups::by_every_key(old.project, &profile, &identity, &keys);
    let applied = patch.clone().apply(&mut profile, &mut identity);
    let mut changed = applied.map_err(Error::invalid_fields)?;
    if signed_at != old.signed_at {
        changed.extend(["signedAgreement", "signedAgreementAt"]);
    }
    let situation = Situation {
        before: old.endorsements,
        review: customer.review.as_ref(),
        named: named.with_basic(),
        changed: &changed,
        profile: &profile,
        identity: &identity,
        signed: signed_at.is_some(),
    };
    let mut settled = if changed.is_empty() && named.is_empty() {
        Settled::unmoved(old.endorsements, customer.review.clone())
    } else {
        let (settings, references) = (&tenant.settings, &tenant.references);
        verification::settle(&situation, settings, references, now.date())
    };
    let asked = Asked::follow(customer.review.as_ref(), &mut settled, context);
    if settled.endorsements != old.endorsements || settled.review != customer.review {
        changed.push("endorsements");
    }
    if changed.is_empty() {
        return Ok(None);
    }
    let after = lookups::by_every_key(old.project, &profile, &identity, &keys);
    let mut row = CustomerRow {
        version: old.version + 1,
        signed_at,
        updated_at: now,
        endorsements: settled.endorsements,
        ..old.clone()
    };
    seal_identity(&mut row, &identity, &customer.key, context);
    seal_review(&mut row, settled.review.as_ref(), &customer.key, context)?;
    binding::seal_profile(&mut row, &profile, &customer.key, &context.random);
    let mut events = vec![Event::of_customer(EventKind::CustomerUpdated, &changed)];
    events.extend(settled.steps.into_iter().map(step_event));
    let change = Change {
        replaces: Some(tag(&old.identity).to_vec()),
        event: event_of(&row, &events, &tenant.origin, &customer.key, context)?,
        lookups: LookupChange::between(&before, &after, &keys),
        asked,
        screened_by: settled.screened_by,
    };
    Ok(Some(Draft {
        row,
        profile,
        review: settled.review,
        change,
    }))
}

/// Changes nothing but endorsements. A note of somebody who looked changes no answer, so the
/// time of the last change stays.
///
/// # Errors
/// None that a caller can cause.
pub fn endorse(
    customer: &Customer,
    mut settled: Settled,
    note: Option<Event>,
    origin: &Origin,
    context: &Context,
) -> Result<Draft> {
    let old = &customer.row;
    let asked = Asked::follow(customer.review.as_ref(), &mut settled, context);
    let updated_at = match note {
        Some(_) => old.updated_at,
        None => context.now_after(old.updated_at),
    };
    let mut row = CustomerRow {
        version: old.version + 1,
        updated_at,
        endorsements: settled.endorsements,
        ..old.clone()
    };
    seal_review(&mut row, settled.review.as_ref(), &customer.key, context)?;
    binding::seal_profile(&mut row, &customer.profile, &customer.key, &context.random);
    let steps = settled.steps.into_iter().map(step_event);
    let mut events: Vec<_> = note.into_iter().chain(steps).collect();
    if events.is_empty() {
        let changed = ["endorsements"];
        events.push(Event::of_customer(EventKind::CustomerUpdated, &changed));
    }
    let change = Change {
        replaces: Some(tag(&old.identity).to_vec()),
        event: event_of(&row, &events, origin, &customer.key, context)?,
        lookups: LookupChange::default(),
        asked,
        screened_by: settled.screened_by,
    };
    Ok(Draft {
        row,
        profile: customer.profile.clone(),
        review: settled.review,
        change,
    })
}

/// Deactivates; `None` when the customer is inactive already.
///
/// # Errors
/// None that a caller can cause.
pub fn deactivate(
    customer: &Customer,
    origin: &Origin,
    context: &Context,
) -> Result<Option<Draft>> {
    let old = &customer.row;
    if old.status == Status::Inactive {
        return Ok(None);
    }
    let mut row = CustomerRow {
        version: old.version + 1,
        status: Status::Inactive,
        updated_at: context.now_after(old.updated_at),
        ..old.clone()
    };
    binding::seal_profile(&mut row, &customer.profile, &customer.key, &context.random);
    let events = [Event::of_customer(
        EventKind::CustomerDeactivated,
        &["status"],
    )];
    let change = Change {
        replaces: Some(tag(&old.identity).to_vec()),
        event: event_of(&row, &events, origin, &customer.key, context)?,
        lookups: LookupChange::default(),
        asked: Asked::end(customer.review.as_ref()),
        screened_by: None,
    };
    let profile = customer.profile.clone();
    Ok(Some(Draft {
        row,
        profile,
        review: customer.review.clone(),
        change,
    }))
}

/// What is left of an erased customer: an inactive row under a key of its own, in which
/// every personal field is empty, with the look-ups that led to it taken away.
///
/// # Errors
/// `internalError` when the customer does not open.
pub fn tombstone(
    customer: &Customer,
    event: &EventRow,
    key: &SealingKey,
    context: &Context,
    secrets: &Secrets,
) -> Result<Draft> {
    let old = &customer.row;
    let identity = customer.open_identity()?;
    let row = emptied(old, key, context);
    let event = event.leaving(&row.profile);
    Ok(Draft {
        row,
        profile: Profile::default(),
        review: None,
        change: Change {
            replaces: Some(tag(&old.identity).to_vec()),
            event,
            lookups: LookupChange::of_erased(old.project, &customer.profile, &identity, secrets),
            asked: Asked::end(customer.review.as_ref()),
            screened_by: None,
        },
    })
}

/// The row of a tombstone. What had been granted is withdrawn.
#[must_use]
pub fn emptied(old: &CustomerRow, key: &SealingKey, context: &Context) -> CustomerRow {
    let withdrawn = |status: Option<_>| status.map(|_| EndorsementStatus::Offboarded);
    let mut row = CustomerRow {
        version: old.version + 1,
        status: Status::Inactive,
        updated_at: context.now_after(old.updated_at),
        data_key: key.id(),
        endorsements: old.endorsements.map(withdrawn),
        review: None,
        ..old.clone()
    };
    seal_identity(&mut row, &Identity::default(), key, context);
    binding::seal_profile(&mut row, &Profile::default(), key, &context.random);
    row
}

/// The row of events that left a customer's row as it is.
fn event_of(
    row: &CustomerRow,
    events: &[Event],
    origin: &Origin,
    key: &SealingKey,
    context: &Context,
) -> Result<EventRow> {
    let event = event::seal(events, (row.project, row.id), origin, key, context)?;
    Ok(event.leaving(&row.profile))
}

fn step_event(step: Step) -> Event {
    Event::of_endorsement(step.name, step.from, step.to, step.why)
}

fn seal_review(
    row: &mut CustomerRow,
    review: Option<&Review>,
    key: &SealingKey,
    context: &Context,
) -> Result<()> {
    let seal = |review: &Review| {
        let plain = review.to_sealable()?;
        let place = place(row.project, &row.id, "customers.review");
        Ok(key.seal(place, &plain, &context.random))
    };
    row.review = review.map(seal).transpose()?;
    Ok(())
}

fn seal_identity(row: &mut CustomerRow, identity: &Identity, key: &SealingKey, context: &Context) {
    let place = place(row.project, &row.id, "customers.identity");
    row.identity = key.seal(place, &identity.to_sealable(), &context.random);
}

impl Draft {
    /// The row to write.
    #[must_use]
    pub const fn row(&self) -> &CustomerRow {
        &self.row
    }

    /// The same change as what a verification by the provider made of the customer.
    #[must_use]
    pub fn answering(mut self, answer: verification_rows::Answer) -> Self {
        self.change.asked.answer = Some(answer);
        self
    }

    /// What the transaction does. It writes nothing and gives `false` when
    /// somebody else changed the customer since it was read.
    pub fn writer(&self) -> impl Fn(&mut Tx<'_>) -> Result<bool> + Send + 'static {
        let (row, change) = (self.row.clone(), self.change.clone());
        move |tx| {
            if let Some(identity_tag) = &change.replaces {
                // By the machine's clock, which a test clock may be ahead of.
                let now = CustomerId::from_bytes(change.event.id).time();
                customer_version::keep(tx, &row, identity_tag, now)?;
                if !customer::replace(tx, &row)? {
                    return Ok(false);
                }
            } else {
                customer::insert(tx, &row)?;
            }
            change.lookups.write(tx, &row)?;
            change.asked.write(tx, &row)?;
            if let Some(list) = change.screened_by {
                rescreening::note_if_stale(tx, &row, list)?;
            }
            event_rows::append(tx, &change.event, change.replaces.is_none())?;
            Ok(true)
        }
    }
}

const fn place<'a>(project: i64, id: &'a CustomerId, field: &'static str) -> Place<'a> {
    Place {
        project,
        row: id.as_bytes(),
        field,
    }
}

/// The agreement is stamped once and cannot be withdrawn.
fn sign(signed_at: Option<Time>, wanted: Option<bool>, now: Time) -> Result<Option<Time>> {
    match (signed_at, wanted) {
        (Some(_), Some(false)) => {
            let field = Invalid::new(FieldCode::ValueInvalid, "must stay true once it is");
            Err(Error::new(
                Code::AgreementCannotBeWithdrawn,
                "the agreement was signed and stays so",
            )
            .with_field(field.at("/signedAgreement")))
        }
        (None, Some(true)) => Ok(Some(now)),
        (at, _) => Ok(at),
    }
}
