//! A country by its ISO 3166-1 alpha-2 code, and what people write instead.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{FieldCode, Invalid};

/// Kosovo: not assigned by ISO, but its people have passports, and banks, the European Union
/// and the databases of networks write it so.
const KOSOVO: &str = "XK";

/// An assigned alpha-2 code in upper case, or that of Kosovo.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(&'static str);

impl Country {
    /// The United States of America.
    pub const US: Self = Self("US");

    /// Reads a code. What it says of a wrong one repeats nothing of it, so that
    /// it fits write-only fields.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::assigned(text).ok_or_else(|| {
            Invalid::new(
                FieldCode::CountryInvalid,
                "must be a two-letter ISO 3166-1 code in upper case, like US",
            )
        })
    }

    /// Reads the code of a nationality, and names the right one for a country's
    /// name, a demonym, three letters or lower case.
    pub fn parse_nationality(text: &str) -> Result<Self, Invalid> {
        Self::parse(text).map_err(|wrong| match meant(text.trim()) {
            Some(code) => Invalid::new(
                FieldCode::CountryInvalid,
                format!("must be a two-letter ISO 3166-1 code in upper case; use {code}"),
            ),
            None => wrong,
        })
    }

    /// The country of an assigned code; `None` for anything else.
    #[must_use]
    pub fn assigned(code: &str) -> Option<Self> {
        if code == KOSOVO {
            return Some(Self(KOSOVO));
        }
        rust_iso3166::from_alpha2(code).map(|country| Self(country.alpha2))
    }

    /// The country that an English name, a demonym or a code of two or three
    /// letters means; `None` when it means none, or more than one.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        meant(text.trim()).and_then(Self::assigned)
    }

    /// A reference to the schema, whose list of codes should stand once.
    #[must_use]
    pub fn reference() -> RefOr<Schema> {
        Ref::from_schema_name(Self::name()).into()
    }

    /// The two letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }
}

/// Prints only the type's name: whose country it is may be nobody's business.
impl std::fmt::Debug for Country {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Country(…)")
    }
}

impl PartialSchema for Country {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "An assigned ISO 3166-1 alpha-2 code in upper case, or XK for Kosovo.",
            ))
            .enum_values(Some(
                rust_iso3166::ALL_ALPHA2.iter().copied().chain([KOSOVO]),
            ))
            .examples(["US"])
            .into()
    }
}

impl ToSchema for Country {}

/// The code that was probably meant.
fn meant(text: &str) -> Option<&'static str> {
    let upper = text.to_ascii_uppercase();
    if upper == KOSOVO {
        return Some(KOSOVO);
    }
    let by_code = rust_iso3166::from_alpha2(&upper).or_else(|| rust_iso3166::from_alpha3(&upper));
    by_code
        .map(|country| country.alpha2)
        .or_else(|| by_common_name(text))
        .or_else(|| by_official_name(text))
}

fn by_common_name(text: &str) -> Option<&'static str> {
    COMMON_NAMES
        .iter()
        .find(|(names, _)| names.split('|').any(|name| name.eq_ignore_ascii_case(text)))
        .map(|(_, code)| *code)
}

/// By the standard's name, with or without what it adds in parentheses.
fn by_official_name(text: &str) -> Option<&'static str> {
    let named = |name: &str| {
        let short = name.split(" (").next().unwrap_or(name);
        name.to_lowercase() == text.to_lowercase() || short.to_lowercase() == text.to_lowercase()
    };
    let mut found = rust_iso3166::ALL
        .iter()
        .filter(|country| named(country.name));
    match (found.next(), found.next()) {
        (Some(country), None) => Some(country.alpha2),
        _ => None,
    }
}

