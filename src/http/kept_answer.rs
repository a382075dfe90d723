//! Kept answers in little room: most of an answer is names of fields, the same in every
//! one. Packed before it is sealed, so that what lies on the disk still tells only a length.

use lz4_flex::block::{compress_with_dict, decompress_with_dict};

use crate::error::{Error, Result};

/// The first byte of what was packed with [`DICTIONARY`]. An answer of before begins with
/// its own `{` and was kept as it was.
const PACKED: u8 = 1;

/// Bytes of the longest answer; one that claims more is damaged.
const LONGEST: usize = 4 << 20;

/// What answers are made of. Never edited: what was packed with it opens with nothing else.
/// Another one gets another first byte.
const DICTIONARY: &[u8] = br#""PENDING""ISSUES""REJECTED""REVOKED_ISSUES""OFFBOARDED""status":"inactive","signedAgreement":false,"signedAgreementAt":null,"firstName":null,"lastName":null,"email":null,"phone":null,"externalId":null,{"developerReason":"","reason":""}"firstName","lastName","email|phone","birthDate","nationality","residentialAddress.line1","residentialAddress.city","residentialAddress.state","residentialAddress.zipCode","residentialAddress.country","signedAgreement","minimumAge","geoCheck","sanctionsScreening","basic","identifyingInformation","identityVerification","identifyingInformation.ssn|identifyingInformation.itin","status":"INACTIVE","rejectionReasons":[],"requirements":{"complete":[],"pending":[],"missing":["{"id":"cst_01m","object":"customer","type":"individual","firstName":"","middleName":null,"lastName":"","email":"@example.com","phone":"+1","nationality":"US","externalId":"","status":"active","signedAgreement":true,"signedAgreementAt":"202","wallets":[],"endorsements":[{"name":"basic","status":"ACTIVE","rejectionReasons":[],"requirements":{"complete":[],"pending":[],"missing":[],"issues":[]}},{"name":"cryptoCustody","status":"ACTIVE","rejectionReasons":[],"requirements":{"complete":[],"pending":[],"missing":[],"issues":[]}},{"name":"usd","status":"ACTIVE","rejectionReasons":[],"requirements":{"complete":[],"pending":[],"missing":[],"issues":[]}}],"metadata":{"":""},"createdAt":"2026-","updatedAt":"2026-""#;

/// Packs an answer.
pub(super) fn pack(answer: &[u8]) -> Vec<u8> {
    let packed = compress_with_dict(answer, DICTIONARY);
    let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
    [&[PACKED], &length.to_be_bytes()[..], &packed].concat()
}

/// The answer as it was packed.
///
/// # Errors
/// When it is damaged.
pub(super) fn unpack(kept: &[u8]) -> Result<Vec<u8>> {
    let damaged = || Error::internal("a kept answer is damaged");
    let Some((&PACKED, rest)) = kept.split_first() else {
        return Ok(kept.to_vec());
    };
    let (length, packed) = rest.split_first_chunk().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(Error::internal)?;
    if length > LONGEST {
        return Err(damaged());
    }
    let answer = decompress_with_dict(packed, length, DICTIONARY).map_err(|_| damaged())?;
    (answer.len() == length)
        .then_some(answer)
        .ok_or_else(damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::examples;
    use super::*;
    use crate::store::customer::Status;

    proptest! {
        #[test]
        fn what_is_packed_unpacks(answer in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(unpack(&pack(&answer)).unwrap(), answer);
        }

        #[test]
        fn what_is_damaged_is_an_error_or_something_else(
            mut kept in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            kept.insert(0, PACKED);
            let _ = unpack(&kept);
        }
    }

    #[test]
    fn an_answer_of_before_is_as_it_was() {
        assert_eq!(unpack(b"{\"id\":1}").unwrap(), b"{\"id\":1}");
    }

    #[test]
    fn a_customer_takes_less_than_half() {
        let answer = examples::customer(Status::Active).to_string();
        let packed = pack(answer.as_bytes()).len();
        assert!(packed * 2 < answer.len(), "{packed} of {}", answer.len());
    }
}
