//! The rows of customers: what may stand in the clear, and the rest sealed.

use super::sql::Sql;
use super::{Row, Tx, held_up, lookup};
use crate::context::Time;
use crate::core::endorsement::{EndorsementName, EndorsementStatus};
use crate::error::{Error, Result};
use crate::id::CustomerId;

/// Whether a customer takes part; nothing between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The customer takes part.
    Active,
    /// The customer was deactivated.
    Inactive,
}

impl Status {
    /// The status on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
}

/// The status of each endorsement, in the order of [`EndorsementName::ALL`];
/// `None` where it was not requested.
pub type Endorsements = [Option<EndorsementStatus>; EndorsementName::ALL.len()];

/// A customer as it is stored.
#[derive(Clone, Debug)]
pub struct CustomerRow {
    /// Whose customer it is.
    pub project: i64,
    /// The id.
    pub id: CustomerId,
    /// When it was made, where the time in the id is not that; see [`Self::made_at`].
    pub created_at: Option<Time>,
    /// Rises by one with every change.
    pub version: i64,
    /// Active or inactive.
    pub status: Status,
    /// When the agreement was signed.
    pub signed_at: Option<Time>,
    /// When the row last changed.
    pub updated_at: Time,
    /// The data key that seals `profile` and `identity`.
    pub data_key: i64,
    /// What was requested, and how far it is.
    pub endorsements: Endorsements,
    /// Sealed: what answers return.
    pub profile: Vec<u8>,
    /// Sealed: what answers never return.
    pub identity: Vec<u8>,
    /// Sealed: what is known of the endorsements, unless it follows from their statuses.
    pub review: Option<Vec<u8>>,
}

impl CustomerRow {
    /// The customer's `createdAt`.
    #[must_use]
    pub fn made_at(&self) -> Time {
        self.created_at.unwrap_or_else(|| self.id.time())
    }
}

/// A row with the wrapped data key that opens it; `None` once the key is destroyed.
pub type Found = (CustomerRow, Option<Vec<u8>>);

/// Which customers a page shows, newest first.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whose customers.
    pub project: i64,
    /// Ids below this one only.
    pub before: [u8; 16],
    /// Ids from this one on only.
    pub from: [u8; 16],
    /// Only those made at this moment or later.
    pub created_after: Option<Time>,
    /// Only those made at this moment or earlier.
    pub created_before: Option<Time>,
    /// Only these.
    pub status: Option<Status>,
    /// Only those that requested this endorsement, in this status if one is given.
    pub endorsement: Option<(EndorsementName, Option<EndorsementStatus>)>,
    /// Only those that one of these look-up hashes leads to: the hashes of one value, by the
    /// keys of several epochs.
    pub hashes: Option<Vec<i64>>,
    /// At most so many.
    pub limit: usize,
}

/// Rows that are looked at for one page, beside as many as it holds, where a filter lets few
/// through. What they cost is about what a page of them would.
pub const SEEN_AT_MOST: usize = 500;

/// Rows that are read one by one for one page, where a look-up leads to many that do not fit.
const LOOKED_UP_AT_MOST: usize = 100;

impl Filter {
    /// Whether rows must be looked at to know which ones a page shows.
    const fn lets_few_through(&self) -> bool {
        self.status.is_some()
            || self.endorsement.is_some()
            || self.created_after.is_some()
            || self.created_before.is_some()
    }

    /// Which bits of the packed endorsements count, and what they must be.
    fn endorsed(&self) -> (Option<i64>, Option<i64>) {
        self.endorsement.map_or((None, None), |(name, status)| {
            let (bits, wanted) = mask(name, status);
            (Some(bits), wanted)
        })
    }

    fn fits(&self, status: Status, endorsements: i64, made_at: Time) -> bool {
        let (bits, wanted) = self.endorsed();
        let packed = endorsements & bits.unwrap_or(0);
        let endorsed = bits.is_none() || wanted.map_or(packed != 0, |wanted| packed == wanted);
        endorsed
            && self.status.is_none_or(|wanted| wanted == status)
            && self.is_of_its_time(made_at)
    }

    /// Ids rise, whatever the clock did, so they bound where such customers are, and no more.
    fn is_of_its_time(&self, made_at: Time) -> bool {
        self.created_after.is_none_or(|after| after <= made_at)
            && self.created_before.is_none_or(|before| made_at <= before)
    }
}

