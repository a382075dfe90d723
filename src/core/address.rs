//! Where a customer lives. Write-only, and every part may come later; once the
//! country is `US`, state and zip code must be what the USPS knows.
//!
//! No message repeats a part or lets it be guessed.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::change::Change;
use super::country::Country;
use super::personal::Personal;
use super::text::{line, line_pattern};
use crate::error::{FieldCode, FieldError, Invalid};

/// The most characters of `line1` and of `line2`.
pub const MAX_LINE_LENGTH: usize = 200;
/// The most characters of `city` and of `state`.
pub const MAX_PLACE_LENGTH: usize = 100;
/// The most characters of `zipCode`.
pub const MAX_ZIP_CODE_LENGTH: usize = 20;

/// What every postal code looks like, whatever the country.
const ZIP_CODE_PATTERN: &str = "^[A-Za-z0-9]([A-Za-z0-9 -]{0,18}[A-Za-z0-9])?$";

/// The states, the federal district, the territories, the freely associated states and the
/// military posts (Publication 28, appendix B).
const USPS_STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT \
     NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI \
     FM MH PW AA AE AP";

/// One part of an address that is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressText(Personal);

impl AddressText {
    /// Reads `line1` or `line2`.
    pub fn parse_line(text: &str) -> Result<Self, Invalid> {
        line(text, MAX_LINE_LENGTH).map(|text| Self(Personal::new(text)))
    }

    /// Reads `city` or `state`.
    pub fn parse_place(text: &str) -> Result<Self, Invalid> {
        line(text, MAX_PLACE_LENGTH).map(|text| Self(Personal::new(text)))
    }

    /// Reads `zipCode`: letters and digits, with spaces and dashes between them.
    pub fn parse_zip_code(text: &str) -> Result<Self, Invalid> {
        let bytes = text.as_bytes();
        let framed = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let accepted = bytes.len() <= MAX_ZIP_CODE_LENGTH
            && framed(bytes.first())
            && framed(bytes.last())
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'));
        if accepted {
            return Ok(Self(Personal::new(text)));
        }
        Err(Invalid::new(
            FieldCode::ZipCodeInvalid,
            "must be a postal code of at most 20 letters and digits, with spaces or dashes between them, like 94105",
        ))
    }

    /// Takes what was stored, which was parsed once.
    pub(super) fn trusted(text: Box<str>) -> Self {
        Self(Personal::new(text))
    }

    /// Shows the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The parts of an address, each read by itself but not yet as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressParts {
    /// Street and house.
    pub line1: Option<AddressText>,
    /// Apartment, floor, and the like.
    pub line2: Option<AddressText>,
    /// The city.
    pub city: Option<AddressText>,
    /// State, province or region; in the US a USPS code.
    pub state: Option<AddressText>,
    /// The country.
    pub country: Option<Country>,
    /// The postal code; in the US 5 or 5+4 digits.
    pub zip_code: Option<AddressText>,
}

/// Changes to an address, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPatch {
    /// Street and house.
    pub line1: Change<AddressText>,
    /// Apartment, floor, and the like.
    pub line2: Change<AddressText>,
    /// The city.
    pub city: Change<AddressText>,
    /// State, province or region.
    pub state: Change<AddressText>,
    /// The country.
    pub country: Change<Country>,
    /// The postal code.
    pub zip_code: Change<AddressText>,
}

/// An address of at least one part, valid as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResidentialAddress(AddressParts);

impl ResidentialAddress {
    /// Takes parts that fit each other; `None` when there is no part at all.
    /// The errors' pointers begin below the address.
    pub fn new(parts: AddressParts) -> Result<Option<Self>, Vec<FieldError>> {
        let wrong = check_whole(&parts);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok((parts != AddressParts::default()).then_some(Self(parts)))
    }

    /// What an address, or none, becomes with a patch.
    pub fn merged(
        address: Option<&Self>,
        patch: AddressPatch,
    ) -> Result<Option<Self>, Vec<FieldError>> {
        let mut parts = address.map(|address| address.0.clone()).unwrap_or_default();
        patch.line1.apply_to(&mut parts.line1);
        patch.line2.apply_to(&mut parts.line2);
        patch.city.apply_to(&mut parts.city);
        patch.state.apply_to(&mut parts.state);
        patch.country.apply_to(&mut parts.country);
        patch.zip_code.apply_to(&mut parts.zip_code);
        Self::new(parts)
    }

    /// Takes what was stored, which was parsed once.
    pub(super) const fn trusted(parts: AddressParts) -> Self {
        Self(parts)
    }

    /// Shows the parts.
    #[must_use]
    pub const fn expose(&self) -> &AddressParts {
        &self.0
    }
}

/// What the country asks of the other parts.
fn check_whole(parts: &AddressParts) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    if parts.country != Some(Country::US) {
        return wrong;
    }
    if parts
        .state
        .as_ref()
        .is_some_and(|state| !is_usps_state(state.expose()))
    {
        let message = "must be the two-letter USPS code of a state or territory in upper case, like CA, when country is US";
        wrong.push(Invalid::new(FieldCode::StateInvalid, message).at("/state"));
    }
    if parts
        .zip_code
        .as_ref()
        .is_some_and(|code| !is_usps_zip_code(code.expose()))
    {
        let message =
            "must be 5 digits or 5+4 digits, like 94105 or 94105-1234, when country is US";
        wrong.push(Invalid::new(FieldCode::ZipCodeInvalid, message).at("/zipCode"));
    }
    wrong
}

