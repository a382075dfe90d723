//! The rows of verifications: who is to be asked about at the provider, and what became of it.

use super::sql::Sql;
use super::{Row, Tx};
use crate::context::{Context, Time};
use crate::error::{Error, Result};
use crate::id::{CustomerId, VerificationId};

/// Where a verification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The provider is being asked.
    Asking,
    /// The provider could not be asked: a person decides, or a late result.
    GivenUp,
    /// The customer changed, a person decided, or the customer left.
    Superseded,
    /// The provider found the person to be who he says.
    Approved,
    /// The provider refused for good.
    Rejected,
    /// The provider found something to mend.
    Issues,
}

impl State {
    /// Every state; its place is the number that is stored.
    const ALL: [Self; 6] = [
        Self::Asking,
        Self::GivenUp,
        Self::Superseded,
        Self::Approved,
        Self::Rejected,
        Self::Issues,
    ];

    /// Whether a result may still come.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Asking | Self::GivenUp)
    }
}

/// A verification as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationRow {
    /// The id.
    pub id: VerificationId,
    /// When it was asked for.
    pub requested_at: Time,
    /// Whose customer.
    pub project: i64,
    /// About whom.
    pub customer: CustomerId,
    /// Where it stands.
    pub state: State,
    /// How often the provider was asked.
    pub attempts: i64,
    /// When to ask next.
    pub due_at: Time,
    /// When the provider took the request.
    pub accepted_at: Option<Time>,
    /// What went wrong at the last attempt.
    pub trouble: Option<String>,
    /// The keyed hash of the result that was taken.
    pub fingerprint: Option<Vec<u8>>,
    /// When it was taken.
    pub answered_at: Option<Time>,
}

/// A result that is taken.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which verification.
    pub id: VerificationId,
    /// What it makes of it.
    pub state: State,
    /// The keyed hash of the result.
    pub fingerprint: [u8; 16],
    /// When.
    pub at: Time,
}

/// One asking, which this process has for itself until its lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which verification.
    pub id: VerificationId,
    /// The how-manieth.
    pub number: i64,
}

/// That the provider is to be asked.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Under which id.
    pub id: VerificationId,
    /// When it was ordered, where the time in the id is not that.
    pub requested_at: Option<Time>,
    /// When to ask first.
    pub due_at: Time,
}

impl Order {
    /// An order of this moment.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        let (id, requested_at) = context.new_dated_id();
        Self {
            id: VerificationId::from_bytes(id),
            requested_at,
            due_at: context.settled_now(),
        }
    }
}

/// Orders that the provider is asked.
pub fn insert(tx: &mut Tx<'_>, order: Order, project: i64, customer: CustomerId) -> Result<()> {
    tx.execute(
        "INSERT INTO verifications (id, project, customer, state, attempts, due_at,
                                    requested_at)
         VALUES ($1, $2, $3, 0, 0, $4, $5)",
        &[
            order.id.as_bytes().into(),
            project.into(),
            customer.as_bytes().into(),
            order.due_at.as_millis().into(),
            order.requested_at.map(Time::as_millis).into(),
        ],
    )?;
    Ok(())
}

/// Takes the order back; what was decided already stays.
pub fn supersede(tx: &mut Tx<'_>, id: VerificationId) -> Result<()> {
    static SUPERSEDE: Sql =
        Sql::new("UPDATE verifications SET state = 2 WHERE {at verifications.id $1} AND state < 2");
    tx.execute(SUPERSEDE.of(tx), &[id.as_bytes().into()])?;
    Ok(())
}

/// Notes the result of an open verification.
pub fn answer(tx: &mut Tx<'_>, answer: &Answer) -> Result<()> {
    static ANSWER: Sql = Sql::new(
        "UPDATE verifications SET state = $1, fingerprint = $2, answered_at = $3
         WHERE {at verifications.id $4} AND state < 2",
    );
    tx.execute(
        ANSWER.of(tx),
        &[
            (answer.state as i64).into(),
            (&answer.fingerprint).into(),
            answer.at.as_millis().into(),
            answer.id.as_bytes().into(),
        ],
    )?;
    Ok(())
}

/// One verification.
pub fn find(tx: &mut Tx<'_>, id: VerificationId) -> Result<Option<VerificationRow>> {
    static FIND: Sql = Sql::new(
        "SELECT id, project, customer, state, attempts, due_at, accepted_at, trouble,
                fingerprint, answered_at, requested_at
         FROM verifications WHERE {at verifications.id $1}",
    );
    tx.first(FIND.of(tx), &[id.as_bytes().into()], read)
}

/// Those whose time has come, the longest waiting first. What is planned for later than
/// `latest` was planned by a clock that was ahead, and its time has come.
pub fn due(
    tx: &mut Tx<'_>,
    (now, latest): (Time, Time),
    limit: i64,
) -> Result<Vec<VerificationRow>> {
    tx.all(
        "SELECT id, project, customer, state, attempts, due_at, accepted_at, trouble,
                fingerprint, answered_at, requested_at
         FROM verifications WHERE state = 0 AND (due_at <= $1 OR due_at > $2)
         ORDER BY due_at LIMIT $3",
        &[
            now.as_millis().into(),
            latest.as_millis().into(),
            limit.into(),
        ],
        read,
    )
}

