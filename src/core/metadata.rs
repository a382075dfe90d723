//! Free data of the caller's own, kept beside a resource and given back as sent.
//! The platform never reads a meaning into it.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{FieldCode, FieldError, Invalid};

/// The most keys.
pub const MAX_KEYS: usize = 50;
/// The most characters of a key.
pub const MAX_KEY_LENGTH: usize = 64;
/// The most characters of a text.
pub const MAX_TEXT_LENGTH: usize = 500;
/// The most bytes of the whole, as compact JSON in UTF-8.
pub const MAX_BYTES: usize = 16 * 1024;
/// The lowest number; whole numbers from here to [`MAX_NUMBER`] are kept exactly.
pub const MIN_NUMBER: i64 = i64::MIN + 1;
/// The highest number.
pub const MAX_NUMBER: u64 = u64::MAX;

/// At most 50 keys with text, numbers, booleans or null.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Takes an object; the errors' pointers begin below it. A null is kept.
    pub fn parse(object: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        if object.len() > MAX_KEYS {
            return Err(vec![too_many_keys().at("")]);
        }
        let wrong = check_entries(object);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Self::check_whole(object.clone()).map_err(|wrong| vec![wrong.at("")])
    }

    /// Takes what was stored, which was parsed once.
    pub(super) const fn trusted(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// Shows the object.
    #[must_use]
    pub const fn expose(&self) -> &Map<String, Value> {
        &self.0
    }

    /// What it becomes with a patch: a null removes its key, anything else sets
    /// it (RFC 7396). An error when there is too much then.
    pub fn merged(&self, patch: MetadataPatch) -> Result<Self, Invalid> {
        let mut object = self.0.clone();
        for (key, value) in patch.0 {
            if value.is_null() {
                object.remove(&key);
            } else if !object.get(&key).is_some_and(|kept| is_same(kept, &value)) {
                object.insert(key, value);
            }
        }
        Self::check_whole(object)
    }

    fn check_whole(object: Map<String, Value>) -> Result<Self, Invalid> {
        if object.len() > MAX_KEYS {
            return Err(too_many_keys());
        }
        let bytes = serde_json::to_vec(&object).map_or(usize::MAX, |bytes| bytes.len());
        if bytes > MAX_BYTES {
            return Err(Invalid::new(
                FieldCode::MetadataInvalid,
                format!(
                    "must have at most {MAX_BYTES} bytes as JSON, all keys and values together"
                ),
            ));
        }
        Ok(Self(object))
    }
}

/// Changes to metadata, key by key.
#[derive(Clone, PartialEq, Eq)]
pub struct MetadataPatch(Map<String, Value>);

impl MetadataPatch {
    /// Takes an object; the errors' pointers begin below it. A null removes its key.
    pub fn parse(object: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        Metadata::parse(object).map(|checked| Self(checked.0))
    }
}

/// Prints only the type's name.
impl std::fmt::Debug for Metadata {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Metadata(…)")
    }
}

/// Prints only the type's name.
impl std::fmt::Debug for MetadataPatch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("MetadataPatch(…)")
    }
}

/// Whether two values are the same by value: `1` and `1.0` are.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() != other.is_f64() => {
            one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}

fn too_many_keys() -> Invalid {
    Invalid::new(
        FieldCode::MetadataInvalid,
        format!("must have at most {MAX_KEYS} keys"),
    )
}

fn check_entries(object: &Map<String, Value>) -> Vec<FieldError> {
    object
        .iter()
        .filter_map(|(key, value)| {
            let wrong = check_entry(key, value)?;
            let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            Some(Invalid::new(FieldCode::MetadataInvalid, wrong).at(pointer))
        })
        .collect()
}

fn check_entry(key: &str, value: &Value) -> Option<Cow<'static, str>> {
    let length = key.chars().count();
    if length == 0 || length > MAX_KEY_LENGTH {
        return Some(format!("a key must have 1 to {MAX_KEY_LENGTH} characters").into());
    }
    match value {
        Value::Null | Value::Bool(_) => None,
        Value::Number(number) => (!is_kept_exactly(number)).then(|| {
            format!("a number must lie between {MIN_NUMBER} and {MAX_NUMBER}; send it as text")
                .into()
        }),
        Value::String(text) => (text.chars().count() > MAX_TEXT_LENGTH)
            .then(|| format!("a text must have at most {MAX_TEXT_LENGTH} characters").into()),
        Value::Array(_) | Value::Object(_) => {
            Some("must be a string, a number, a boolean or null".into())
        }
    }
}

