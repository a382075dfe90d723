//! The bodies of `POST /customers` and `PATCH /customers/{customerId}`: how they
//! are read and how the `OpenAPI` document describes them.
//!
//! Every wrong field is reported at once, and no message repeats the value of a
//! write-only field.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::fields::{Fields, finish};
use crate::config::UnknownFields;
use crate::core::address::{AddressPatch, AddressText, ResidentialAddress};
use crate::core::birth_date::BirthDate;
use crate::core::change::Change;
use crate::core::country::Country;
use crate::core::customer::{CustomerPatch, Identity, NewCustomer, Profile};
use crate::core::email::Email;
use crate::core::endorsement::{EndorsementName, EndorsementSet};
use crate::core::external_id::ExternalId;
use crate::core::id_document::{self, DocumentType, IdDocument, MAX_DOCUMENTS};
use crate::core::ip_address::IpAddress;
use crate::core::metadata::{Metadata, MetadataPatch};
use crate::core::name::PersonName;
use crate::core::phone::Phone;
use crate::error::{FieldCode, FieldError, Invalid, Result};

pub use super::customer_schema::{CreateCustomer, UpdateCustomer};

/// The only type of customer.
pub const CUSTOMER_TYPE: &str = "individual";

/// Every field of the bodies; `type` stands in that of POST only.
pub(super) const FIELDS: [&str; 15] = [
    "type",
    "firstName",
    "middleName",
    "lastName",
    "email",
    "phone",
    "birthDate",
    "nationality",
    "ipAddress",
    "externalId",
    "signedAgreement",
    "residentialAddress",
    "identifyingInformation",
    "endorsements",
    "metadata",
];

/// The fields of `residentialAddress`.
const ADDRESS_FIELDS: [&str; 6] = ["line1", "line2", "city", "state", "country", "zipCode"];

/// The fields of an entry of `identifyingInformation`.
const DOCUMENT_FIELDS: [&str; 3] = ["type", "issuingCountry", "number"];

/// Reads the body of `POST /customers`. Null means absent, save in metadata.
pub fn read_create(
    body: &Map<String, Value>,
    today: Date,
    unknown: UnknownFields,
) -> Result<NewCustomer> {
    let mut errors = Vec::new();
    let mut fields = Fields::new(body, &FIELDS, unknown, &mut errors);
    fields.required("type", read_type);
    let metadata = read_metadata(&mut fields, Metadata::parse);
    let signed_agreement = fields.boolean("signedAgreement").into_set();
    let endorsements = read_endorsements(&mut fields).into_set();
    let patch = read_personal(&mut fields, today);
    let (mut profile, mut identity) = (Profile::default(), Identity::default());
    if let Err(wrong) = patch.apply(&mut profile, &mut identity) {
        errors.extend(wrong);
    }
    profile.metadata = metadata.into_set().unwrap_or_default();
    let customer = NewCustomer {
        profile,
        identity,
        signed_agreement: signed_agreement.unwrap_or(false),
        endorsements: EndorsementSet::requested(endorsements.as_deref()),
    };
    finish(customer, errors)
}

/// Reads the body of `PATCH /customers/{customerId}`: absent keeps, null clears.
pub fn read_update(
    body: &Map<String, Value>,
    today: Date,
    unknown: UnknownFields,
) -> Result<CustomerPatch> {
    let mut errors = Vec::new();
    let mut fields = Fields::new(body, &FIELDS, unknown, &mut errors);
    if body.contains_key("type") {
        fields.refuse(
            "type",
            Invalid::new(FieldCode::Immutable, "type cannot be changed"),
        );
    }
    let metadata = read_metadata(&mut fields, MetadataPatch::parse);
    let signed_agreement = fields.boolean("signedAgreement");
    let signed_agreement = not_null(
        &mut fields,
        "signedAgreement",
        signed_agreement,
        "must be true or false",
    );
    let endorsements = read_endorsements(&mut fields);
    let endorsements = not_null(
        &mut fields,
        "endorsements",
        endorsements,
        "must be an array",
    );
    let patch = CustomerPatch {
        metadata,
        signed_agreement,
        endorsements: endorsements.map(|names| names.into_iter().collect()),
        ..read_personal(&mut fields, today)
    };
    // What cannot hold whatever is stored is told with the rest.
    if let Change::Set(address) = &patch.residential_address
        && let Err(wrong) = ResidentialAddress::merged(None, address.clone())
    {
        fields.refuse_below("residentialAddress", wrong);
    }
    finish(patch, errors)
}

fn read_type(text: &str) -> Result<(), Invalid> {
    if text == CUSTOMER_TYPE {
        return Ok(());
    }
    Err(Invalid::new(
        FieldCode::ValueInvalid,
        "must be \"individual\"",
    ))
}