/// Some customers, and where to go on.
pub struct Page {
    /// Newest first.
    pub rows: Vec<Found>,
    /// The `before` of what follows; `None` when nothing does.
    pub next: Option<[u8; 16]>,
}

/// Stores a new customer.
pub fn insert(tx: &mut Tx<'_>, row: &CustomerRow) -> Result<()> {
    tx.send(
        "INSERT INTO customers (project, id, version, status, signed_at, updated_at, data_key,
                                endorsements, profile, identity, review, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            row.project.into(),
            row.id.as_bytes().into(),
            row.version.into(),
            (row.status as i64).into(),
            row.signed_at.map(Time::as_millis).into(),
            row.updated_at.as_millis().into(),
            row.data_key.into(),
            pack(row.endorsements).into(),
            row.profile.as_slice().into(),
            row.identity.as_slice().into(),
            row.review.as_deref().into(),
            row.created_at.map(Time::as_millis).into(),
        ],
    )
}

/// Replaces a customer that is still of the version before this one; `false`
/// when somebody else was faster.
pub fn replace(tx: &mut Tx<'_>, row: &CustomerRow) -> Result<bool> {
    static REPLACE: Sql = Sql::new(
        "UPDATE customers SET version = $1, status = $2, signed_at = $3, updated_at = $4,
                data_key = $5, endorsements = $6, profile = $7, identity = $8, review = $9
         WHERE project = $10 AND {at customers.id $11} AND version = $12",
    );
    let changed = tx.execute(
        REPLACE.of(tx),
        &[
            row.version.into(),
            (row.status as i64).into(),
            row.signed_at.map(Time::as_millis).into(),
            row.updated_at.as_millis().into(),
            row.data_key.into(),
            pack(row.endorsements).into(),
            row.profile.as_slice().into(),
            row.identity.as_slice().into(),
            row.review.as_deref().into(),
            row.project.into(),
            row.id.as_bytes().into(),
            (row.version - 1).into(),
        ],
    )?;
    Ok(changed == 1)
}

/// A profile that is sealed anew.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// As it is stored.
    pub from: Vec<u8>,
    /// As it is to be stored.
    pub to: Vec<u8>,
}

/// Seals the profile of a customer anew, if it is still as it was; nothing else changes.
pub fn reseal(tx: &mut Tx<'_>, (project, id): (i64, CustomerId), change: &Resealed) -> Result<()> {
    static RESEAL: Sql = Sql::new(
        "UPDATE customers SET profile = $1
         WHERE project = $2 AND {at customers.id $3} AND profile = $4",
    );
    tx.send(
        RESEAL.of(tx),
        &[
            change.to.as_slice().into(),
            project.into(),
            id.as_bytes().into(),
            change.from.as_slice().into(),
        ],
    )
}

/// One customer of a project.
pub fn find(tx: &mut Tx<'_>, project: i64, id: CustomerId) -> Result<Option<Found>> {
    static FIND: Sql = Sql::new(
        "SELECT c.project, c.id, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
                c.endorsements, c.profile, c.identity, c.review, c.created_at, k.wrapped
         FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
         WHERE c.project = $1 AND {at c.id $2}",
    );
    tx.first(FIND.of(tx), &[project.into(), id.as_bytes().into()], read)
}

/// The version of a customer.
pub fn version(tx: &mut Tx<'_>, project: i64, id: CustomerId) -> Result<Option<i64>> {
    static VERSION: Sql =
        Sql::new("SELECT c.version FROM customers c WHERE c.project = $1 AND {at c.id $2}");
    let values = [project.into(), id.as_bytes().into()];
    tx.first(VERSION.of(tx), &values, |row| row.int(0))
}

/// The newest id of all, after which ids go on.
pub fn newest(tx: &mut Tx<'_>) -> Result<Option<[u8; 16]>> {
    static NEWEST: Sql = Sql::new(
        "SELECT c.id FROM customers c WHERE {all c} AND c.project = $1 ORDER BY c.id DESC LIMIT 1",
    );
    let projects = tx.all("SELECT id FROM projects", &[], |row| row.int(0))?;
    let mut newest = None;
    for project in projects {
        let newest_of = tx.first(NEWEST.of(tx), &[project.into()], |row| row.array(0))?;
        newest = newest.max(newest_of);
    }
    Ok(newest)
}

