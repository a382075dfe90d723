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
pub(crate) const FIELDS: [&str; 15] = [
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
pub(crate) const ADDRESS_FIELDS: [&str; 6] =
    ["line1", "line2", "city", "state", "country", "zipCode"];

/// The fields of an entry of `identifyingInformation`.
pub(crate) const DOCUMENT_FIELDS: [&str; 3] = ["type", "issuingCountry", "number"];

/// Reads the body of `POST /customers`. Null means absent, save in metadata.
pub fn read_create(
    body: &Map<String, Value>,
    today: Date,
    unknown: UnknownFields,
) -> Result<NewCustomer> {
    let mut errors = Vec::new();
    let mut fields = Fields::new(body, &FIELDS, unknown, &mut errors);
    if matches!(fields.value("type"), Change::Keep | Change::Clear) {
        let missing = r#"is required: send "type": "individual"; no other field has to be there"#;
        fields.refuse("type", Invalid::new(FieldCode::Required, missing));
    }
    fields.parsed("type", read_type);
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
    // null would take the agreement back, like false.
    let signed_agreement = match fields.boolean("signedAgreement") {
        Change::Keep => None,
        Change::Clear => Some(false),
        Change::Set(signed) => Some(signed),
    };
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
            || {
                let message = "must be a name like usd; the rest that answers show is read-only";
                Err(Invalid::new(FieldCode::TypeInvalid, message))
            },
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;
    use crate::error::Error;

    const TODAY: Date = date(2025, 3, 1);

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn create(mut body: Value) -> Result<NewCustomer> {
        body["type"] = json!("individual");
        read_create(&object(body), TODAY, UnknownFields::Refuse)
    }

    fn update(body: Value) -> Result<CustomerPatch> {
        read_update(&object(body), TODAY, UnknownFields::Refuse)
    }

    fn pointers(error: &Error) -> Vec<&str> {
        error
            .fields()
            .iter()
            .map(|error| error.pointer.as_str())
            .collect()
    }

    /// The one error of a body.
    fn only(result: Result<impl std::fmt::Debug>) -> (String, FieldCode, String) {
        let error = result.expect_err("one wrong field");
        let [field] = error.fields() else {
            panic!("{error:?}")
        };
        (field.pointer.clone(), field.code, field.message.to_string())
    }

    fn full() -> Value {
        json!({
            "firstName": " Ada ", "middleName": "King", "lastName": "Lovelace", "email": "Ada@Example.com",
            "phone": "+14155550123", "birthDate": "1990-05-15", "nationality": "GB", "ipAddress": "203.0.113.7",
            "externalId": "user-42", "signedAgreement": true,
            "residentialAddress": {"line1": "1 Market Street", "line2": null, "city": "San Francisco",
                "state": "CA", "country": "US", "zipCode": "94105-1234"},
            "identifyingInformation": [
                {"type": "ssn", "issuingCountry": "US", "number": "123-45-6789"},
                {"type": "passport", "issuingCountry": "GB", "number": "C01X00T47"}],
            "endorsements": ["usd"], "metadata": {"plan": "gold", "none": null}
        })
    }

    #[test]
    fn a_full_body_is_read() {
        let customer = create(full()).expect("all valid");
        let name = customer.profile.first_name.as_ref().map(PersonName::expose);
        assert_eq!(name, Some("Ada"));
        assert_eq!(customer.identity.documents[0].expose_number(), "123456789");
        assert_eq!(customer.profile.metadata.expose()["none"], Value::Null);
        assert!(customer.signed_agreement);
        let names: Vec<_> = customer.endorsements.iter().collect();
        assert_eq!(names, [EndorsementName::Basic, EndorsementName::Usd]);
        let address = customer.identity.residential_address.expect("given");
        assert_eq!(address.expose().line2, None);
    }

    #[test]
    fn only_the_type_is_required_and_null_means_absent() {
        let bare = create(json!({})).expect("only the type");
        assert_eq!(bare.profile, Profile::default());
        assert_eq!(bare.identity, Identity::default());
        assert_eq!(
            (bare.signed_agreement, bare.endorsements),
            (false, EndorsementSet::ALL)
        );
        let nulls = FIELDS
            .iter()
            .skip(1)
            .map(|name| ((*name).to_owned(), Value::Null))
            .collect();
        assert_eq!(create(Value::Object(nulls)).expect("nulls"), bare);
        let none = create(json!({"endorsements": [], "residentialAddress": {}})).expect("empty");
        assert!(none.endorsements.is_empty() && none.identity.residential_address.is_none());
    }

    #[test]
    fn the_type_is_individual() {
        for (body, code) in [
            (json!({}), FieldCode::Required),
            (json!({"type": null}), FieldCode::Required),
            (json!({"type": 1}), FieldCode::TypeInvalid),
            (json!({"type": "business"}), FieldCode::ValueInvalid),
        ] {
            let told = only(read_create(&object(body), TODAY, UnknownFields::Refuse));
            assert_eq!((told.0.as_str(), told.1), ("/type", code));
        }
        let told = only(update(json!({"type": "individual"})));
        assert_eq!(
            told,
            (
                "/type".into(),
                FieldCode::Immutable,
                "type cannot be changed".into()
            )
        );
    }

    #[test]
    fn every_wrong_field_is_reported_at_once_and_no_secret_repeated() {
        let error = create(json!({
            "firstName": "", "lastName": 5, "email": "nobody", "phone": "(555) 123-4567",
            "birthDate": "06/16/1991", "nationality": "American", "ipAddress": "10.1.2", "externalId": "\t",
            "signedAgreement": "yes", "endorsements": ["gold", 1], "metadata": {"deep": {}}, "birthdate": "1991-06-16",
            "residentialAddress": {"state": "California", "country": "US", "zipCode": "9", "street": "Elm"},
            "identifyingInformation": [
                {"type": "ssn", "issuingCountry": "USA", "number": "000-98-7654"},
                {"type": "passport", "issuingCountry": "DE", "number": ""},
                {"type": "visa", "issuingCountry": "DE", "number": "", "expires": 1}, "219-09-9999"]
        }))
        .expect_err("nearly all wrong");
        let mut told = pointers(&error);
        told.sort_unstable();
        assert_eq!(
            told,
            [
                "/birthDate",
                "/birthdate",
                "/email",
                "/endorsements/0",
                "/endorsements/1",
                "/externalId",
                "/firstName",
                "/identifyingInformation/0/issuingCountry",
                "/identifyingInformation/0/number",
                "/identifyingInformation/1/number",
                "/identifyingInformation/2/expires",
                "/identifyingInformation/2/number",
                "/identifyingInformation/2/type",
                "/identifyingInformation/3",
                "/ipAddress",
                "/lastName",
                "/metadata/deep",
                "/nationality",
                "/phone",
                "/residentialAddress/state",
                "/residentialAddress/street",
                "/residentialAddress/zipCode",
                "/signedAgreement",
            ]
        );
        let said = format!("{error:?}");
        for secret in [
            "1991",
            "06/16",
            "10.1.2",
            "California",
            "Elm",
            "USA",
            "7654",
            "visa",
            "9999",
        ] {
            assert!(!said.contains(secret), "{secret}");
        }
    }

    #[test]
    fn messages_say_what_to_do() {
        for (body, part) in [
            (
                json!({"birthDate": "05/15/1990"}),
                "must be a date like 1990-05-15",
            ),
            (
                json!({"birthDate": "1990/05/15"}),
                "must be a date like 1990-05-15",
            ),
            (json!({"nationality": "American"}), "use US"),
            (json!({"nationality": "United States"}), "use US"),
            (json!({"nationality": "Germany"}), "use DE"),
            (json!({"nationality": "USA"}), "use US"),
            (json!({"nationality": "us"}), "use US"),
            (json!({"phone": "(555) 123-4567"}), "E.164"),
            (
                json!({"birthdate": "1990-05-15"}),
                "did you mean birthDate?",
            ),
            (
                json!({"residentialAddress": {"zip": "1", "zipcode": "94105"}, "x": 1}),
                "did you mean zipCode?",
            ),
            (
                json!({"residentialAddress": {"country": "US", "state": "California"}}),
                "USPS code",
            ),
            (json!({"residentialAddress": {"country": "USA"}}), "like US"),
            (json!({"address": {}}), "did you mean residentialAddress?"),
            (json!({"dob": "1990-05-15"}), "did you mean birthDate?"),
            (json!({"id": "cst_1"}), "is read-only; leave it out"),
            (
                json!({"identifyingInformation": [{"type": "passport", "issuingCountry": "US", "number": ""}]}),
                "must not be empty",
            ),
        ] {
            let error = create(body).expect_err(part);
            assert!(
                error
                    .fields()
                    .iter()
                    .any(|field| field.message.contains(part)),
                "{part}: {error:?}"
            );
        }
    }

    #[test]
    fn documents_are_bounded_and_unique() {
        let passport = json!({"type": "passport", "issuingCountry": "DE", "number": "C01X00T47"});
        let told = only(create(
            json!({"identifyingInformation": [passport, passport]}),
        ));
        assert_eq!(
            (told.0.as_str(), told.1),
            ("/identifyingInformation/1", FieldCode::Duplicate)
        );
        let told = only(create(
            json!({"identifyingInformation": vec![passport; 11]}),
        ));
        assert_eq!(
            (told.0.as_str(), told.1),
            ("/identifyingInformation", FieldCode::TooLong)
        );
    }

    #[test]
    fn an_update_tells_absent_null_and_value_apart() {
        assert_eq!(
            update(json!({})).expect("nothing"),
            CustomerPatch::default()
        );
        let patch = update(json!({
            "firstName": null, "identifyingInformation": null, "metadata": null, "residentialAddress": {"line2": null},
            "signedAgreement": true, "endorsements": ["usd"]
        }))
        .expect("all valid");
        assert_eq!(patch.first_name, Change::Clear);
        assert_eq!(patch.last_name, Change::Keep);
        assert_eq!(
            (patch.documents, patch.metadata),
            (Change::Clear, Change::Clear)
        );
        let address = patch.residential_address.into_set().expect("set");
        assert_eq!((address.line2, address.city), (Change::Clear, Change::Keep));
        assert_eq!(patch.signed_agreement, Some(true));
        let named: Vec<_> = patch.endorsements.expect("named").iter().collect();
        assert_eq!(named, [EndorsementName::Usd]);
    }

    #[test]
    fn an_update_refuses_null_where_nothing_can_be_cleared() {
        let taken_back = update(json!({"signedAgreement": null})).expect("as if it were false");
        assert_eq!(taken_back.signed_agreement, Some(false));
        let error = update(json!({"endorsements": null})).expect_err("a null");
        assert_eq!(pointers(&error), ["/endorsements"]);
        assert!(
            error
                .fields()
                .iter()
                .all(|field| field.code == FieldCode::TypeInvalid)
        );
        let told = only(update(
            json!({"residentialAddress": {"country": "US", "state": "Ohio"}}),
        ));
        assert_eq!(
            (told.0.as_str(), told.1),
            ("/residentialAddress/state", FieldCode::StateInvalid)
        );
        assert!(update(json!({"residentialAddress": {"state": "Ohio"}})).is_ok());
    }

    #[test]
    fn unknown_fields_can_be_ignored() {
        let body = object(json!({"type": "individual", "x": 1, "residentialAddress": {"y": 1}}));
        assert!(read_create(&body, TODAY, UnknownFields::Ignore).is_ok());
        assert!(read_create(&body, TODAY, UnknownFields::Refuse).is_err());
    }
}
