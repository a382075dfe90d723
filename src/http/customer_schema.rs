//! The bodies of customers as the `OpenAPI` document shows them, put together
//! from the schemas of the domain types.

use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::customer_body::CUSTOMER_TYPE;
use super::examples::create_customer;
use crate::core::address::ResidentialAddress;
use crate::core::birth_date::BirthDate;
use crate::core::country::Country;
use crate::core::email::Email;
use crate::core::endorsement::EndorsementName;
use crate::core::external_id::ExternalId;
use crate::core::id_document::{self, MAX_DOCUMENTS};
use crate::core::ip_address::IpAddress;
use crate::core::metadata::Metadata;
use crate::core::name::PersonName;
use crate::core::phone::Phone;

type Node = RefOr<Schema>;

/// The body of `POST /customers`.
#[derive(Debug)]
pub struct CreateCustomer;

/// The body of `PATCH /customers/{customerId}`.
#[derive(Debug)]
pub struct UpdateCustomer;

impl PartialSchema for CreateCustomer {
    fn schema() -> Node {
        let kind = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The type of customer."))
            .enum_values(Some([CUSTOMER_TYPE]));
        let agreement = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some(
                "Whether the customer has signed the agreement, false when absent; once true it stays.",
            ));
        personal_fields(ObjectBuilder::new())
            .description(Some(
                "A new customer. Only `type` is required; null means absent. What is missing may come later.",
            ))
            .property("type", kind)
            .required("type")
            .property("signedAgreement", nullable(agreement.into()))
            .property(
                "endorsements",
                nullable(endorsements(
                    "The endorsements to request; absent means cryptoCustody and usd. Either of these brings basic. An empty list requests none.",
                )),
            )
            .examples([create_customer()])
            .into()
    }
}

impl ToSchema for CreateCustomer {
    fn schemas(schemas: &mut Vec<(String, Node)>) {
        add_parts(schemas);
    }
}

impl PartialSchema for UpdateCustomer {
    fn schema() -> Node {
        let agreement = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some(
                "Whether the customer has signed the agreement; once true it stays.",
            ));
        personal_fields(ObjectBuilder::new())
            .description(Some(
                "Changes to a customer (RFC 7396): absent keeps, null clears. `metadata` merges by key, `residentialAddress` by part; `identifyingInformation` is replaced whole; `endorsements` adds to what was requested.",
            ))
            .property("signedAgreement", nullable(agreement.into()))
            .property(
                "endorsements",
                endorsements("Endorsements to request besides those requested before, and to evaluate again."),
            )
            .examples([json!({"lastName": "King", "metadata": {"plan": null}})])
            .into()
    }
}

impl ToSchema for UpdateCustomer {
    fn schemas(schemas: &mut Vec<(String, Node)>) {
        add_parts(schemas);
    }
}

/// The schemas that both bodies refer to by name.
fn add_parts(schemas: &mut Vec<(String, Node)>) {
    let documents = id_document::kinds();
    let any = documents.iter().map(|(name, _)| named(name)).fold(
        OneOfBuilder::new().description(Some("A number that a state gave to the customer.")),
        OneOfBuilder::item,
    );
    let parts = [
        (Country::name(), Country::schema()),
        (
            <EndorsementName as ToSchema>::name(),
            EndorsementName::schema(),
        ),
        (ADDRESS.into(), nullable_parts(ResidentialAddress::schema())),
        (METADATA.into(), Metadata::schema()),
        (DOCUMENT.into(), Schema::from(any).into()),
    ];
    schemas.extend(parts.map(|(name, schema)| (name.into_owned(), schema)));
    let documents = documents.into_iter();
    schemas.extend(documents.map(|(name, schema)| (name.to_owned(), schema)));
}

const ADDRESS: &str = "ResidentialAddress";
const METADATA: &str = "Metadata";
const DOCUMENT: &str = "IdentityDocument";

/// A reference to a schema.
fn named(name: &str) -> Node {
    Ref::from_schema_name(name).into()
}