/// Beyond 64 bits a whole number would lose digits on its way.
fn is_kept_exactly(number: &Number) -> bool {
    if let Some(whole) = number.as_i64() {
        return whole >= MIN_NUMBER;
    }
    // Two to the 63rd and to the 64th, the first doubles outside.
    number.is_u64()
        || number.as_f64().is_some_and(|value| {
            value > -9_223_372_036_854_775_808.0 && value < 18_446_744_073_709_551_616.0
        })
}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let value = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([
                Type::String,
                Type::Number,
                Type::Boolean,
                Type::Null,
            ]))
            .max_length(Some(MAX_TEXT_LENGTH))
            .minimum(Some(MIN_NUMBER))
            .maximum(Some(MAX_NUMBER));
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_KEY_LENGTH));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(format!(
                "Free data of your own, given back as sent; at most {MAX_BYTES} bytes as compact JSON.",
            )))
            .property_names(Some(key.build()))
            .max_properties(Some(MAX_KEYS))
            .additional_properties(Some(AdditionalProperties::from(value)))
            .examples([serde_json::json!({"plan": "gold", "seats": 3})])
            .into()
    }
}

impl ToSchema for Metadata {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn parse(value: Value) -> Result<Metadata, Vec<FieldError>> {
        Metadata::parse(&object(value))
    }

    #[test]
    fn what_is_accepted_is_kept_as_it_is() {
        let value = json!({"a": "text", "b": 1, "c": 1.5, "d": true, "e": null, "f": u64::MAX, "g": "é".repeat(500)});
        let metadata = parse(value.clone()).expect("all accepted");
        assert_eq!(metadata.expose(), &object(value));
        assert_eq!(format!("{metadata:?}"), "Metadata(…)");
    }

    #[test]
    fn each_wrong_entry_is_named() {
        let wrong =
            parse(json!({"a/b~": [], "b": {}, "c": 1e300, "d": "é".repeat(501), "": 1, "e": 1}))
                .unwrap_err();
        let pointers: Vec<_> = wrong.iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(pointers, ["/", "/a~1b~0", "/b", "/c", "/d"]);
        assert!(parse(json!({"k".repeat(65): 1})).is_err());
        assert!(parse(json!({"low": i64::MIN})).is_err());
        assert!(parse(json!({"low": MIN_NUMBER})).is_ok());
    }

    #[test]
    fn the_whole_is_bounded() {
        let many = |count: usize| {
            (0..count)
                .map(|key| (key.to_string(), json!(1)))
                .collect::<Map<_, _>>()
        };
        assert!(Metadata::parse(&many(50)).is_ok());
        assert_eq!(Metadata::parse(&many(51)).unwrap_err()[0].pointer, "");
        let large: Map<_, _> = (0..40)
            .map(|key| (key.to_string(), json!("x".repeat(450))))
            .collect();
        assert_eq!(
            Metadata::parse(&large).unwrap_err()[0].code,
            FieldCode::MetadataInvalid
        );
    }

    #[test]
    fn a_patch_sets_and_removes_keys() {
        let metadata = parse(json!({"a": 1, "b": 2, "n": null})).expect("accepted");
        let patch =
            MetadataPatch::parse(&object(json!({"a": null, "c": 3, "x": null}))).expect("accepted");
        let merged = metadata.merged(patch).expect("small");
        assert_eq!(merged.expose(), &object(json!({"b": 2, "c": 3, "n": null})));
    }

    #[test]
    fn a_patch_cannot_grow_beyond_the_limits() {
        let full: Map<_, _> = (0..50).map(|key| (key.to_string(), json!(1))).collect();
        let metadata = Metadata::parse(&full).expect("fifty");
        let more = MetadataPatch::parse(&object(json!({"new": 1}))).expect("one");
        assert_eq!(
            metadata.merged(more).unwrap_err().code,
            FieldCode::MetadataInvalid
        );
        let swap = MetadataPatch::parse(&object(json!({"new": 1, "0": null}))).expect("two");
        assert!(metadata.merged(swap).is_ok());
    }
}
