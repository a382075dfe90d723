//! Reads the fields of a JSON object and collects every error on the way, each
//! with its RFC 6901 pointer. An error may show the name of an unknown field,
//! never a value.

use serde_json::{Map, Value};

use crate::config::UnknownFields;
use crate::core::change::Change;
use crate::error::{Error, FieldCode, FieldError, Invalid, Result};

/// The most errors that one answer names.
pub const MAX_ERRORS: usize = 100;

/// Longer names are not compared with the known ones.
const MAX_COMPARED_LENGTH: usize = 64;

/// What answers show of a resource and no body sets.
const READ_ONLY: [&str; 12] = [
    "id",
    "object",
    "type",
    "status",
    "wallets",
    "signedAgreementAt",
    "createdAt",
    "updatedAt",
    "signatureScheme",
    "disabledReason",
    "secret",
    "notes",
];

/// What other APIs call a field.
const SYNONYMS: [(&str, &[&str]); 14] = [
    ("birthDate", &["dob", "dateofbirth", "birthday", "bornon"]),
    (
        "residentialAddress",
        &[
            "address",
            "homeaddress",
            "postaladdress",
            "addr",
            "line1",
            "line2",
            "street",
            "streetaddress",
            "city",
            "town",
            "state",
            "zipcode",
            "zip",
            "postalcode",
            "postcode",
            "country",
        ],
    ),
    (
        "identifyingInformation",
        &[
            "ssn",
            "itin",
            "taxid",
            "tin",
            "documents",
            "document",
            "idnumber",
            "passport",
            "identification",
        ],
    ),
    ("firstName", &["givenname", "forename", "fname"]),
    ("lastName", &["familyname", "surname", "lname"]),
    (
        "phone",
        &["phonenumber", "mobile", "mobilenumber", "telephone", "tel"],
    ),
    ("email", &["emailaddress", "mail"]),
    ("nationality", &["citizenship"]),
    ("ipAddress", &["ip", "clientip"]),
    (
        "externalId",
        &["reference", "customerid", "userid", "clientid"],
    ),
    (
        "signedAgreement",
        &["agreement", "termsaccepted", "tosaccepted"],
    ),
    ("zipCode", &["zip", "postalcode", "postcode"]),
    (
        "line1",
        &["street", "addressline1", "street1", "streetaddress"],
    ),
    ("state", &["province", "region", "subdivision"]),
];

/// How alike two names must be for one to be proposed for the other.
const ALIKE: f64 = 0.6;

/// The fields of one object. Each read says absent ([`Change::Keep`]), null
/// ([`Change::Clear`]) or a value; a wrong one is noted and reads as absent.
#[derive(Debug)]
pub struct Fields<'a, 'e> {
    object: &'a Map<String, Value>,
    pointer: String,
    unknown: UnknownFields,
    errors: &'e mut Vec<FieldError>,
}

impl<'a, 'e> Fields<'a, 'e> {
    /// The fields of a body, of which these are known.
    pub fn new(
        object: &'a Map<String, Value>,
        known: &[&str],
        unknown: UnknownFields,
        errors: &'e mut Vec<FieldError>,
    ) -> Self {
        Self::at(String::new(), object, known, unknown, errors)
    }

    /// The fields of an object below this one, at a path such as `list/0`.
    pub fn nested(
        &mut self,
        path: &str,
        object: &'a Map<String, Value>,
        known: &[&str],
    ) -> Fields<'a, '_> {
        let pointer = format!("{}/{path}", self.pointer);
        Fields::at(pointer, object, known, self.unknown, self.errors)
    }

    fn at(
        pointer: String,
        object: &'a Map<String, Value>,
        known: &[&str],
        unknown: UnknownFields,
        errors: &'e mut Vec<FieldError>,
    ) -> Self {
        let fields = Self {
            object,
            pointer,
            unknown,
            errors,
        };
        if unknown == UnknownFields::Refuse {
            let strangers = object.keys().filter(|name| !known.contains(&name.as_str()));
            for name in strangers.take(MAX_ERRORS) {
                let pointer = format!("{}/{}", fields.pointer, escape(name));
                let read_only = fields.pointer.is_empty() && READ_ONLY.contains(&name.as_str());
                let wrong = if read_only {
                    Invalid::new(FieldCode::UnknownField, "is read-only; leave it out")
                } else {
                    unknown_field(name, known)
                };
                fields.errors.push(wrong.at(pointer));
            }
        }
        fields
    }

