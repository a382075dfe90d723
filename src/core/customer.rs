//! What is known of a customer, in two documents that are sealed apart: the
//! profile, which answers return, and the identity, which no answer shows.

use zeroize::Zeroizing;

use super::address::{AddressPatch, ResidentialAddress};
use super::birth_date::BirthDate;
pub use super::change::Change;
use super::country::Country;
use super::email::Email;
use super::endorsement::EndorsementSet;
use super::external_id::ExternalId;
use super::id_document::IdDocument;
use super::ip_address::IpAddress;
use super::metadata::{Metadata, MetadataPatch};
use super::name::PersonName;
use super::phone::Phone;
use super::stored;
use crate::error::{FieldError, Result};

/// The personal data that answers return.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Given name.
    pub first_name: Option<PersonName>,
    /// Middle name.
    pub middle_name: Option<PersonName>,
    /// Family name.
    pub last_name: Option<PersonName>,
    /// Mailbox address.
    pub email: Option<Email>,
    /// Telephone number.
    pub phone: Option<Phone>,
    /// Nationality.
    pub nationality: Option<Country>,
    /// The caller's own id.
    pub external_id: Option<ExternalId>,
    /// The caller's own data.
    pub metadata: Metadata,
}

impl Profile {
    /// The bytes to seal: compact JSON in which absent fields take no room.
    #[must_use]
    pub fn to_sealable(&self) -> Zeroizing<Vec<u8>> {
        stored::write_profile(self)
    }

    /// Reads what [`Profile::to_sealable`] wrote, without validating it again.
    pub fn from_opened(bytes: &[u8]) -> Result<Self> {
        stored::read_profile(bytes)
    }
}

/// The personal data that enters and is never returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Day of birth.
    pub birth_date: Option<BirthDate>,
    /// The address the customer came from.
    pub ip_address: Option<IpAddress>,
    /// Where the customer lives.
    pub residential_address: Option<ResidentialAddress>,
    /// Documents, at most ten, unique by type and country.
    pub documents: Vec<IdDocument>,
}

impl Identity {
    /// The bytes to seal: compact JSON in which absent fields take no room.
    #[must_use]
    pub fn to_sealable(&self) -> Zeroizing<Vec<u8>> {
        stored::write_identity(self)
    }

    /// Reads what [`Identity::to_sealable`] wrote, without validating it again.
    pub fn from_opened(bytes: &[u8]) -> Result<Self> {
        stored::read_identity(bytes)
    }
}

/// A customer to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewCustomer {
    /// What answers return.
    pub profile: Profile,
    /// What no answer shows.
    pub identity: Identity,
    /// Whether the agreement is signed already.
    pub signed_agreement: bool,
    /// The endorsements requested, `basic` included where it is needed.
    pub endorsements: EndorsementSet,
}

/// A partial update of a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerPatch {
    /// Given name.
    pub first_name: Change<PersonName>,
    /// Middle name.
    pub middle_name: Change<PersonName>,
    /// Family name.
    pub last_name: Change<PersonName>,
    /// Mailbox address.
    pub email: Change<Email>,
    /// Telephone number.
    pub phone: Change<Phone>,
    /// Nationality.
    pub nationality: Change<Country>,
    /// The caller's own id.
    pub external_id: Change<ExternalId>,
    /// The caller's own data, merged by key.
    pub metadata: Change<MetadataPatch>,
    /// Day of birth.
    pub birth_date: Change<BirthDate>,
    /// The address the customer came from.
    pub ip_address: Change<IpAddress>,
    /// Where the customer lives, merged by part.
    pub residential_address: Change<AddressPatch>,
    /// Documents, replaced whole.
    pub documents: Change<Vec<IdDocument>>,
    /// Whether the agreement is signed; not applied to the documents.
    pub signed_agreement: Option<bool>,
    /// The endorsements named, before any brings `basic`; not applied to the documents.
    pub endorsements: Option<EndorsementSet>,
}

