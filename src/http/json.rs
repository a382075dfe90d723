//! Reads a JSON body strictly, and writes any JSON value in one canonical form
//! so that two bodies can be compared by value.
//!
//! No error repeats a piece of the body.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use super::digits::{lossy_number, pointer_to, whole};
use crate::error::{Code, Error, FieldCode, Invalid, Result};

/// How deep objects and arrays may stand in one another.
pub const MAX_DEPTH: usize = 32;

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one JSON object: UTF-8, no name twice in any object, at most
/// [`MAX_DEPTH`] levels. A byte order mark before it is skipped (RFC 8259, section 8.1). Whole
/// numbers beyond 64 bits are read as doubles; a number of which a double loses digits is refused.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|invalid| {
        let detail = format!("the body is not UTF-8 at byte {}", invalid.valid_up_to());
        Error::new(Code::BodyNotJson, detail)
    })?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Node { room: MAX_DEPTH }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|wrong| refusal(&wrong))?;
    match value {
        Value::Object(object) => {
            let lossy = lossy_number(text).map(|number| {
                let invalid = Invalid::new(
                    FieldCode::TypeInvalid,
                    "a number has more digits than are kept; send it as a string",
                );
                invalid.at(pointer_to(&object, number))
            });
            lossy.map_or(Ok(object), |wrong| Err(Error::invalid_fields(vec![wrong])))
        }
        other => {
            let kind = match other {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) | Value::Object(_) => "an array",
            };
            let detail = format!("the body is {kind}; send an object");
            Err(Error::new(Code::BodyNotObject, detail))
        }
    }
}

/// A number beyond all doubles is JSON all the same; the parser does not say where it stands.
fn refusal(wrong: &serde_json::Error) -> Error {
    if wrong.to_string().starts_with("number out of range") {
        let message = "a number is larger than any that is kept; send it as a string";
        return Error::invalid_fields(vec![Invalid::new(FieldCode::TypeInvalid, message).at("")]);
    }
    not_json(wrong)
}

/// Where it went wrong. What the parser says of syntax is fixed text; what we
/// say ourselves (category data) is fixed text, too.
fn not_json(wrong: &serde_json::Error) -> Error {
    let said = wrong.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let what = match wrong.classify() {
        Category::Data | Category::Syntax => said,
        Category::Eof => "the body ends too early",
        Category::Io => "the body cannot be read",
    };
    let detail = format!("{what}, at line {} column {}", wrong.line(), wrong.column());
    Error::new(Code::BodyNotJson, detail)
}

/// A value with so many levels of room below it.
#[derive(Clone, Copy)]
struct Node {
    room: usize,
}

impl Node {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.room.checked_sub(1) {
            Some(room) => Ok(Self { room }),
            None => Err(E::custom("the body is nested deeper than 32 levels")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("an object repeats a name"));
            }
            let value = entries.next_value_seed(below)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// Appends the canonical form: JSON without white space, names sorted, the
/// fewest escapes, each number in one spelling. Two values give the same bytes
/// exactly when they are equal; whole numbers of 64 bits are compared exactly,
/// other numbers as the doubles they are read as.
pub fn canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => canonical_number(number, out),
        Value::String(text) => canonical_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                canonical(item, out);
            }
            out.push(b']');
        }
        Value::Object(object) => canonical_object(object, out),
    }
}

/// Appends the canonical form of an object, as [`canonical`] does.
pub fn canonical_object(object: &Map<String, Value>, out: &mut Vec<u8>) {
    canonical_entries(object.iter(), out, |_, value, out| canonical(value, out));
}

/// Appends an object of these entries, whose values are written by the caller.
pub(super) fn canonical_entries<'a>(
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
    out: &mut Vec<u8>,
    write: impl Fn(&str, &Value, &mut Vec<u8>),
) {
    // Sorted whichever map the JSON library was built with.
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    out.push(b'{');
    for (place, (name, value)) in entries.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        canonical_text(name, out);
        out.push(b':');
        write(name, value, out);
    }
    out.push(b'}');
}

fn canonical_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("memory takes every byte");
}

