//! A number that a state gave to a person. Write-only: no answer or message
//! shows it, nor a piece of it.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};

use super::country::Country;
use super::personal::Personal;
use crate::error::{FieldCode, FieldError, Invalid};

/// The most documents of one customer.
pub const MAX_DOCUMENTS: usize = 10;

/// Areas 001-665 and 667-899, groups 01-99, serials 0001-9999.
const SSN_PARTS: [&str; 3] = [
    "(00[1-9]|0[1-9][0-9]|[1-57-8][0-9]{2}|6[0-57-9][0-9]|66[0-57-9])",
    "(0[1-9]|[1-9][0-9])",
    "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})",
];
/// Areas 900-999, groups 50-65, 70-88, 90-92 and 94-99.
const ITIN_PARTS: [&str; 3] = [
    "9[0-9]{2}",
    "(5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])",
    "[0-9]{4}",
];
/// Numbers that were printed as examples, on cards in wallets and in a pamphlet, and used by
/// thousands: they belong to nobody.
const PUBLICISED_SSNS: [&str; 2] = ["078051120", "219099999"];
/// Some states write asterisks, slashes or spaces into them.
const DRIVERS_LICENSE_PATTERN: &str = "^[A-Za-z0-9]([A-Za-z0-9*/ -]{0,23}[A-Za-z0-9*/-])?$";
const PASSPORT_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9-]{4,19}$";

/// What kind of document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentType {
    /// Social security number, issued by the US.
    Ssn,
    /// Individual taxpayer identification number, issued by the US.
    Itin,
    /// Driver's license.
    DriversLicense,
    /// Passport.
    Passport,
}

impl DocumentType {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Ssn, Self::Itin, Self::DriversLicense, Self::Passport];

    /// The type on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssn => "ssn",
            Self::Itin => "itin",
            Self::DriversLicense => "driversLicense",
            Self::Passport => "passport",
        }
    }

    /// The type of a name on the wire; `None` for anything else.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == text)
    }

    /// Reads a type.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::named(text).ok_or_else(|| {
            Invalid::new(
                FieldCode::ValueInvalid,
                "must be one of ssn, itin, driversLicense, passport",
            )
        })
    }
}

/// A document, its number without dashes where dashes mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdDocument {
    kind: DocumentType,
    issuing_country: Country,
    number: Personal,
}

impl IdDocument {
    /// Takes a document. The errors' pointers begin below it.
    pub fn new(
        kind: DocumentType,
        issuing_country: Country,
        number: &str,
    ) -> Result<Self, Vec<FieldError>> {
        let mut wrong = Vec::new();
        if matches!(kind, DocumentType::Ssn | DocumentType::Itin) && issuing_country != Country::US
        {
            let message = "must be US for an ssn or itin";
            wrong.push(Invalid::new(FieldCode::CountryInvalid, message).at("/issuingCountry"));
        }
        match read_number(kind, number) {
            Ok(number) if wrong.is_empty() => {
                return Ok(Self {
                    kind,
                    issuing_country,
                    number,
                });
            }
            Ok(_) => {}
            Err(invalid) => wrong.push(invalid.at("/number")),
        }
        Err(wrong)
    }

    /// Checks a number whose country is not known.
    pub fn check_number(kind: DocumentType, number: &str) -> Result<(), Invalid> {
        read_number(kind, number).map(drop)
    }

    /// Takes what was stored, which was parsed once.
    pub(super) fn trusted(kind: DocumentType, issuing_country: Country, number: Box<str>) -> Self {
        Self {
            kind,
            issuing_country,
            number: Personal::new(number),
        }
    }

    /// What kind of document it is.
    #[must_use]
    pub const fn kind(&self) -> DocumentType {
        self.kind
    }

    /// Who issued it.
    #[must_use]
    pub const fn issuing_country(&self) -> Country {
        self.issuing_country
    }

    /// Shows the number.
    #[must_use]
    pub fn expose_number(&self) -> &str {
        self.number.expose()
    }
}

/// Checks that no type stands twice for one country. The errors' pointers begin
/// below the list; each document comes with its place in it.
#[must_use]
pub fn check_unique(documents: &[(usize, IdDocument)]) -> Vec<FieldError> {
    let key = |document: &IdDocument| (document.kind, document.issuing_country);
    documents
        .iter()
        .enumerate()
        .filter(|(order, (_, later))| {
            documents[..*order]
                .iter()
                .any(|(_, earlier)| key(earlier) == key(later))
        })
        .map(|(_, (place, _))| {
            let message = "must be the only document of its type and issuing country";
            Invalid::new(FieldCode::Duplicate, message).at(format!("/{place}"))
        })
        .collect()
}