/// Takes an attempt for a server until the lease ends or the server is gone (`server.rs`);
/// `false` when another one was faster or the order was taken back.
pub fn claim(
    tx: &mut Tx<'_>,
    attempt: Attempt,
    (process, lease_ends): (i64, Time),
) -> Result<bool> {
    static CLAIM: Sql = Sql::new(
        "UPDATE verifications SET attempts = $1, due_at = $2, claimed_by = $3
         WHERE {at verifications.id $4} AND state = 0 AND attempts = $5",
    );
    let claimed = tx.execute(
        CLAIM.of(tx),
        &[
            attempt.number.into(),
            lease_ends.as_millis().into(),
            process.into(),
            attempt.id.as_bytes().into(),
            (attempt.number - 1).into(),
        ],
    )?;
    Ok(claimed == 1)
}

/// The provider took the request; it is asked again when no result has come by then.
pub fn accepted(tx: &mut Tx<'_>, attempt: Attempt, now: Time, ask_again: Time) -> Result<()> {
    static ACCEPTED: Sql = Sql::new(
        "UPDATE verifications SET accepted_at = $1, due_at = $2, trouble = NULL, claimed_by = 0
         WHERE {at verifications.id $3} AND state = 0 AND attempts = $4",
    );
    tx.execute(
        ACCEPTED.of(tx),
        &[
            now.as_millis().into(),
            ask_again.as_millis().into(),
            attempt.id.as_bytes().into(),
            attempt.number.into(),
        ],
    )?;
    Ok(())
}

/// The provider did not take it; it is asked again then.
pub fn failed(tx: &mut Tx<'_>, attempt: Attempt, trouble: &str, ask_again: Time) -> Result<()> {
    static FAILED: Sql = Sql::new(
        "UPDATE verifications SET trouble = $1, due_at = $2, claimed_by = 0
         WHERE {at verifications.id $3} AND state = 0 AND attempts = $4",
    );
    tx.execute(
        FAILED.of(tx),
        &[
            trouble.into(),
            ask_again.as_millis().into(),
            attempt.id.as_bytes().into(),
            attempt.number.into(),
        ],
    )?;
    Ok(())
}

/// It is not asked again: a person decides.
pub fn give_up(tx: &mut Tx<'_>, attempt: Attempt, trouble: &str) -> Result<()> {
    static GIVE_UP: Sql = Sql::new(
        "UPDATE verifications SET state = 1, trouble = $1, claimed_by = 0
         WHERE {at verifications.id $2} AND state = 0 AND attempts = $3",
    );
    tx.execute(
        GIVE_UP.of(tx),
        &[
            trouble.into(),
            attempt.id.as_bytes().into(),
            attempt.number.into(),
        ],
    )?;
    Ok(())
}

/// Those of a project that the provider could not be asked about, in the order of their
/// ids behind one, and about whom each is.
pub fn given_up(
    tx: &mut Tx<'_>,
    project: i64,
    behind: VerificationId,
    limit: i64,
) -> Result<Vec<(VerificationId, CustomerId)>> {
    static GIVEN_UP: Sql = Sql::new(
        "SELECT v.id, v.customer FROM verifications v
         WHERE {all v} AND v.project = $1 AND v.state = 1 AND v.id > $2 ORDER BY v.id LIMIT $3",
    );
    tx.all(
        GIVEN_UP.of(tx),
        &[project.into(), behind.as_bytes().into(), limit.into()],
        |row| {
            Ok((
                VerificationId::from_bytes(row.array(0)?),
                CustomerId::from_bytes(row.array(1)?),
            ))
        },
    )
}

/// Asks again, from the first attempt, where the provider could not be asked; `false` when
/// that is not so any more.
pub fn ask_again(tx: &mut Tx<'_>, id: VerificationId, now: Time) -> Result<bool> {
    static ASK: Sql = Sql::new(
        "UPDATE verifications SET state = 0, attempts = 0, due_at = $1, accepted_at = NULL
         WHERE {at verifications.id $2} AND state = 1",
    );
    let asked = tx.execute(ASK.of(tx), &[now.as_millis().into(), id.as_bytes().into()])?;
    Ok(asked == 1)
}

/// Forgets verifications from before an id that take no result any more; gives their number.
pub fn forget(tx: &mut Tx<'_>, before: &[u8; 16], limit: i64) -> Result<usize> {
    static OLD: Sql = Sql::new(
        "SELECT v.id FROM verifications v WHERE {all v} AND v.id < $1 AND v.state > 1
         ORDER BY v.id LIMIT $2",
    );
    static FORGET: Sql = Sql::new("DELETE FROM verifications WHERE {at verifications.id $1}");
    let old: Vec<[u8; 16]> = tx.all(OLD.of(tx), &[before.into(), limit.into()], |row| {
        row.array(0)
    })?;
    for id in &old {
        tx.send(FORGET.of(tx), &[id.into()])?;
    }
    Ok(old.len())
}

fn read(row: &Row<'_>) -> Result<VerificationRow> {
    let state = usize::try_from(row.int(3)?).ok();
    let state = state.and_then(|place| State::ALL.get(place).copied());
    let id = VerificationId::from_bytes(row.array(0)?);
    let requested_at = row.optional_int(10)?.map(Time::from_millis);
    Ok(VerificationRow {
        id,
        requested_at: requested_at.unwrap_or_else(|| id.time()),
        project: row.int(1)?,
        customer: CustomerId::from_bytes(row.array(2)?),
        state: state.ok_or_else(|| Error::internal("an unknown state is stored"))?,
        attempts: row.int(4)?,
        due_at: Time::from_millis(row.int(5)?),
        accepted_at: row.optional_int(6)?.map(Time::from_millis),
        trouble: row.optional_text(7)?,
        fingerprint: row.optional_bytes(8)?,
        answered_at: row.optional_int(9)?.map(Time::from_millis),
    })
}