fn canonical_number(number: &Number, out: &mut Vec<u8>) {
    let whole = number.as_i128().or_else(|| number.as_f64().and_then(whole));
    let spelled = whole.map_or_else(|| number.to_string(), |whole| whole.to_string());
    out.extend_from_slice(spelled.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn code(text: &str) -> Code {
        parse_object(text.as_bytes()).unwrap_err().code()
    }

    fn form(text: &str) -> String {
        let object = parse_object(text.as_bytes()).expect(text);
        let mut out = Vec::new();
        canonical_object(&object, &mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn an_object_is_read_as_it_stands() {
        let object = parse_object(
            br#" {"a":[1,-2,1.5,true,null,"\u00e9"],"b":{"a":18446744073709551615}} "#,
        );
        let expected = json!({"a": [1, -2, 1.5, true, null, "é"], "b": {"a": u64::MAX}});
        assert_eq!(Value::Object(object.expect("JSON")), expected);
    }

    #[test]
    fn anything_but_json_is_refused_without_repeating_it() {
        for text in [
            "",
            "{",
            "{}x",
            "{} {}",
            r#"{"secret":}"#,
            r#"{"secret":01}"#,
            r"{secret:1}",
            r#"{"secret":"\ud800"}"#,
            "{\"secret\":\"\n\"}",
            r#"{"secret":NaN}"#,
            "{\u{feff}}",
            "\u{feff}\u{feff}{}",
            r#"{"a":1,}"#,
            "'secret'",
        ] {
            let wrong = parse_object(text.as_bytes()).unwrap_err();
            assert_eq!(wrong.code(), Code::BodyNotJson, "{text}");
            assert!(
                wrong.detail().contains("at line 1 column")
                    || wrong.detail().contains("at line 2 column"),
                "{}",
                wrong.detail()
            );
            assert!(!wrong.detail().contains("secret"));
        }
        let wrong = parse_object(b"{\"a\":\"\xff\"}").unwrap_err();
        assert_eq!(
            (wrong.code(), wrong.detail()),
            (Code::BodyNotJson, "the body is not UTF-8 at byte 6")
        );
    }

    #[test]
    fn a_number_beyond_all_doubles_is_a_wrong_field() {
        for text in [r#"{"a":1e400}"#, r#"{"a":[-1e999]}"#] {
            assert_eq!(code(text), Code::ValidationFailed, "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert!(parse_object("\u{feff}{\"a\":1}".as_bytes()).is_ok());
    }

    #[test]
    fn other_values_are_no_object() {
        for text in ["null", "1", "\"a\"", "[{}]", "true"] {
            assert_eq!(code(text), Code::BodyNotObject);
        }
    }

    #[test]
    fn a_name_stands_once_at_every_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"y":{"a":1,"a":1}}]}"#,
        ] {
            let wrong = parse_object(text.as_bytes()).unwrap_err();
            assert_eq!(wrong.code(), Code::BodyNotJson);
            assert!(
                wrong
                    .detail()
                    .starts_with("an object repeats a name, at line 1")
            );
        }
        assert!(parse_object(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(depth - 1),
                "]".repeat(depth - 1)
            )
        };
        assert!(parse_object(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(code(&nested(MAX_DEPTH + 1)), Code::BodyNotJson);
        assert_eq!(code(&nested(20_000)), Code::BodyNotJson);
        let wrong = parse_object(nested(40).as_bytes()).unwrap_err();
        assert!(wrong.detail().starts_with(&format!(
            "the body is nested deeper than {MAX_DEPTH} levels"
        )));
    }

    #[test]
    fn spelling_does_not_matter_and_value_does() {
        assert_eq!(form(r#"{"b":1.0,"a":"\u0041\/"}"#), r#"{"a":"A/","b":1}"#);
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("0", "-0"),
            ("0", "-0.0"),
            ("100", "1e2"),
            ("0.5", "5E-1"),
            ("9007199254740992", "9007199254740992.0"),
            ("1e20", "100000000000000000000"),
        ] {
            assert_eq!(
                form(&format!("{{\"n\":{a}}}")),
                form(&format!("{{\"n\":{b}}}")),
                "{a} {b}"
            );
        }
        for (a, b) in [
            ("1", "\"1\""),
            ("1", "1.1"),
            ("9007199254740993", "9007199254740992.0"),
            ("18446744073709551615", "18446744073709551614"),
            ("18446744073709551615", "18446744073709551616"),
            ("null", "false"),
            ("[]", "{}"),
            ("[1,2]", "[2,1]"),
            ("\"\"", "null"),
            ("\"é\"", "\"e\u{301}\""),
        ] {
            assert_ne!(
                form(&format!("{{\"n\":{a}}}")),
                form(&format!("{{\"n\":{b}}}")),
                "{a} {b}"
            );
        }
        assert_ne!(form(r#"{"a":null}"#), form("{}"));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1000i32..1000).prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
            any::<f64>()
                .prop_filter("finite", |value| value.is_finite())
                .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\é]{0,3}", inner, 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    /// Writes the value in one of its many spellings, by the whims handed in.
    fn spell(value: &Value, whims: &mut dyn Iterator<Item = u8>, out: &mut String) {
        let mut whim = || whims.next().unwrap_or(0);
        out.push_str(["", " ", "\n", "\t\r"][usize::from(whim() % 4)]);
        match value {
            Value::Number(number) => spell_number(number, whim(), out),
            Value::String(text) => spell_text(text, whims, out),
            Value::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    spell(item, whims, out);
                }
                out.push(']');
            }
            Value::Object(object) => {
                let mut entries: Vec<_> = object.iter().collect();
                let turn = usize::from(whim()) % entries.len().max(1);
                entries.rotate_left(turn);
                out.push('{');
                for (place, (name, value)) in entries.into_iter().enumerate() {
                    out.push_str(if place > 0 { " ," } else { "" });
                    spell_text(name, whims, out);
                    out.push(':');
                    spell(value, whims, out);
                }
                out.push('}');
            }
            plain => out.push_str(&plain.to_string()),
        }
    }

    fn spell_number(number: &Number, whim: u8, out: &mut String) {
        let text = number.to_string();
        let fits = number
            .as_i64()
            .is_some_and(|whole| whole.unsigned_abs() < 1 << 53);
        match whim % 4 {
            1 if fits => out.extend([text.as_str(), ".0"]),
            2 if fits => out.extend([text.as_str(), "e0"]),
            3 if fits => out.extend([text.as_str(), "0E-1"]),
            _ => out.push_str(&text),
        }
    }

    fn spell_text(text: &str, whims: &mut dyn Iterator<Item = u8>, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            let whim = whims.next().unwrap_or(0);
            if whim.is_multiple_of(3) || character.is_control() || matches!(character, '"' | '\\') {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let digits = format!("{unit:04x}");
                    out.push_str("\\u");
                    out.push_str(&if whim.is_multiple_of(2) {
                        digits
                    } else {
                        digits.to_uppercase()
                    });
                }
            } else {
                out.push(character);
            }
        }
        out.push('"');
    }

    fn canonical_bytes(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        canonical(value, &mut out);
        out
    }

    proptest! {
        #[test]
        fn every_spelling_has_the_same_form(value in any_value(), whims in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut text = String::from("{\"v\":");
            spell(&value, &mut whims.into_iter(), &mut text);
            text.push('}');
            let read = parse_object(text.as_bytes());
            prop_assert!(read.is_ok(), "{}: {:?}", text, read);
            let object = read.expect("just seen");
            prop_assert_eq!(canonical_bytes(&object["v"]), canonical_bytes(&value));
        }

        #[test]
        fn the_form_is_json_of_the_same_value(value in any_value()) {
            let again: Value = serde_json::from_slice(&canonical_bytes(&value)).expect("JSON");
            prop_assert_eq!(canonical_bytes(&again), canonical_bytes(&value));
        }

        #[test]
        fn other_values_have_other_forms(a in any_value(), b in any_value()) {
            let same = canonical_bytes(&a) == canonical_bytes(&b);
            if a == b {
                prop_assert!(same);
            } else if same {
                // Only the kind of number may differ.
                prop_assert_eq!(a.to_string().replace(".0", "").replace("-0", "0"), b.to_string().replace(".0", "").replace("-0", "0"));
            }
        }

        #[test]
        fn a_changed_value_has_another_form(value in any_value(), name in "[d-f]") {
            let changed = json!({"v": value, name: 1});
            prop_assert_ne!(canonical_bytes(&json!({"v": value})), canonical_bytes(&changed));
            prop_assert_ne!(canonical_bytes(&json!([value])), canonical_bytes(&value));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse_object(&bytes);
        }
    }
}