/// Everyday names and demonyms that the standard does not have.
const COMMON_NAMES: &[(&str, &str)] = &[
    ("United States|U.S.|U.S.A.|America|American", "US"),
    (
        "UK|U.K.|United Kingdom|Great Britain|Britain|England|Scotland|Wales|British|English|Scottish|Welsh",
        "GB",
    ),
    ("Argentinian|Argentine", "AR"),
    ("Australian", "AU"),
    ("Austrian", "AT"),
    ("Bangladeshi", "BD"),
    ("Belgian", "BE"),
    ("Bolivian", "BO"),
    ("Brasil|Brazilian", "BR"),
    ("Bulgarian", "BG"),
    ("Canadian", "CA"),
    ("Chilean", "CL"),
    ("Chinese|People's Republic of China", "CN"),
    ("Colombian", "CO"),
    ("Costa Rican", "CR"),
    ("Croatian", "HR"),
    ("Cuban", "CU"),
    ("Czech|Czech Republic", "CZ"),
    ("Danish", "DK"),
    ("Dutch|Holland|The Netherlands|Netherlands", "NL"),
    ("Ecuadorian", "EC"),
    ("Egyptian", "EG"),
    ("Estonian", "EE"),
    ("Ethiopian", "ET"),
    ("Filipino|Philippines", "PH"),
    ("Finnish", "FI"),
    ("French", "FR"),
    ("German|Deutschland", "DE"),
    ("Ghanaian", "GH"),
    ("Greek", "GR"),
    ("Guatemalan", "GT"),
    ("Hungarian", "HU"),
    ("Icelandic", "IS"),
    ("Indian", "IN"),
    ("Indonesian", "ID"),
    ("Iranian", "IR"),
    ("Iraqi", "IQ"),
    ("Irish", "IE"),
    ("Israeli", "IL"),
    ("Italian", "IT"),
    ("Ivory Coast", "CI"),
    ("Jamaican", "JM"),
    ("Japanese", "JP"),
    ("Kenyan", "KE"),
    ("Kosovo|Kosovar|Kosovan|XKX", "XK"),
    ("South Korea|South Korean|Korean", "KR"),
    ("North Korea|North Korean", "KP"),
    ("Laos", "LA"),
    ("Latvian", "LV"),
    ("Lebanese", "LB"),
    ("Lithuanian", "LT"),
    ("Malaysian", "MY"),
    ("Mexican", "MX"),
    ("Moldova", "MD"),
    ("Moroccan", "MA"),
    ("New Zealander|Kiwi", "NZ"),
    ("Nigerian", "NG"),
    ("Norwegian", "NO"),
    ("Pakistani", "PK"),
    ("Peruvian", "PE"),
    ("Polish", "PL"),
    ("Portuguese", "PT"),
    ("Romanian", "RO"),
    ("Russia|Russian", "RU"),
    ("Saudi|Saudi Arabian", "SA"),
    ("Singaporean", "SG"),
    ("Slovak", "SK"),
    ("Slovenian", "SI"),
    ("South African", "ZA"),
    ("Spanish", "ES"),
    ("Swedish", "SE"),
    ("Swiss", "CH"),
    ("Syria", "SY"),
    ("Taiwanese", "TW"),
    ("Tanzania", "TZ"),
    ("Thai", "TH"),
    ("Turkey|Turkish|Türkiye", "TR"),
    ("UAE|Emirati", "AE"),
    ("Ukrainian", "UA"),
    ("Venezuelan", "VE"),
    ("Vietnam|Vietnamese", "VN"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_codes_are_accepted_and_nothing_else() {
        assert_eq!(rust_iso3166::ALL_ALPHA2.len(), 249);
        for code in rust_iso3166::ALL_ALPHA2 {
            assert_eq!(Country::parse(code).map(Country::code), Ok(*code));
        }
        assert_eq!(Country::parse("XK").map(Country::code), Ok("XK"));
        for text in ["", "us", "XX", "USA", "UK", "U", "840", "ÜS", " US"] {
            let wrong = Country::parse(text).unwrap_err();
            assert_eq!(wrong.code, FieldCode::CountryInvalid);
            assert!(wrong.message.ends_with("like US"), "{text}");
        }
    }

    #[test]
    fn a_wrong_nationality_is_told_the_right_one() {
        for (text, code) in [
            ("American", "US"),
            ("United States", "US"),
            ("United States of America", "US"),
            ("USA", "US"),
            ("us", "US"),
            ("usa", "US"),
            ("Germany", "DE"),
            ("GERMAN", "DE"),
            ("uk", "GB"),
            ("Viet Nam", "VN"),
            ("Bolivia", "BO"),
            ("South Korea", "KR"),
            (" france ", "FR"),
            ("Kosovo", "XK"),
            ("xk", "XK"),
            ("Netherlands", "NL"),
        ] {
            let wrong = Country::parse_nationality(text).unwrap_err();
            assert!(
                wrong.message.ends_with(&format!("use {code}")),
                "{text}: {}",
                wrong.message
            );
        }
        let wrong = Country::parse_nationality("Martian").unwrap_err();
        assert!(wrong.message.ends_with("like US"));
        assert!(
            COMMON_NAMES
                .iter()
                .all(|(_, code)| Country::assigned(code).is_some())
        );
    }
}