fn is_usps_state(text: &str) -> bool {
    USPS_STATES
        .split_ascii_whitespace()
        .any(|state| state == text)
}

fn is_usps_zip_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 5 | 10)
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            5 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

impl PartialSchema for ResidentialAddress {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str, max_length: usize, example: &str| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some(description))
                .min_length(Some(1))
                .max_length(Some(max_length))
                .pattern(Some(line_pattern()))
                .examples([example])
        };
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Where the customer lives. Each part may come later."))
            .property(
                "line1",
                text("Street and house.", MAX_LINE_LENGTH, "1 Market Street"),
            )
            .property(
                "line2",
                text("Apartment, floor, and the like.", MAX_LINE_LENGTH, "Apt 4"),
            )
            .property("city", text("The city.", MAX_PLACE_LENGTH, "San Francisco"))
            .property(
                "state",
                text(
                    "State, province or region; in the US a two-letter USPS code.",
                    MAX_PLACE_LENGTH,
                    "CA",
                ),
            )
            .property("country", Country::reference())
            .property(
                "zipCode",
                text(
                    "The postal code; in the US 5 or 5+4 digits.",
                    MAX_ZIP_CODE_LENGTH,
                    "94105",
                )
                .pattern(Some(ZIP_CODE_PATTERN)),
            )
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
            .into()
    }
}

impl ToSchema for ResidentialAddress {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Country::name().into_owned(), Country::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(country: Option<&str>, state: &str, zip_code: &str) -> AddressParts {
        AddressParts {
            country: country.and_then(Country::assigned),
            state: Some(AddressText::parse_place(state).expect("a place")),
            zip_code: Some(AddressText::parse_zip_code(zip_code).expect("a code")),
            ..AddressParts::default()
        }
    }

    fn pointers(wrong: &[FieldError]) -> Vec<&str> {
        wrong.iter().map(|wrong| wrong.pointer.as_str()).collect()
    }

    #[test]
    fn the_us_asks_for_its_own_codes() {
        for (state, zip_code) in [
            ("CA", "94105"),
            ("PR", "00901-1234"),
            ("AE", "09012"),
            ("DC", "20500"),
            ("FM", "96941"),
            ("MH", "96960"),
            ("PW", "96940"),
            ("AP", "96303"),
        ] {
            assert!(ResidentialAddress::new(parts(Some("US"), state, zip_code)).is_ok());
        }
        let wrong = ResidentialAddress::new(parts(Some("US"), "California", "9410")).unwrap_err();
        assert_eq!(pointers(&wrong), ["/state", "/zipCode"]);
        assert_eq!(wrong[0].code, FieldCode::StateInvalid);
        assert!(
            wrong
                .iter()
                .all(|wrong| !wrong.message.contains("California")
                    && !wrong.message.contains("9410,"))
        );
        for state in ["ca", "XX", "C"] {
            assert!(ResidentialAddress::new(parts(Some("US"), state, "94105")).is_err());
        }
        for zip_code in ["941051234", "94105-123", "9410A", "94105 1234"] {
            assert!(ResidentialAddress::new(parts(Some("US"), "CA", zip_code)).is_err());
        }
        assert_eq!(
            USPS_STATES.split_ascii_whitespace().count(),
            50 + 1 + 5 + 3 + 3
        );
    }

    #[test]
    fn elsewhere_and_nowhere_yet_codes_are_free() {
        for country in [Some("GB"), None] {
            assert!(ResidentialAddress::new(parts(country, "Greater London", "SW1A 1AA")).is_ok());
        }
    }

    #[test]
    fn a_country_that_comes_later_is_checked_against_what_is_there() {
        let address = ResidentialAddress::new(parts(None, "California", "94105")).expect("lenient");
        let patch = AddressPatch {
            country: Change::Set(Country::US),
            ..AddressPatch::default()
        };
        let wrong = ResidentialAddress::merged(address.as_ref(), patch.clone()).unwrap_err();
        assert_eq!(pointers(&wrong), ["/state"]);
        let state = AddressText::parse_place("CA").expect("a place");
        let patch = AddressPatch {
            state: Change::Set(state),
            ..patch
        };
        assert!(ResidentialAddress::merged(address.as_ref(), patch).is_ok());
    }

    #[test]
    fn an_address_without_parts_is_none() {
        assert_eq!(ResidentialAddress::new(AddressParts::default()), Ok(None));
        let patch = AddressPatch {
            city: Change::Clear,
            ..AddressPatch::default()
        };
        assert_eq!(ResidentialAddress::merged(None, patch), Ok(None));
    }

    #[test]
    fn parts_are_bounded_and_hidden() {
        assert!(AddressText::parse_line("").is_err());
        assert!(AddressText::parse_line(&"x".repeat(201)).is_err());
        assert!(AddressText::parse_zip_code("").is_err());
        assert!(AddressText::parse_zip_code("-94105").is_err());
        assert!(AddressText::parse_zip_code(&"1".repeat(21)).is_err());
        let shown = format!(
            "{:?}",
            ResidentialAddress::new(parts(Some("US"), "CA", "94105"))
        );
        assert!(!shown.contains("CA") && !shown.contains("94105"));
    }
}