    /// Any value.
    #[must_use]
    pub fn value(&self, name: &str) -> Change<&'a Value> {
        match self.object.get(name) {
            None => Change::Keep,
            Some(Value::Null) => Change::Clear,
            Some(value) => Change::Set(value),
        }
    }

    /// A string.
    pub fn text(&mut self, name: &str) -> Change<&'a str> {
        self.typed(name, "must be a string", Value::as_str)
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &str) -> Change<bool> {
        self.typed(name, "must be true or false", Value::as_bool)
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Change<&'a Map<String, Value>> {
        self.typed(name, "must be an object", Value::as_object)
    }

    /// An array.
    pub fn array(&mut self, name: &str) -> Change<&'a [Value]> {
        self.typed(name, "must be an array", |value| {
            value.as_array().map(Vec::as_slice)
        })
    }

    /// A string that a constructor takes.
    pub fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Change<T> {
        match self.text(name) {
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
            Change::Set(text) => match parse(text) {
                Ok(value) => Change::Set(value),
                Err(invalid) => {
                    self.refuse(name, invalid);
                    Change::Keep
                }
            },
        }
    }

    /// A string that has to be there.
    pub fn required_text(&mut self, name: &str) -> Option<&'a str> {
        if matches!(self.value(name), Change::Keep | Change::Clear) {
            self.refuse(name, Invalid::new(FieldCode::Required, "is required"));
            return None;
        }
        self.text(name).into_set()
    }

    /// A string that has to be there and that a constructor takes.
    pub fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let text = self.required_text(name)?;
        parse(text)
            .map_err(|invalid| self.refuse(name, invalid))
            .ok()
    }

    /// Notes what is wrong at a path such as `name` or `list/0`.
    pub fn refuse(&mut self, path: &str, invalid: Invalid) {
        self.errors
            .push(invalid.at(format!("{}/{path}", self.pointer)));
    }

    /// Notes errors whose pointers begin below a path; an empty path means this object.
    pub fn refuse_below(&mut self, path: &str, errors: Vec<FieldError>) {
        let pointer = if path.is_empty() {
            self.pointer.clone()
        } else {
            format!("{}/{path}", self.pointer)
        };
        self.errors
            .extend(errors.into_iter().map(|error| error.below(&pointer)));
    }

    fn typed<T>(
        &mut self,
        name: &str,
        otherwise: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Change<T> {
        match self.value(name) {
            Change::Keep => Change::Keep,
            Change::Clear => Change::Clear,
            Change::Set(value) => read(value).map_or_else(
                || {
                    self.refuse(name, Invalid::new(FieldCode::TypeInvalid, otherwise));
                    Change::Keep
                },
                Change::Set,
            ),
        }
    }
}

/// The value, unless something was wrong with some field: then all of it, up to
/// [`MAX_ERRORS`].
pub fn finish<T>(value: T, mut errors: Vec<FieldError>) -> Result<T> {
    if errors.is_empty() {
        return Ok(value);
    }
    errors.truncate(MAX_ERRORS);
    Err(Error::invalid_fields(errors))
}

/// A name as it stands in a pointer (RFC 6901).
#[must_use]
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn unknown_field(name: &str, known: &[&str]) -> Invalid {
    let message = match nearest(name, known) {
        Some(near) => format!("unknown field; did you mean {near}?"),
        None => format!("unknown field; known are {}", known.join(", ")),
    };
    Invalid::new(FieldCode::UnknownField, message)
}

