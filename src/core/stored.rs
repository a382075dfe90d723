//! The stored form of the two documents of a customer: compact JSON with the
//! wire's field names. The only place beside the answers that exposes personal
//! data; what it writes leaves it only to be sealed.

use std::io;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use super::address::{AddressParts, AddressText, ResidentialAddress};
use super::birth_date::BirthDate;
use super::country::Country;
use super::customer::{Identity, Profile};
use super::email::Email;
use super::external_id::ExternalId;
use super::id_document::{DocumentType, IdDocument};
use super::ip_address::IpAddress;
use super::metadata::Metadata;
use super::name::PersonName;
use super::phone::Phone;
use crate::error::{Error, Result};

/// Room for most documents without growing.
const FIRST_CAPACITY: usize = 512;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    middle_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nationality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileIn<'a> {
    first_name: Option<Box<str>>,
    middle_name: Option<Box<str>>,
    last_name: Option<Box<str>>,
    email: Option<Box<str>>,
    phone: Option<Box<str>>,
    nationality: Option<&'a str>,
    external_id: Option<Box<str>>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

pub(super) fn write_profile(profile: &Profile) -> Zeroizing<Vec<u8>> {
    write(&profile_out(profile))
}

fn profile_out(profile: &Profile) -> ProfileOut<'_> {
    ProfileOut {
        first_name: profile.first_name.as_ref().map(PersonName::expose),
        middle_name: profile.middle_name.as_ref().map(PersonName::expose),
        last_name: profile.last_name.as_ref().map(PersonName::expose),
        email: profile.email.as_ref().map(Email::expose),
        phone: profile.phone.as_ref().map(Phone::expose),
        nationality: profile.nationality.map(Country::code),
        external_id: profile.external_id.as_ref().map(ExternalId::expose),
        metadata: profile.metadata.expose(),
    }
}

pub(super) fn read_profile(bytes: &[u8]) -> Result<Profile> {
    let stored: ProfileIn<'_> = read(bytes)?;
    Ok(Profile {
        first_name: stored.first_name.map(PersonName::trusted),
        middle_name: stored.middle_name.map(PersonName::trusted),
        last_name: stored.last_name.map(PersonName::trusted),
        email: stored.email.map(Email::trusted),
        phone: stored.phone.map(Phone::trusted),
        nationality: stored.nationality.map(country).transpose()?,
        external_id: stored.external_id.map(ExternalId::trusted),
        metadata: Metadata::trusted(stored.metadata),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IdentityOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    birth_date: Option<Wiped<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residential_address: Option<AddressOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identifying_information: Vec<DocumentOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AddressOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line1: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line2: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip_code: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentOut<'a> {
    r#type: &'a str,
    issuing_country: &'a str,
    number: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityIn<'a> {
    birth_date: Option<&'a str>,
    ip_address: Option<Box<str>>,
    #[serde(borrow)]
    residential_address: Option<AddressIn<'a>>,
    #[serde(borrow, default)]
    identifying_information: Vec<DocumentIn<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddressIn<'a> {
    line1: Option<Box<str>>,
    line2: Option<Box<str>>,
    city: Option<Box<str>>,
    state: Option<Box<str>>,
    country: Option<&'a str>,
    zip_code: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentIn<'a> {
    r#type: &'a str,
    issuing_country: &'a str,
    number: Box<str>,
}

pub(super) fn write_identity(identity: &Identity) -> Zeroizing<Vec<u8>> {
    write(&identity_out(identity))
}

fn identity_out(identity: &Identity) -> IdentityOut<'_> {
    let address = identity.residential_address.as_ref().map(|address| {
        let parts = address.expose();
        AddressOut {
            line1: parts.line1.as_ref().map(AddressText::expose),
            line2: parts.line2.as_ref().map(AddressText::expose),
            city: parts.city.as_ref().map(AddressText::expose),
            state: parts.state.as_ref().map(AddressText::expose),
            country: parts.country.map(Country::code),
            zip_code: parts.zip_code.as_ref().map(AddressText::expose),
        }
    });
    let documents = identity.documents.iter().map(|document| DocumentOut {
        r#type: document.kind().name(),
        issuing_country: document.issuing_country().code(),
        number: document.expose_number(),
    });
    let birth_date = identity.birth_date.as_ref();
    IdentityOut {
        birth_date: birth_date.map(|date| Wiped(Zeroizing::new(date.expose()))),
        ip_address: identity.ip_address.as_ref().map(IpAddress::expose),
        residential_address: address,
        identifying_information: documents.collect(),
    }
}

/// What is told of a customer to whoever verifies the identity: what the request to make
/// the customer would say, without what is the caller's own.
#[derive(Serialize)]
pub(super) struct PersonOut<'a> {
    #[serde(flatten)]
    profile: ProfileOut<'a>,
    #[serde(flatten)]
    identity: IdentityOut<'a>,
}