/// The customers of a page. There may be fewer than the limit, none even, although more
/// follow: so many rows are looked at and not more. `Page::next` tells where to go on.
pub fn page(tx: &mut Tx<'_>, filter: &Filter) -> Result<Page> {
    let mut filter = filter.clone();
    if let Some(moment) = filter.created_before {
        let edge = held_up::customers_until(tx, filter.project, moment)?;
        filter.before = filter.before.min(edge);
    }
    let filter = &filter;
    if let Some(hashes) = &filter.hashes {
        return page_by_hash(tx, filter, hashes);
    }
    let window = filter.lets_few_through().then(|| window(tx, filter));
    let window = window.transpose()?;
    if let Some(Window { fits: 0, next, .. }) = window {
        let rows = Vec::new();
        return Ok(Page { rows, next });
    }
    let from = window.as_ref().map_or(filter.from, |window| window.from);
    // What is of another time is among them where the clock was set, and goes again.
    let most = filter.limit + window.as_ref().map_or(0, |_| SEEN_AT_MOST);
    let (bits, wanted) = filter.endorsed();
    let values = [
        filter.project.into(),
        (&filter.before).into(),
        (&from).into(),
        filter.status.map(|status| status as i64).into(),
        bits.into(),
        wanted.into(),
        i64::try_from(most).unwrap_or(i64::MAX).into(),
    ];
    let statement = match filter.status {
        Some(Status::Inactive) => PAGE_OF_INACTIVE.of(tx),
        _ => PAGE.of(tx),
    };
    let mut rows = tx.all(statement, &values, read)?;
    rows.retain(|found| filter.is_of_its_time(found.0.made_at()));
    let last = || rows.last().map(|found| *found.0.id.as_bytes());
    let next = match window {
        Some(window) => window.next,
        None => (rows.len() == filter.limit).then(last).flatten(),
    };
    Ok(Page { rows, next })
}

/// The ids among which the customers of a page are.
struct Window {
    /// From this one on.
    from: [u8; 16],
    /// How many fit.
    fits: usize,
    /// The `before` of what follows; `None` when nothing does.
    next: Option<[u8; 16]>,
}

/// Looks at rows, without what is sealed in them, until enough fit or [`SEEN_AT_MOST`] are
/// seen: first at as many as would do if all fitted.
fn window(tx: &mut Tx<'_>, filter: &Filter) -> Result<Window> {
    let statement = match filter.status {
        Some(Status::Inactive) => SEEN_OF_INACTIVE.of(tx),
        _ => SEEN.of(tx),
    };
    let (mut before, mut fits) = (filter.before, 0);
    for chunk in [filter.limit, SEEN_AT_MOST] {
        let values = [
            filter.project.into(),
            (&before).into(),
            (&filter.from).into(),
            i64::try_from(chunk).unwrap_or(i64::MAX).into(),
        ];
        let seen = tx.all(statement, &values, |row| {
            let id = CustomerId::from_bytes(row.array(0)?);
            let status = status_of(row.int(1)?);
            let made_at = row.optional_int(3)?.map(Time::from_millis);
            let made_at = made_at.unwrap_or_else(|| id.time());
            let does_fit = filter.fits(status, row.int(2)?, made_at);
            Ok((*id.as_bytes(), does_fit))
        })?;
        let is_end = seen.len() < chunk;
        for (id, does_fit) in seen {
            before = id;
            fits += usize::from(does_fit);
            if fits == filter.limit {
                let next = Some(before);
                return Ok(Window {
                    from: before,
                    fits,
                    next,
                });
            }
        }
        if is_end {
            let from = filter.from;
            return Ok(Window {
                from,
                fits,
                next: None,
            });
        }
    }
    let next = Some(before);
    Ok(Window {
        from: before,
        fits,
        next,
    })
}

/// The same, by way of a look-up.
fn page_by_hash(tx: &mut Tx<'_>, filter: &Filter, hashes: &[i64]) -> Result<Page> {
    let most = if filter.lets_few_through() {
        filter.limit.max(LOOKED_UP_AT_MOST)
    } else {
        filter.limit
    };
    let mut targets = Vec::new();
    for hash in hashes {
        let range = (&filter.from, &filter.before);
        targets.extend(lookup::targets(tx, *hash, range, most)?);
    }
    if hashes.len() > 1 {
        targets.sort_unstable_by(|a, b| b.cmp(a));
        targets.dedup();
        targets.truncate(most);
    }
    let mut rows = Vec::with_capacity(filter.limit);
    for target in &targets {
        let Some(found) = find(tx, filter.project, CustomerId::from_bytes(*target))? else {
            continue;
        };
        let (row, packed) = (&found.0, pack(found.0.endorsements));
        if filter.fits(row.status, packed, row.made_at()) {
            rows.push(found);
        }
        if rows.len() == filter.limit {
            let next = Some(*target);
            return Ok(Page { rows, next });
        }
    }
    let next = (targets.len() == most).then(|| targets.last().copied());
    Ok(Page {
        rows,
        next: next.flatten(),
    })
}

