//! A telephone number in E.164, possible by the numbering plan of its country.
//! Never dialled, never reformatted: what is not E.164 is refused with advice.

use rlibphonenumber::PhoneNumber;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::personal::Personal;
use crate::error::{FieldCode, Invalid};

/// The most characters: the plus and 15 digits (E.164).
pub const MAX_LENGTH: usize = 16;

/// What every number looks like; the numbering plans say more.
const PATTERN: &str = r"^\+[1-9][0-9]{5,14}$";

/// A telephone number such as `+14155550123`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone(Personal);

impl Phone {
    /// Reads a number in E.164: a plus, the country code, the number, no spaces.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = |message: String| Err(Invalid::new(FieldCode::PhoneInvalid, message));
        let Some(digits) = text.strip_prefix('+') else {
            return wrong(
                "must be E.164: + and the country code before the number, like +14155550123".into(),
            );
        };
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return match plan_form(text) {
                Some(form) if form == text => Ok(Self(Personal::new(text))),
                Some(form) => wrong(format!("must be E.164 without a trunk prefix; use {form}")),
                None => wrong(
                    "must be a number that exists in its country's numbering plan, like +14155550123"
                        .into(),
                ),
            };
        }
        let bare: String = text
            .chars()
            .filter(|character| !" -.()/\u{a0}".contains(*character))
            .collect();
        match plan_form(&bare) {
            Some(form) => wrong(format!("must be E.164: + and digits only; use {form}")),
            None => wrong("must be E.164: + and digits only, like +14155550123".into()),
        }
    }

    /// Takes what was stored, which was parsed once.
    pub(super) fn trusted(text: Box<str>) -> Self {
        Self(Personal::new(text))
    }

    /// Shows the number.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The number as its plan writes it in E.164; `None` when no plan has it.
fn plan_form(text: &str) -> Option<String> {
    let digits = text.strip_prefix('+')?;
    let plausible = (6..MAX_LENGTH).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if !plausible {
        return None;
    }
    let number = PhoneNumber::parse(text, None).ok()?;
    number.is_valid().then(|| number.to_string())
}

impl PartialSchema for Phone {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A telephone number in E.164 that the numbering plan of its country allows.",
            ))
            .max_length(Some(MAX_LENGTH))
            .pattern(Some(PATTERN))
            .examples(["+14155550123"])
            .into()
    }
}

impl ToSchema for Phone {}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let wrong = Phone::parse(text).unwrap_err();
        assert_eq!(wrong.code, FieldCode::PhoneInvalid);
        wrong.message.into_owned()
    }

    #[test]
    fn numbers_of_many_plans_are_accepted() {
        for text in [
            "+14155550123",
            "+442079460018",
            "+4930123456",
            "+33142685300",
            "+390612345678",
            "+81312345678",
            "+5511987654321",
            "+919876543210",
            "+6591234567",
            "+2348031234567",
            "+61412345678",
        ] {
            let phone = Phone::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(phone.expose(), text);
        }
    }

    #[test]
    fn advice_fits_the_mistake() {
        assert!(
            message("(555) 123-4567").contains("E.164")
                && message("(555) 123-4567").contains("+14155550123")
        );
        assert!(message("4155550123").contains("country code"));
        assert!(message("+1 (415) 555-0123").ends_with("use +14155550123"));
        assert!(message("+1 415 abc").ends_with("like +14155550123"));
        assert!(message("+15551").contains("numbering plan"));
        assert!(message("+99912345678").contains("numbering plan"));
        for text in [
            "",
            "+",
            "++1",
            "14155552671",
            "0014155552671",
            "+1415555267",
            "+141555526711",
            "+11234567890",
            "+999123456789",
            "+0123456789",
            "+1415555CALL",
            "+14155552671;ext=5",
            "+14155552671 ",
            "+44 20",
            "+4420718387500000000",
            "+1234567890123456",
            "+١٤١٥٥٥٥٠١٢٣",
            "tel:+14155550123",
        ] {
            assert!(message(text).contains("+1"), "{text}");
        }
    }
}