/// The known name most like this one: what other APIs call it, the same but for case and
/// separators, or a few typing errors away.
#[must_use]
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > MAX_COMPARED_LENGTH {
        return None;
    }
    let bare = |name: &str| -> String {
        name.chars()
            .filter(|character| !"_- .".contains(*character))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let name = bare(name);
    let synonym = SYNONYMS
        .iter()
        .find(|(_, others)| others.contains(&name.as_str()));
    let synonym = synonym.and_then(|(meant, _)| known.iter().find(|known| *known == meant));
    if let Some(meant) = synonym {
        return Some(meant);
    }
    known
        .iter()
        .map(|known| {
            (
                *known,
                strsim::normalized_damerau_levenshtein(&name, &bare(known)),
            )
        })
        .filter(|(_, likeness)| *likeness >= ALIKE)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KNOWN: [&str; 5] = [
        "birthDate",
        "firstName",
        "lastName",
        "zipCode",
        "signedAgreement",
    ];

    fn read(
        body: &Value,
        unknown: UnknownFields,
        with: impl FnOnce(&mut Fields<'_, '_>),
    ) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let object = body.as_object().expect("an object");
        with(&mut Fields::new(object, &KNOWN, unknown, &mut errors));
        errors
    }

    #[test]
    fn absent_null_and_value_are_told_apart() {
        let body = json!({"firstName": null, "lastName": "Li", "signedAgreement": true});
        let errors = read(&body, UnknownFields::Refuse, |fields| {
            assert_eq!(fields.text("birthDate"), Change::Keep);
            assert_eq!(fields.text("firstName"), Change::Clear);
            assert_eq!(fields.text("lastName"), Change::Set("Li"));
            assert_eq!(fields.boolean("signedAgreement"), Change::Set(true));
        });
        assert_eq!(errors, []);
    }

    #[test]
    fn every_wrong_type_is_named_at_once() {
        let body = json!({"firstName": 1, "lastName": "secret", "zipCode": true, "signedAgreement": "secret"});
        let errors = read(&body, UnknownFields::Refuse, |fields| {
            assert_eq!(fields.text("firstName"), Change::Keep);
            assert_eq!(fields.object("lastName"), Change::Keep);
            assert_eq!(fields.array("zipCode"), Change::Keep);
            assert_eq!(fields.boolean("signedAgreement"), Change::Keep);
            assert_eq!(fields.required_text("birthDate"), None);
        });
        let said: Vec<_> = errors
            .iter()
            .map(|error| (error.pointer.as_str(), error.code, error.message.as_ref()))
            .collect();
        assert_eq!(
            said,
            [
                ("/firstName", FieldCode::TypeInvalid, "must be a string"),
                ("/lastName", FieldCode::TypeInvalid, "must be an object"),
                ("/zipCode", FieldCode::TypeInvalid, "must be an array"),
                (
                    "/signedAgreement",
                    FieldCode::TypeInvalid,
                    "must be true or false"
                ),
                ("/birthDate", FieldCode::Required, "is required"),
            ]
        );
    }

    #[test]
    fn an_unknown_field_is_told_the_nearest() {
        for (name, near) in [
            ("birthdate", "birthDate"),
            ("birth_date", "birthDate"),
            ("brithDate", "birthDate"),
            ("first-name", "firstName"),
            ("zip", "zipCode"),
            ("dob", "birthDate"),
            ("Date-of-Birth", "birthDate"),
            ("surname", "lastName"),
            ("address", "known are"),
            ("zipcode", "zipCode"),
            ("lastNam", "lastName"),
            ("colour", "known are"),
        ] {
            let errors = read(&json!({name: "secret"}), UnknownFields::Refuse, |_| {});
            assert_eq!(errors[0].code, FieldCode::UnknownField);
            assert_eq!(errors[0].pointer, format!("/{name}"));
            assert!(
                errors[0].message.contains(near),
                "{name}: {}",
                errors[0].message
            );
            assert!(!errors[0].message.contains("secret"));
            assert_eq!(read(&json!({name: 1}), UnknownFields::Ignore, |_| {}), []);
        }
        let exact = read(&json!({"birthdate": 1}), UnknownFields::Refuse, |_| {});
        assert_eq!(exact[0].message, "unknown field; did you mean birthDate?");
    }

    #[test]
    fn pointers_are_escaped_and_nest() {
        let body = json!({"a/b~c": 1, "firstName": {"x": 1}});
        let errors = read(&body, UnknownFields::Refuse, |fields| {
            let Change::Set(inner) = fields.object("firstName") else {
                panic!("an object")
            };
            let mut inner = fields.nested("firstName", inner, &["y"]);
            inner.refuse(
                "y/0",
                Invalid::new(FieldCode::TypeInvalid, "must be a string"),
            );
        });
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a~1b~0c", "/firstName/x", "/firstName/y/0"]);
    }

    #[test]
    fn errors_are_bounded() {
        let body: Map<_, _> = (0..500)
            .map(|name| (format!("x{name}"), json!(1)))
            .collect();
        let errors = read(&Value::Object(body), UnknownFields::Refuse, |_| {});
        assert_eq!(finish((), errors).unwrap_err().fields().len(), MAX_ERRORS);
    }
}