/// The fields that both bodies have, all of which take null.
fn personal_fields(object: ObjectBuilder) -> ObjectBuilder {
    let documents = ArrayBuilder::new()
        .items(named(DOCUMENT))
        .max_items(Some(MAX_DOCUMENTS))
        .description(Some(
            "Documents, at most one of each type and issuing country.",
        ));
    object
        .property("firstName", nullable(PersonName::schema()))
        .property("middleName", nullable(PersonName::schema()))
        .property("lastName", nullable(PersonName::schema()))
        .property("email", nullable(Email::schema()))
        .property("phone", nullable(Phone::schema()))
        .property("birthDate", write_only(nullable(BirthDate::schema())))
        .property("nationality", nullable(Country::reference()))
        .property("ipAddress", write_only(nullable(IpAddress::schema())))
        .property("externalId", nullable(ExternalId::schema()))
        .property("residentialAddress", write_only(nullable(named(ADDRESS))))
        .property(
            "identifyingInformation",
            write_only(nullable(documents.into())),
        )
        .property("metadata", nullable(named(METADATA)))
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

fn endorsements(description: &str) -> Node {
    ArrayBuilder::new()
        .items(named(&<EndorsementName as ToSchema>::name()))
        .description(Some(description))
        .into()
}

/// The schema, taking null as well.
fn nullable(schema: Node) -> Node {
    let null = || ObjectBuilder::new().schema_type(Type::Null);
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Type(kind) = &object.schema_type {
                object.schema_type = SchemaType::from_iter([kind.clone(), Type::Null]);
            }
            if let Some(values) = &mut object.enum_values {
                values.push(Value::Null);
            }
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::OneOf(mut one)) => {
            one.items.push(null().into());
            RefOr::T(Schema::OneOf(one))
        }
        other => Schema::from(OneOfBuilder::new().item(other).item(null())).into(),
    }
}

/// The object's schema, each property of which takes null as well.
fn nullable_parts(schema: Node) -> Node {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.properties = object
                .properties
                .into_iter()
                .map(|(name, part)| (name, nullable(part)))
                .collect();
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

/// The schema of a field that no answer shows.
fn write_only(mut schema: Node) -> Node {
    match &mut schema {
        RefOr::T(Schema::Object(object)) => object.write_only = Some(true),
        RefOr::T(Schema::OneOf(one)) => one.write_only = Some(true),
        _ => {}
    }
    schema
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::customer_body::{FIELDS, read_create};
    use super::*;
    use crate::config::UnknownFields;

    const WRITE_ONLY: [&str; 4] = [
        "birthDate",
        "identifyingInformation",
        "ipAddress",
        "residentialAddress",
    ];

    fn shown(schema: Node) -> Value {
        serde_json::to_value(schema).expect("a schema is JSON")
    }

    #[test]
    fn the_schemas_have_the_fields_of_the_reader() {
        let (create, update) = (
            shown(CreateCustomer::schema()),
            shown(UpdateCustomer::schema()),
        );
        let names = |schema: &Value| -> Vec<String> {
            schema["properties"]
                .as_object()
                .expect("properties")
                .keys()
                .cloned()
                .collect()
        };
        let mut known = FIELDS.to_vec();
        known.sort_unstable();
        assert_eq!(names(&create), known);
        known.retain(|name| *name != "type");
        assert_eq!(names(&update), known);
        for schema in [&create, &update] {
            assert_eq!(schema["additionalProperties"], false);
            for (name, field) in schema["properties"].as_object().expect("properties") {
                assert_eq!(
                    field["writeOnly"] == true,
                    WRITE_ONLY.contains(&name.as_str()),
                    "{name}"
                );
            }
        }
        assert_eq!(create["required"], json!(["type"]));
        assert_eq!(update.get("required"), None);
    }

    #[test]
    fn null_is_taken_where_the_reader_takes_it() {
        let update = shown(UpdateCustomer::schema());
        let takes_null = |field: &Value| field.to_string().contains("\"null\"");
        for (name, field) in update["properties"].as_object().expect("properties") {
            assert_eq!(takes_null(field), name != "endorsements", "{name}");
        }
    }

    #[test]
    fn the_example_is_accepted() {
        let example = create_customer();
        let body = example.as_object().expect("an object");
        assert!(read_create(body, date(2025, 3, 1), UnknownFields::Refuse).is_ok());
    }
}
