//! What ties a customer's row together: the sealed profile opens only with the version, the
//! status, the times and the endorsements that stand beside it in the clear, and with the very
//! identity and review that were stored with it. So an intruder who can write the database but
//! has no keys alters none of them, and mixes no two versions of a customer.

use super::customer::Profile;
use crate::context::{Random, Time};
use crate::error::{Error, Result};
use crate::store::customer::{CustomerRow, pack};
use crate::vault::{Place, SealingKey, tag};

/// Bytes of numbers that a profile is bound to: six of eight bytes.
const NUMBERS: usize = 48;

/// Where the profile of a customer is at home.
const fn place(row: &CustomerRow) -> Place<'_> {
    Place {
        project: row.project,
        row: row.id.as_bytes(),
        field: "customers.profile",
    }
}

/// What the profile is bound to. Numbers have a fixed length and tags a length before them,
/// so no two rows give the same bytes.
fn others(row: &CustomerRow) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NUMBERS + 64);
    let signed_at = row.signed_at.map_or(0, Time::as_millis);
    for number in [
        row.version,
        row.status as i64,
        i64::from(row.signed_at.is_some()),
        signed_at,
        row.updated_at.as_millis(),
        pack(row.endorsements),
    ] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    for sealed in [Some(&row.identity), row.review.as_ref()] {
        let tag = sealed.map_or(&[][..], |sealed| tag(sealed));
        bytes.extend_from_slice(&(tag.len() as u64).to_be_bytes());
        bytes.extend_from_slice(tag);
    }
    if let Some(created_at) = row.created_at {
        bytes.extend_from_slice(&created_at.as_millis().to_be_bytes());
    }
    bytes
}

/// Seals the profile into its row: the last thing that is done to a row before it is stored.
pub fn seal_profile(row: &mut CustomerRow, profile: &Profile, key: &SealingKey, random: &Random) {
    let (place, others) = (place(row), others(row));
    row.profile = key.seal_bound(place, &others, &profile.to_sealable(), random);
}

/// Opens the profile of a row that is as it was stored.
///
/// # Errors
/// `internalError`, which names the customer, when anything in the row was altered.
pub fn open_profile(row: &CustomerRow, key: &SealingKey) -> Result<Profile> {
    let opened = key.open_bound(place(row), &others(row), &row.profile);
    Profile::from_opened(&opened.map_err(|cause| altered(row, &cause))?)
}

/// Opens the profile of a row that a version before this one stored, bound to nothing.
///
/// # Errors
/// As [`open_profile`].
pub fn open_unbound(row: &CustomerRow, key: &SealingKey) -> Result<Profile> {
    let opened = key.open(place(row), &row.profile);
    Profile::from_opened(&opened.map_err(|cause| altered(row, &cause))?)
}

fn altered(row: &CustomerRow, cause: &Error) -> Error {
    let (id, cause) = (row.id, cause.cause().map(ToString::to_string));
    Error::internal(format!(
        "the row of customer {id} was altered outside of oms: {}",
        cause.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::endorsement::EndorsementStatus;
    use crate::id::CustomerId;
    use crate::store::customer::Status;

    #[test]
    fn a_row_opens_only_as_it_was_stored() {
        let random = Random::seeded(1);
        let key = SealingKey::new(7, &random.bytes());
        let mut row = CustomerRow {
            project: 1,
            id: CustomerId::from_bytes([1; 16]),
            created_at: None,
            version: 2,
            status: Status::Active,
            signed_at: None,
            updated_at: Time::from_millis(5),
            data_key: 7,
            endorsements: [None; 3],
            profile: Vec::new(),
            identity: vec![1; 40],
            review: None,
        };
        seal_profile(&mut row, &Profile::default(), &key, &random);
        assert!(open_profile(&row, &key).is_ok() && open_unbound(&row, &key).is_err());
        let alter: [fn(&mut CustomerRow); 10] = [
            |row| row.project = 2,
            |row| row.id = CustomerId::from_bytes([2; 16]),
            |row| row.created_at = Some(Time::from_millis(1)),
            |row| row.version = 3,
            |row| row.status = Status::Inactive,
            |row| row.signed_at = Some(Time::from_millis(0)),
            |row| row.updated_at = Time::from_millis(6),
            |row| row.endorsements[2] = Some(EndorsementStatus::Active),
            |row| row.identity[39] = 2,
            |row| row.review = Some(vec![1; 40]),
        ];
        for (number, alter) in alter.iter().enumerate() {
            let mut altered = row.clone();
            alter(&mut altered);
            let refused = open_profile(&altered, &key).expect_err("it was altered");
            let cause = refused.cause().map(ToString::to_string).unwrap_or_default();
            assert!(cause.contains(&altered.id.to_string()), "{number}: {cause}");
        }
    }
}
