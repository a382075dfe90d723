//! The caller's own name for a resource. Opaque, not unique, kept as it is.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::personal::Personal;
use super::text::{CONTROL, INVISIBLE, JOINERS, Ranges, SPACE, refuse_in, short_class};
use crate::error::{FieldCode, Invalid};

/// The most characters of an external id.
pub const MAX_LENGTH: usize = 255;

/// White space other than the plain space, which may stand between visible characters.
fn odd_space() -> &'static Ranges {
    &SPACE[1..]
}

/// 1 to 255 visible characters; plain spaces may stand between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalId(Personal);

impl ExternalId {
    /// Reads an external id.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new(
                FieldCode::TooShort,
                "must not be empty; leave the field out if there is none",
            ));
        }
        if text.chars().count() > MAX_LENGTH {
            return Err(Invalid::new(
                FieldCode::TooLong,
                format!("must have at most {MAX_LENGTH} characters"),
            ));
        }
        let unseen = &[CONTROL, INVISIBLE, JOINERS, odd_space()];
        refuse_in(
            unseen,
            text,
            "invisible characters or other spaces than the plain one",
        )?;
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(Invalid::new(
                FieldCode::CharacterInvalid,
                "must be visible characters, with spaces only between them",
            ));
        }
        Ok(Self(Personal::new(text)))
    }

    /// Takes what was stored, which was parsed once.
    pub(super) fn trusted(text: Box<str>) -> Self {
        Self(Personal::new(text))
    }

    /// Shows the id.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl PartialSchema for ExternalId {
    fn schema() -> RefOr<Schema> {
        let inner = short_class(&[CONTROL, INVISIBLE, JOINERS, odd_space()]);
        let edge = short_class(&[CONTROL, INVISIBLE, JOINERS, SPACE]);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Your own id for the customer. Opaque and not unique."))
            .min_length(Some(1))
            .max_length(Some(MAX_LENGTH))
            .pattern(Some(format!("^[^{edge}]([^{inner}]*[^{edge}])?$")))
            .examples(["user-42"])
            .into()
    }
}

impl ToSchema for ExternalId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_characters_are_kept_as_they_are() {
        for text in ["user-42", "a", "Kunde 7", "ü/1", &"é".repeat(255)] {
            assert_eq!(ExternalId::parse(text).expect("visible").expose(), text);
        }
        for (text, code) in [
            ("", FieldCode::TooShort),
            (" a", FieldCode::CharacterInvalid),
            ("a ", FieldCode::CharacterInvalid),
            ("a\tb", FieldCode::CharacterInvalid),
            ("a\u{200b}", FieldCode::CharacterInvalid),
            ("\u{200d}", FieldCode::CharacterInvalid),
            ("a\u{fe0f}b", FieldCode::CharacterInvalid),
            ("a\u{61c}b", FieldCode::CharacterInvalid),
            ("\u{3164}", FieldCode::CharacterInvalid),
            ("a\u{a0}b", FieldCode::CharacterInvalid),
        ] {
            assert_eq!(ExternalId::parse(text).unwrap_err().code, code, "{text:?}");
        }
        let long = "é".repeat(256);
        assert_eq!(
            ExternalId::parse(&long).unwrap_err().code,
            FieldCode::TooLong
        );
    }
}