/// Reads what both bodies have in common and treat alike.
fn read_personal(fields: &mut Fields<'_, '_>, today: Date) -> CustomerPatch {
    CustomerPatch {
        first_name: fields.parsed("firstName", PersonName::parse),
        middle_name: fields.parsed("middleName", PersonName::parse),
        last_name: fields.parsed("lastName", PersonName::parse),
        email: fields.parsed("email", Email::parse),
        phone: fields.parsed("phone", Phone::parse),
        birth_date: fields.parsed("birthDate", |text| BirthDate::parse(text, today)),
        nationality: fields.parsed("nationality", Country::parse_nationality),
        ip_address: fields.parsed("ipAddress", IpAddress::parse),
        external_id: fields.parsed("externalId", ExternalId::parse),
        residential_address: read_address(fields),
        documents: read_documents(fields),
        ..CustomerPatch::default()
    }
}

/// A value or nothing, where null is refused.
fn not_null<T>(
    fields: &mut Fields<'_, '_>,
    name: &str,
    change: Change<T>,
    otherwise: &'static str,
) -> Option<T> {
    if matches!(change, Change::Clear) {
        fields.refuse(name, Invalid::new(FieldCode::TypeInvalid, otherwise));
    }
    change.into_set()
}

fn read_metadata<T>(
    fields: &mut Fields<'_, '_>,
    parse: impl FnOnce(&Map<String, Value>) -> Result<T, Vec<FieldError>>,
) -> Change<T> {
    let object = match fields.object("metadata") {
        Change::Keep => return Change::Keep,
        Change::Clear => return Change::Clear,
        Change::Set(object) => object,
    };
    parse(object).map_or_else(
        |wrong| {
            fields.refuse_below("metadata", wrong);
            Change::Keep
        },
        Change::Set,
    )
}

fn read_endorsements(fields: &mut Fields<'_, '_>) -> Change<Vec<EndorsementName>> {
    let items = match fields.array("endorsements") {
        Change::Keep => return Change::Keep,
        Change::Clear => return Change::Clear,
        Change::Set(items) => items,
    };
    let mut names = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let read = item.as_str().map_or_else(
            || Err(Invalid::new(FieldCode::TypeInvalid, "must be a string")),
            EndorsementName::parse,
        );
        match read {
            Ok(name) => names.push(name),
            Err(invalid) => fields.refuse(&format!("endorsements/{place}"), invalid),
        }
    }
    Change::Set(names)
}

fn read_address(fields: &mut Fields<'_, '_>) -> Change<AddressPatch> {
    let object = match fields.object("residentialAddress") {
        Change::Keep => return Change::Keep,
        Change::Clear => return Change::Clear,
        Change::Set(object) => object,
    };
    let mut parts = fields.nested("residentialAddress", object, &ADDRESS_FIELDS);
    Change::Set(AddressPatch {
        line1: parts.parsed("line1", AddressText::parse_line),
        line2: parts.parsed("line2", AddressText::parse_line),
        city: parts.parsed("city", AddressText::parse_place),
        state: parts.parsed("state", AddressText::parse_place),
        country: parts.parsed("country", Country::parse),
        zip_code: parts.parsed("zipCode", AddressText::parse_zip_code),
    })
}

fn read_documents(fields: &mut Fields<'_, '_>) -> Change<Vec<IdDocument>> {
    const NAME: &str = "identifyingInformation";
    let items = match fields.array(NAME) {
        Change::Keep => return Change::Keep,
        Change::Clear => return Change::Clear,
        Change::Set(items) => items,
    };
    if items.len() > MAX_DOCUMENTS {
        let message = format!("must have at most {MAX_DOCUMENTS} entries");
        fields.refuse(NAME, Invalid::new(FieldCode::TooLong, message));
        return Change::Keep;
    }
    let mut documents = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let path = format!("{NAME}/{place}");
        if let Some(object) = item.as_object() {
            let mut entry = fields.nested(&path, object, &DOCUMENT_FIELDS);
            documents.extend(read_document(&mut entry).map(|document| (place, document)));
        } else {
            fields.refuse(
                &path,
                Invalid::new(FieldCode::TypeInvalid, "must be an object"),
            );
        }
    }
    fields.refuse_below(NAME, id_document::check_unique(&documents));
    Change::Set(
        documents
            .into_iter()
            .map(|(_, document)| document)
            .collect(),
    )
}

fn read_document(entry: &mut Fields<'_, '_>) -> Option<IdDocument> {
    let kind = entry.required("type", DocumentType::parse);
    let country = entry.required("issuingCountry", Country::parse);
    let number = entry.required_text("number")?;
    match (kind, country) {
        (Some(kind), Some(country)) => IdDocument::new(kind, country, number)
            .map_err(|wrong| entry.refuse_below("", wrong))
            .ok(),
        (Some(kind), None) => {
            if let Err(invalid) = IdDocument::check_number(kind, number) {
                entry.refuse("number", invalid);
            }
            None
        }
        (None, _) => {
            if number.is_empty() {
                entry.refuse(
                    "number",
                    Invalid::new(FieldCode::TooShort, "must not be empty"),
                );
            }
            None
        }
    }
}