/// Reads the number of a document whose type, or nothing more, is known.
fn read_number(kind: DocumentType, text: &str) -> Result<Personal, Invalid> {
    let (code, message) = match kind {
        DocumentType::Ssn => (
            FieldCode::SsnInvalid,
            "must be 9 digits of an issued range, like 123-45-6789",
        ),
        DocumentType::Itin => (
            FieldCode::ItinInvalid,
            "must be 9 digits of an issued range that begins with 9, like 912-70-1234",
        ),
        DocumentType::DriversLicense => (
            FieldCode::DocumentNumberInvalid,
            "must be 1 to 25 letters, digits, dashes, asterisks, slashes and spaces, a letter or digit first and no space last",
        ),
        DocumentType::Passport => (
            FieldCode::DocumentNumberInvalid,
            "must be 5 to 20 letters, digits and dashes, not a dash first",
        ),
    };
    let number = match kind {
        DocumentType::Ssn => nine_digits(text).filter(is_issued_ssn),
        DocumentType::Itin => nine_digits(text).filter(is_issued_itin),
        DocumentType::DriversLicense => free_number(text, (1, 25), b"-*/ "),
        DocumentType::Passport => free_number(text, (5, 20), b"-"),
    };
    match number {
        Some(number) => Ok(number),
        None if text.is_empty() => Err(Invalid::new(
            code,
            format!("must not be empty; it {message}"),
        )),
        None => Err(Invalid::new(code, message)),
    }
}

/// The digits of `123456789` or `123-45-6789`.
fn nine_digits(text: &str) -> Option<Personal> {
    let bytes = text.as_bytes();
    let dashed = bytes.len() == 11 && bytes[3] == b'-' && bytes[6] == b'-';
    if !dashed && bytes.len() != 9 {
        return None;
    }
    let is_place = |place: usize| !dashed || (place != 3 && place != 6);
    let mut digits = String::with_capacity(9);
    for (_, byte) in bytes
        .iter()
        .enumerate()
        .filter(|(place, _)| is_place(*place))
    {
        if !byte.is_ascii_digit() {
            return None;
        }
        digits.push(char::from(*byte));
    }
    Some(Personal::new(digits))
}

fn is_issued_ssn(digits: &Personal) -> bool {
    let digits = digits.expose();
    let area = &digits[..3];
    !PUBLICISED_SSNS.contains(&digits)
        && area != "000"
        && area != "666"
        && !area.starts_with('9')
        && &digits[3..5] != "00"
        && &digits[5..] != "0000"
}

fn is_issued_itin(digits: &Personal) -> bool {
    let digits = digits.expose();
    let group: u8 = digits[3..5].parse().unwrap_or(0);
    digits.starts_with('9') && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// Letters and digits, with signs behind the first; no space stands last.
fn free_number(text: &str, (min, max): (usize, usize), signs: &[u8]) -> Option<Personal> {
    let accepted = (min..=max).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.ends_with(' ')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte));
    accepted.then(|| Personal::new(text))
}

/// The pattern of nine digits with both dashes or none.
fn dashed_or_not(parts: &[&str; 3]) -> String {
    format!("^({}|{})$", parts.join("-"), parts.concat())
}