/// A customer's place in the order of all: project and id.
pub type Place = (i64, [u8; 16]);

/// The customers of every project after a place, to look at every one.
pub fn after(tx: &mut Tx<'_>, edge: Place, limit: i64) -> Result<Vec<Found>> {
    static AFTER: Sql = Sql::new(
        "SELECT c.project, c.id, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
                c.endorsements, c.profile, c.identity, c.review, c.created_at, k.wrapped
         FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
         WHERE {all c} AND (c.project, c.id) > ($1, $2) ORDER BY c.project, c.id LIMIT $3",
    );
    tx.all(
        AFTER.of(tx),
        &[edge.0.into(), (&edge.1).into(), limit.into()],
        read,
    )
}

/// The customers of one project after an id, the oldest first.
pub fn page_upwards(
    tx: &mut Tx<'_>,
    project: i64,
    after: &[u8; 16],
    limit: i64,
) -> Result<Vec<Found>> {
    static PAGE_UPWARDS: Sql = Sql::new(
        "SELECT c.project, c.id, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
                c.endorsements, c.profile, c.identity, c.review, c.created_at, k.wrapped
         FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
         WHERE {all c} AND c.project = $1 AND c.id > $2 ORDER BY c.id LIMIT $3",
    );
    tx.all(
        PAGE_UPWARDS.of(tx),
        &[project.into(), after.into(), limit.into()],
        read,
    )
}