impl<'a> PersonOut<'a> {
    pub(super) fn of(profile: &'a Profile, identity: &'a Identity) -> Self {
        static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        Self {
            profile: ProfileOut {
                external_id: None,
                metadata: &NOTHING,
                ..profile_out(profile)
            },
            identity: identity_out(identity),
        }
    }
}

pub(super) fn read_identity(bytes: &[u8]) -> Result<Identity> {
    let stored: IdentityIn<'_> = read(bytes)?;
    let birth_date = stored
        .birth_date
        .map(|text| BirthDate::trusted(text).ok_or_else(unreadable));
    Ok(Identity {
        birth_date: birth_date.transpose()?,
        ip_address: stored.ip_address.map(IpAddress::trusted),
        residential_address: stored.residential_address.map(address).transpose()?,
        documents: stored
            .identifying_information
            .into_iter()
            .map(document)
            .collect::<Result<_>>()?,
    })
}

fn address(stored: AddressIn<'_>) -> Result<ResidentialAddress> {
    Ok(ResidentialAddress::trusted(AddressParts {
        line1: stored.line1.map(AddressText::trusted),
        line2: stored.line2.map(AddressText::trusted),
        city: stored.city.map(AddressText::trusted),
        state: stored.state.map(AddressText::trusted),
        country: stored.country.map(country).transpose()?,
        zip_code: stored.zip_code.map(AddressText::trusted),
    }))
}

fn document(stored: DocumentIn<'_>) -> Result<IdDocument> {
    let kind = DocumentType::named(stored.r#type).ok_or_else(unreadable)?;
    Ok(IdDocument::trusted(
        kind,
        country(stored.issuing_country)?,
        stored.number,
    ))
}

fn country(code: &str) -> Result<Country> {
    Country::assigned(code).ok_or_else(unreadable)
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    // The decoder's own words may quote what they stumbled over.
    serde_json::from_slice(bytes).map_err(|_| unreadable())
}

fn unreadable() -> Error {
    Error::internal("a stored document of a customer does not decode")
}

/// The JSON of what may hold personal data.
pub(super) fn write<T: Serialize>(document: &T) -> Zeroizing<Vec<u8>> {
    let mut out = Wiped(Zeroizing::new(Vec::with_capacity(FIRST_CAPACITY)));
    serde_json::to_writer(&mut out, document)
        .expect("maps have text keys and memory takes every byte");
    out.0
}

/// What is wiped when it is dropped; a buffer leaves no copy of itself behind when it grows.
struct Wiped<T: Zeroize>(Zeroizing<T>);

impl Serialize for Wiped<String> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.0)
    }
}

impl io::Write for Wiped<Vec<u8>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.0.len() + bytes.len();
        if length > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn absent_fields_take_no_bytes() {
        assert_eq!(write_profile(&Profile::default()).as_slice(), b"{}");
        assert_eq!(write_identity(&Identity::default()).as_slice(), b"{}");
        assert_eq!(read_profile(b"{}").expect("empty"), Profile::default());
        assert_eq!(read_identity(b"{}").expect("empty"), Identity::default());
    }

    #[test]
    fn what_does_not_decode_is_a_fault_that_quotes_nothing() {
        for bytes in [
            &b"{\"nationality\":\"Secret\"}"[..],
            b"{\"firstName\":5}",
            b"secret",
            b"\xff",
        ] {
            let fault = format!("{:?}", read_profile(bytes).expect_err("not stored by us"));
            assert!(!fault.contains("ecret"), "{fault}");
        }
        assert!(read_identity(b"{\"birthDate\":\"1990-02-30\"}").is_err());
    }

    #[test]
    fn a_growing_buffer_keeps_what_it_has() {
        let mut buffer = Wiped(Zeroizing::new(Vec::new()));
        for byte in 0..200 {
            buffer.write_all(&[byte; 7]).expect("memory");
        }
        assert_eq!(buffer.0.len(), 1400);
        assert!(
            buffer
                .0
                .chunks(7)
                .zip(0u8..)
                .all(|(chunk, byte)| chunk == [byte; 7])
        );
    }
}