/// The schema of each type of document, by its name.
#[must_use]
pub fn kinds() -> [(&'static str, RefOr<Schema>); 4] {
    let document = |kind: DocumentType, country: RefOr<Schema>, pattern: String, example: &str| {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .title(Some(kind.name()))
            .property(
                "type",
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some([kind.name()])),
            )
            .property("issuingCountry", country)
            .property(
                "number",
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(pattern))
                    .examples([example]),
            )
            .required("type")
            .required("issuingCountry")
            .required("number")
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
    };
    let us = || -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(["US"]))
            .into()
    };
    [
        (
            "Ssn",
            document(
                DocumentType::Ssn,
                us(),
                dashed_or_not(&SSN_PARTS),
                "123-45-6789",
            ),
        ),
        (
            "Itin",
            document(
                DocumentType::Itin,
                us(),
                dashed_or_not(&ITIN_PARTS),
                "912-70-1234",
            ),
        ),
        (
            "DriversLicense",
            document(
                DocumentType::DriversLicense,
                Country::reference(),
                DRIVERS_LICENSE_PATTERN.into(),
                "D1234567",
            ),
        ),
        (
            "Passport",
            document(
                DocumentType::Passport,
                Country::reference(),
                PASSPORT_PATTERN.into(),
                "C01X00T47",
            ),
        ),
    ]
    .map(|(name, schema)| (name, schema.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::written_by;
    use super::*;

    fn read(kind: DocumentType, number: &str) -> Result<IdDocument, Vec<FieldError>> {
        IdDocument::new(kind, Country::US, number)
    }

    #[test]
    fn issued_ranges_are_accepted_and_dashes_dropped() {
        for (kind, number) in [
            (DocumentType::Ssn, "123-45-6789"),
            (DocumentType::Ssn, "665-01-0001"),
            (DocumentType::Ssn, "899-99-9999"),
            (DocumentType::Itin, "912-70-1234"),
            (DocumentType::Itin, "900-50-0000"),
            (DocumentType::Itin, "999-99-9999"),
        ] {
            let document = read(kind, number).expect(number);
            assert_eq!(document.expose_number(), number.replace('-', ""));
            assert_eq!(read(kind, &number.replace('-', "")), Ok(document));
        }
        assert!(!format!("{:?}", read(DocumentType::Ssn, "123-45-6789")).contains("123"));
    }

    #[test]
    fn other_ranges_and_shapes_are_refused() {
        for number in [
            "",
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "123-00-4567",
            "123-45-0000",
            "12-345-6789",
            "123-456789",
            "12345678",
            "1234567890",
            "12345678a",
            "123 45 6789",
            "１２３４５６７８９",
        ] {
            let wrong = read(DocumentType::Ssn, number).unwrap_err();
            assert_eq!(
                (wrong[0].pointer.as_str(), wrong[0].code),
                ("/number", FieldCode::SsnInvalid),
                "{number}"
            );
        }
        for number in [
            "912-49-1234",
            "912-66-1234",
            "912-69-1234",
            "912-89-1234",
            "912-93-1234",
            "812-70-1234",
        ] {
            assert_eq!(
                read(DocumentType::Itin, number).unwrap_err()[0].code,
                FieldCode::ItinInvalid
            );
        }
        for (kind, number) in [
            (DocumentType::Passport, "1234"),
            (DocumentType::Passport, ""),
            (DocumentType::Passport, "123456789012345678901"),
            (DocumentType::Passport, "-12345"),
            (DocumentType::DriversLicense, ""),
            (DocumentType::DriversLicense, "A1 "),
            (DocumentType::DriversLicense, " A1"),
            (DocumentType::DriversLicense, "*A1"),
            (DocumentType::DriversLicense, "A_1"),
            (DocumentType::Passport, "A 12345"),
            (DocumentType::Passport, "A*12345"),
            (DocumentType::DriversLicense, "12345678901234567890123456"),
        ] {
            assert_eq!(
                read(kind, number).unwrap_err()[0].code,
                FieldCode::DocumentNumberInvalid
            );
        }
        assert!(
            read(DocumentType::Passport, "").unwrap_err()[0]
                .message
                .starts_with("must not be empty")
        );
    }

    #[test]
    fn ssn_and_itin_are_issued_by_the_us() {
        let germany = Country::assigned("DE").expect("assigned");
        let wrong = IdDocument::new(DocumentType::Ssn, germany, "1").unwrap_err();
        let pointers: Vec<_> = wrong.iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(pointers, ["/issuingCountry", "/number"]);
        assert!(IdDocument::new(DocumentType::Passport, germany, "C01X00T47").is_ok());
    }

    #[test]
    fn a_type_stands_once_for_each_country() {
        let passport = |country| {
            IdDocument::new(
                DocumentType::Passport,
                Country::assigned(country).expect("assigned"),
                "C01X00T47",
            )
            .expect("a passport")
        };
        let list = [
            (0, passport("DE")),
            (1, passport("US")),
            (3, passport("DE")),
        ];
        let wrong = check_unique(&list);
        assert_eq!((wrong.len(), wrong[0].pointer.as_str()), (1, "/3"));
        assert!(check_unique(&list[..2]).is_empty());
    }

    proptest! {
        #[test]
        fn the_patterns_say_what_the_parser_does(ssn in "([0-8][0-9]{2}|666|000|66[0-9])-[0-9]{2}-[0-9]{4}", itin in "9[0-9]{2}-[0-9]{2}-[0-9]{4}") {
            let number = |text: &str, at: std::ops::Range<usize>| text[at].parse::<u16>().expect("digits");
            let (area, group, serial) = (number(&ssn, 0..3), number(&ssn, 4..6), number(&ssn, 7..11));
            let issued = area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
            prop_assert_eq!(read(DocumentType::Ssn, &ssn).is_ok(), issued);
            let group = number(&itin, 4..6);
            let issued = (50..=65).contains(&group) || (70..=88).contains(&group) || (90..=92).contains(&group) || group >= 94;
            prop_assert_eq!(read(DocumentType::Itin, &itin).is_ok(), issued);
        }

        #[test]
        fn what_the_patterns_write_is_accepted(
            ssn in written_by(&dashed_or_not(&SSN_PARTS)), itin in written_by(&dashed_or_not(&ITIN_PARTS)),
            license in written_by(DRIVERS_LICENSE_PATTERN), passport in written_by(PASSPORT_PATTERN),
        ) {
            prop_assert!(read(DocumentType::Ssn, &ssn).is_ok());
            prop_assert!(read(DocumentType::Itin, &itin).is_ok());
            prop_assert!(read(DocumentType::DriversLicense, &license).is_ok());
            prop_assert!(read(DocumentType::Passport, &passport).is_ok());
        }
    }
}