/// The newest customers, of all projects.
pub fn latest(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Found>> {
    static LATEST: Sql = Sql::new(
        "SELECT c.project, c.id, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
                c.endorsements, c.profile, c.identity, c.review, c.created_at, k.wrapped
         FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
         WHERE {all c} ORDER BY c.project DESC, c.id DESC LIMIT $1",
    );
    tx.all(LATEST.of(tx), &[limit.into()], read)
}

/// The customer of an id, whosever it is.
pub fn anywhere(tx: &mut Tx<'_>, id: &[u8; 16]) -> Result<Option<Found>> {
    static ANYWHERE: Sql = Sql::new(
        "SELECT c.project, c.id, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
                c.endorsements, c.profile, c.identity, c.review, c.created_at, k.wrapped
         FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
         WHERE c.project IN (SELECT id FROM projects) AND {at c.id $1}",
    );
    tx.first(ANYWHERE.of(tx), &[id.into()], read)
}

/// Whether there is a customer of this id.
pub fn exists(tx: &mut Tx<'_>, project: i64, id: &[u8; 16]) -> Result<bool> {
    static EXISTS: Sql =
        Sql::new("SELECT 1 FROM customers c WHERE c.project = $1 AND {at c.id $2}");
    let one = tx.first(EXISTS.of(tx), &[project.into(), id.into()], |row| {
        row.int(0)
    })?;
    Ok(one.is_some())
}

/// How many there are, of all projects.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    let count = tx.first("SELECT COUNT(*) FROM customers", &[], |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}

/// How many there are of one project.
pub fn count_of(tx: &mut Tx<'_>, project: i64) -> Result<i64> {
    let count = tx.first(
        "SELECT COUNT(*) FROM customers WHERE project = $1",
        &[project.into()],
        |row| row.int(0),
    )?;
    Ok(count.unwrap_or_default())
}

static PAGE: Sql = Sql::new("
    SELECT c.project, c.id, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
           c.endorsements, c.profile, c.identity, c.review, c.created_at, k.wrapped
    FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
    WHERE {all c} AND c.project = $1 AND c.id < $2 AND c.id >= $3
      AND (CAST($4 AS BIGINT) IS NULL OR c.status = $4)
      AND (CAST($5 AS BIGINT) IS NULL OR c.endorsements & $5 = $6 OR (CAST($6 AS BIGINT) IS NULL AND c.endorsements & $5 <> 0))
    ORDER BY c.id DESC LIMIT $7");

/// The same with the literal that the partial index wants to see.
static PAGE_OF_INACTIVE: Sql = Sql::new("
    SELECT c.project, c.id, c.version, c.status, c.signed_at, c.updated_at, c.data_key,
           c.endorsements, c.profile, c.identity, c.review, c.created_at, k.wrapped
    FROM customers c LEFT JOIN keys.data_keys k ON k.id = c.data_key
    WHERE {all c} AND c.project = $1 AND c.id < $2 AND c.id >= $3
      AND c.status = 1 AND $4 = 1
      AND (CAST($5 AS BIGINT) IS NULL OR c.endorsements & $5 = $6 OR (CAST($6 AS BIGINT) IS NULL AND c.endorsements & $5 <> 0))
    ORDER BY c.id DESC LIMIT $7");

/// Rows without what is sealed in them.
static SEEN: Sql = Sql::new(
    "SELECT c.id, c.status, c.endorsements, c.created_at FROM customers c
     WHERE {all c} AND c.project = $1 AND c.id < $2 AND c.id >= $3
     ORDER BY c.id DESC LIMIT $4",
);

/// The same with the literal that the partial index wants to see.
static SEEN_OF_INACTIVE: Sql = Sql::new(
    "SELECT c.id, c.status, c.endorsements, c.created_at FROM customers c
     WHERE {all c} AND c.project = $1 AND c.id < $2 AND c.id >= $3 AND c.status = 1
     ORDER BY c.id DESC LIMIT $4",
);

const fn status_of(number: i64) -> Status {
    match number {
        0 => Status::Active,
        _ => Status::Inactive,
    }
}

pub(super) fn read(row: &Row<'_>) -> Result<Found> {
    let customer = CustomerRow {
        project: row.int(0)?,
        id: CustomerId::from_bytes(row.array(1)?),
        version: row.int(2)?,
        status: status_of(row.int(3)?),
        signed_at: row.optional_int(4)?.map(Time::from_millis),
        updated_at: Time::from_millis(row.int(5)?),
        data_key: row.int(6)?,
        endorsements: unpack(row.int(7)?)?,
        profile: row.bytes(8)?,
        identity: row.bytes(9)?,
        review: row.optional_bytes(10)?,
        created_at: row.optional_int(11)?.map(Time::from_millis),
    };
    Ok((customer, row.optional_bytes(12)?))
}

/// Bits that one endorsement takes in the column `endorsements`.
const BITS: usize = 4;

/// The statuses in one number, four bits for each endorsement: 0 where it was
/// not requested, else one more than the status's place in the list of all.
pub(crate) fn pack(endorsements: Endorsements) -> i64 {
    let bits = |(place, status): (usize, Option<EndorsementStatus>)| {
        status.map_or(0, |status| (status as i64 + 1) << (BITS * place))
    };
    endorsements.into_iter().enumerate().map(bits).sum()
}

fn unpack(packed: i64) -> Result<Endorsements> {
    let mut endorsements = Endorsements::default();
    for (place, slot) in endorsements.iter_mut().enumerate() {
        *slot = match (packed >> (BITS * place)) & 0xf {
            0 => None,
            number => Some(
                usize::try_from(number - 1)
                    .ok()
                    .and_then(|place| EndorsementStatus::ALL.get(place).copied())
                    .ok_or_else(|| Error::internal("an unknown endorsement status is stored"))?,
            ),
        };
    }
    Ok(endorsements)
}

/// The bits of one endorsement, and what they are in a status.
fn mask(name: EndorsementName, status: Option<EndorsementStatus>) -> (i64, Option<i64>) {
    let shift = BITS * name as usize;
    (
        0xf << shift,
        status.map(|status| (status as i64 + 1) << shift),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_endorsements_unpack() {
        for status in EndorsementStatus::ALL {
            let endorsements = [Some(status), None, Some(EndorsementStatus::Active)];
            let packed = pack(endorsements);
            assert_eq!(unpack(packed).unwrap(), endorsements);
            let (bits, wanted) = mask(EndorsementName::Basic, Some(status));
            assert_eq!(Some(packed & bits), wanted);
            let (bits, _) = mask(EndorsementName::CryptoCustody, None);
            assert_eq!(packed & bits, 0);
        }
        assert!(unpack(0xf).is_err());
    }
}