impl CustomerPatch {
    /// Applies the patch to both documents and returns the wire names of the
    /// fields whose value is another one now. A write-only field that the patch names
    /// counts as changed whatever it was, so that nobody can test a guess. When the whole
    /// would be invalid, nothing is applied.
    pub fn apply(
        self,
        profile: &mut Profile,
        identity: &mut Identity,
    ) -> Result<Vec<&'static str>, Vec<FieldError>> {
        let named = [
            !self.birth_date.is_keep(),
            !self.ip_address.is_keep(),
            !self.residential_address.is_keep(),
            !self.documents.is_keep(),
        ];
        let mut wrong = Vec::new();
        let address = merge_address(self.residential_address, identity, &mut wrong);
        let metadata = merge_metadata(self.metadata, profile, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let documents = match self.documents {
            Change::Keep => identity.documents.clone(),
            Change::Clear => Vec::new(),
            Change::Set(documents) => documents,
        };
        let changes = [
            (
                "firstName",
                self.first_name.apply_to(&mut profile.first_name),
            ),
            (
                "middleName",
                self.middle_name.apply_to(&mut profile.middle_name),
            ),
            ("lastName", self.last_name.apply_to(&mut profile.last_name)),
            ("email", self.email.apply_to(&mut profile.email)),
            ("phone", self.phone.apply_to(&mut profile.phone)),
            (
                "birthDate",
                self.birth_date.apply_to(&mut identity.birth_date) | named[0],
            ),
            (
                "nationality",
                self.nationality.apply_to(&mut profile.nationality),
            ),
            (
                "ipAddress",
                self.ip_address.apply_to(&mut identity.ip_address) | named[1],
            ),
            (
                "externalId",
                self.external_id.apply_to(&mut profile.external_id),
            ),
            (
                "residentialAddress",
                replace(&mut identity.residential_address, address) | named[2],
            ),
            (
                "identifyingInformation",
                replace(&mut identity.documents, documents) | named[3],
            ),
            ("metadata", replace(&mut profile.metadata, metadata)),
        ];
        Ok(changes
            .into_iter()
            .filter_map(|(name, changed)| changed.then_some(name))
            .collect())
    }
}

fn merge_address(
    change: Change<AddressPatch>,
    identity: &Identity,
    wrong: &mut Vec<FieldError>,
) -> Option<ResidentialAddress> {
    let address = identity.residential_address.as_ref();
    match change {
        Change::Keep => address.cloned(),
        Change::Clear => None,
        Change::Set(patch) => ResidentialAddress::merged(address, patch).unwrap_or_else(|errors| {
            wrong.extend(
                errors
                    .into_iter()
                    .map(|error| error.below("/residentialAddress")),
            );
            None
        }),
    }
}

fn merge_metadata(
    change: Change<MetadataPatch>,
    profile: &Profile,
    wrong: &mut Vec<FieldError>,
) -> Metadata {
    match change {
        Change::Keep => profile.metadata.clone(),
        Change::Clear => Metadata::default(),
        Change::Set(patch) => profile.metadata.merged(patch).unwrap_or_else(|invalid| {
            wrong.push(invalid.at("/metadata"));
            Metadata::default()
        }),
    }
}

/// Puts a value in place; says whether it is another one.
fn replace<T: PartialEq>(slot: &mut T, next: T) -> bool {
    let differs = *slot != next;
    *slot = next;
    differs
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::address::AddressText;
    use crate::core::id_document::DocumentType;
    use crate::error::FieldCode;

    const WRITE_ONLY: [&str; 4] = [
        "birthDate",
        "ipAddress",
        "residentialAddress",
        "identifyingInformation",
    ];

    /// Absent, null or one of two values.
    fn change<T: Clone + std::fmt::Debug + 'static>(
        one: T,
        other: T,
    ) -> impl Strategy<Value = Change<T>> {
        prop_oneof![
            2 => Just(Change::Keep),
            1 => Just(Change::Clear),
            1 => Just(Change::Set(one)),
            1 => Just(Change::Set(other)),
        ]
    }

    fn name(text: &str) -> PersonName {
        PersonName::parse(text).expect("a name")
    }

    fn place(text: &str) -> AddressText {
        AddressText::parse_place(text).expect("a place")
    }

    fn country(code: &str) -> Country {
        Country::parse(code).expect("a country")
    }

    fn document(number: &str) -> IdDocument {
        IdDocument::new(DocumentType::Passport, country("DE"), number).expect("a passport")
    }

    fn metadata_patch(value: &serde_json::Value) -> MetadataPatch {
        MetadataPatch::parse(value.as_object().expect("an object")).expect("valid")
    }

    fn born(text: &str) -> BirthDate {
        BirthDate::parse(text, date(2025, 3, 1)).expect("a day")
    }

    fn address_patch() -> impl Strategy<Value = AddressPatch> {
        let places = (
            change(place("Ohio"), place("OH")),
            change(country("US"), country("DE")),
            change(place("Berlin"), place("Akron \"O\"")),
        );
        places.prop_map(|(state, country, city)| AddressPatch {
            city,
            state,
            country,
            ..AddressPatch::default()
        })
    }

    fn patch() -> impl Strategy<Value = CustomerPatch> {
        let profile = (
            change(name("Ada"), name("Željko")),
            change(name("King"), name("O'Brien")),
            change(
                Email::parse("a@b.example").expect("email"),
                Email::parse("c@d.example").expect("email"),
            ),
            change(country("US"), country("DE")),
            change(
                metadata_patch(&json!({"a": 1, "b": null})),
                metadata_patch(&json!({"b": "\"x\\\n", "c": 0.1})),
            ),
        );
        let address = prop_oneof![
            Just(Change::Keep),
            Just(Change::Clear),
            address_patch().prop_map(Change::Set),
        ];
        let identity = (
            change(born("1990-05-15"), born("1896-02-29")),
            address,
            change(vec![document("C01X00T47")], vec![]),
        );
        (profile, identity).prop_map(|(profile, identity)| CustomerPatch {
            first_name: profile.0,
            last_name: profile.1,
            email: profile.2,
            nationality: profile.3,
            metadata: profile.4,
            birth_date: identity.0,
            residential_address: identity.1,
            documents: identity.2,
            ..CustomerPatch::default()
        })
    }

    proptest! {
        #[test]
        fn patching_twice_is_patching_once(first in patch(), second in patch()) {
            let (mut profile, mut identity) = (Profile::default(), Identity::default());
            let _ = first.apply(&mut profile, &mut identity);
            let before = (profile.clone(), identity.clone());
            match second.clone().apply(&mut profile, &mut identity) {
                Ok(changed) => {
                    if before != (profile.clone(), identity.clone()) {
                        prop_assert!(!changed.is_empty());
                    }
                    let once = (profile.clone(), identity.clone());
                    let named: Vec<_> = changed.into_iter().filter(|name| WRITE_ONLY.contains(name)).collect();
                    prop_assert_eq!(second.apply(&mut profile, &mut identity), Ok(named));
                    prop_assert_eq!((profile, identity), once);
                }
                Err(wrong) => {
                    prop_assert!(wrong.iter().all(|wrong| wrong.pointer == "/residentialAddress/state"));
                    prop_assert_eq!((profile, identity), before);
                }
            }
        }

        #[test]
        fn an_empty_patch_changes_nothing(first in patch()) {
            let (mut profile, mut identity) = (Profile::default(), Identity::default());
            let _ = first.apply(&mut profile, &mut identity);
            let before = (profile.clone(), identity.clone());
            let changed = CustomerPatch::default().apply(&mut profile, &mut identity);
            prop_assert_eq!(changed, Ok(vec![]));
            prop_assert_eq!((profile, identity), before);
        }

        #[test]
        fn documents_survive_their_stored_form(first in patch(), second in patch()) {
            let (mut profile, mut identity) = (Profile::default(), Identity::default());
            let _ = first.apply(&mut profile, &mut identity);
            let _ = second.apply(&mut profile, &mut identity);
            let opened = Profile::from_opened(&profile.to_sealable()).expect("stored by us");
            prop_assert_eq!(opened, profile);
            let opened = Identity::from_opened(&identity.to_sealable()).expect("stored by us");
            prop_assert_eq!(opened, identity);
        }
    }

    #[test]
    fn a_patch_names_what_really_changed() {
        let (mut profile, mut identity) = (Profile::default(), Identity::default());
        let patch = CustomerPatch {
            first_name: Change::Set(name("Ada")),
            last_name: Change::Clear,
            birth_date: Change::Set(born("1990-05-15")),
            documents: Change::Set(vec![document("C01X00T47")]),
            signed_agreement: Some(true),
            ..CustomerPatch::default()
        };
        let changed = patch.apply(&mut profile, &mut identity);
        assert_eq!(
            changed,
            Ok(vec!["firstName", "birthDate", "identifyingInformation"])
        );
    }

    #[test]
    fn a_country_that_comes_later_can_make_the_whole_invalid() {
        let (mut profile, mut identity) = (Profile::default(), Identity::default());
        let address = |patch| CustomerPatch {
            residential_address: Change::Set(patch),
            first_name: Change::Set(name("Ada")),
            ..CustomerPatch::default()
        };
        let state = AddressPatch {
            state: Change::Set(place("California")),
            ..AddressPatch::default()
        };
        address(state)
            .apply(&mut profile, &mut identity)
            .expect("lenient");
        let before = (profile.clone(), identity.clone());
        let us = AddressPatch {
            country: Change::Set(Country::US),
            ..AddressPatch::default()
        };
        let wrong = address(us)
            .apply(&mut profile, &mut identity)
            .expect_err("state");
        assert_eq!(
            (wrong[0].pointer.as_str(), wrong[0].code),
            ("/residentialAddress/state", FieldCode::StateInvalid)
        );
        assert_eq!((profile, identity), before);
    }

    #[test]
    fn debug_shows_no_value() {
        let patch = CustomerPatch {
            first_name: Change::Set(name("Ada")),
            nationality: Change::Set(country("DE")),
            birth_date: Change::Set(born("1990-05-15")),
            documents: Change::Set(vec![document("C01X00T47")]),
            metadata: Change::Set(metadata_patch(&json!({"key": "value"}))),
            ..CustomerPatch::default()
        };
        let shown = format!("{patch:?}");
        for value in ["Ada", "DE", "1990", "C01", "key", "value"] {
            assert!(!shown.contains(value), "{value} in {shown}");
        }
    }
}
