//! The closed, published vocabulary of what a policy may ask for: single
//! things, and requirements, of which one or another thing is enough.

use crate::error::{FieldCode, Invalid};

/// One thing that can be asked for: a field of the customer, or a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Need {
    /// `firstName`.
    FirstName,
    /// `middleName`.
    MiddleName,
    /// `lastName`.
    LastName,
    /// `email`.
    Email,
    /// `phone`.
    Phone,
    /// `birthDate`.
    BirthDate,
    /// `nationality`.
    Nationality,
    /// `ipAddress`.
    IpAddress,
    /// `residentialAddress.line1`.
    Line1,
    /// `residentialAddress.line2`.
    Line2,
    /// `residentialAddress.city`.
    City,
    /// `residentialAddress.state`.
    State,
    /// `residentialAddress.country`.
    Country,
    /// `residentialAddress.zipCode`.
    ZipCode,
    /// `identifyingInformation`: at least one document of any type.
    Document,
    /// `identifyingInformation.ssn`.
    Ssn,
    /// `identifyingInformation.itin`.
    Itin,
    /// `identifyingInformation.driversLicense`.
    DriversLicense,
    /// `identifyingInformation.passport`.
    Passport,
    /// `signedAgreement`.
    SignedAgreement,
    /// The check `minimumAge`.
    MinimumAge,
    /// The check `geoCheck`.
    GeoCheck,
    /// The check `sanctionsScreening`.
    SanctionsScreening,
    /// The check `identityVerification`.
    IdentityVerification,
}

impl Need {
    /// The whole vocabulary, in the order of every answer.
    pub const ALL: [Self; 24] = [
        Self::FirstName,
        Self::MiddleName,
        Self::LastName,
        Self::Email,
        Self::Phone,
        Self::BirthDate,
        Self::Nationality,
        Self::IpAddress,
        Self::Line1,
        Self::Line2,
        Self::City,
        Self::State,
        Self::Country,
        Self::ZipCode,
        Self::Document,
        Self::Ssn,
        Self::Itin,
        Self::DriversLicense,
        Self::Passport,
        Self::SignedAgreement,
        Self::MinimumAge,
        Self::GeoCheck,
        Self::SanctionsScreening,
        Self::IdentityVerification,
    ];

    /// The name on the wire: a path into the customer, or that of a check.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstName => "firstName",
            Self::MiddleName => "middleName",
            Self::LastName => "lastName",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::BirthDate => "birthDate",
            Self::Nationality => "nationality",
            Self::IpAddress => "ipAddress",
            Self::Line1 => "residentialAddress.line1",
            Self::Line2 => "residentialAddress.line2",
            Self::City => "residentialAddress.city",
            Self::State => "residentialAddress.state",
            Self::Country => "residentialAddress.country",
            Self::ZipCode => "residentialAddress.zipCode",
            Self::Document => "identifyingInformation",
            Self::Ssn => "identifyingInformation.ssn",
            Self::Itin => "identifyingInformation.itin",
            Self::DriversLicense => "identifyingInformation.driversLicense",
            Self::Passport => "identifyingInformation.passport",
            Self::SignedAgreement => "signedAgreement",
            Self::MinimumAge => "minimumAge",
            Self::GeoCheck => "geoCheck",
            Self::SanctionsScreening => "sanctionsScreening",
            Self::IdentityVerification => "identityVerification",
        }
    }

    /// The need of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|need| need.name() == name)
    }

    /// Whether it is a check, and not something that the customer gives.
    #[must_use]
    pub const fn is_check(self) -> bool {
        matches!(
            self,
            Self::MinimumAge
                | Self::GeoCheck
                | Self::SanctionsScreening
                | Self::IdentityVerification
        )
    }

    /// What is accepted, in words.
    #[must_use]
    pub const fn format(self) -> &'static str {
        match self {
            Self::FirstName | Self::MiddleName | Self::LastName => {
                "1 to 100 characters, letters of any script"
            }
            Self::Email => "a mailbox address of at most 254 characters",
            Self::Phone => "E.164",
            Self::BirthDate => "YYYY-MM-DD",
            Self::Nationality | Self::Country => "an ISO 3166-1 alpha-2 code in upper case",
            Self::IpAddress => "IPv4 or IPv6",
            Self::Line1 | Self::Line2 => "1 to 200 characters",
            Self::City => "1 to 100 characters",
            Self::State => "1 to 100 characters; in the US a two-letter USPS code",
            Self::ZipCode => "a postal code; in the US 5 or 5+4 digits",
            Self::Document => "at least one of {type, issuingCountry, number}",
            Self::Ssn => "9 digits of an issued range, issued by US",
            Self::Itin => "9 digits of an issued range that begins with 9, issued by US",
            Self::DriversLicense => "1 to 25 letters, digits and dashes",
            Self::Passport => "5 to 20 letters, digits and dashes",
            Self::SignedAgreement => "true",
            Self::MinimumAge => "the birth date reaches the minimum age of the policy",
            Self::GeoCheck => "address, nationality and IP address are of no refused country",
            Self::SanctionsScreening => "nobody on the watch list is meant",
            Self::IdentityVerification => "a person or provider confirms who it is",
        }
    }

    /// What a customer could have sent; null for a check.
    #[must_use]
    pub fn example(self) -> serde_json::Value {
        use serde_json::{Value, json};
        let document = |kind: &str, country: &str, number: &str| json!({"type": kind, "issuingCountry": country, "number": number});
        match self {
            Self::FirstName => json!("Ada"),
            Self::MiddleName => json!("King"),
            Self::LastName => json!("Lovelace"),
            Self::Email => json!("ada@example.com"),
            Self::Phone => json!("+14155550123"),
            Self::BirthDate => json!("1990-05-15"),
            Self::Nationality | Self::Country => json!("US"),
            Self::IpAddress => json!("203.0.113.7"),
            Self::Line1 => json!("1 Main Street"),
            Self::Line2 => json!("Floor 3"),
            Self::City => json!("San Francisco"),
            Self::State => json!("CA"),
            Self::ZipCode => json!("94105"),
            Self::Document | Self::Passport => document("passport", "GB", "C01X00T47"),
            Self::Ssn => document("ssn", "US", "123-45-6789"),
            Self::Itin => document("itin", "US", "912-70-1234"),
            Self::DriversLicense => document("driversLicense", "US", "D1234567"),
            Self::SignedAgreement => json!(true),
            _ => Value::Null,
        }
    }
}

/// A set of needs, in one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Needs(u32);

impl Needs {
    /// No need.
    pub const NONE: Self = Self(0);

    /// The set with this one in it.
    #[must_use]
    pub const fn with(self, need: Need) -> Self {
        Self(self.0 | 1 << need as u8)
    }

    /// The set without this one.
    #[must_use]
    pub const fn without(self, need: Need) -> Self {
        Self(self.0 & !(1 << need as u8))
    }

    /// Whether this one is in the set.
    #[must_use]
    pub const fn contains(self, need: Need) -> bool {
        self.0 & (1 << need as u8) != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The needs in the order of the vocabulary.
    pub fn iter(self) -> impl Iterator<Item = Need> {
        Need::ALL
            .into_iter()
            .filter(move |need| self.contains(*need))
    }

    /// The set as it is stored: one bit for each need, in the order of [`Need::ALL`].
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// A stored set; bits that mean nothing are dropped.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & ((1 << Need::ALL.len()) - 1))
    }
}

impl FromIterator<Need> for Needs {
    fn from_iter<I: IntoIterator<Item = Need>>(needs: I) -> Self {
        needs.into_iter().fold(Self::NONE, Self::with)
    }
}

/// One requirement: of its needs one is enough. Never empty, and a check stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement(Needs);

impl Requirement {
    /// The requirement of one need.
    #[must_use]
    pub const fn of(need: Need) -> Self {
        Self(Needs::NONE.with(need))
    }

    /// Reads `email|phone`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut needs = Needs::NONE;
        for name in text.split('|').map(str::trim) {
            let need = Need::named(name).ok_or_else(|| unknown(name))?;
            needs = needs.with(need);
        }
        Self::new(needs).ok_or_else(|| {
            Invalid::new(
                FieldCode::ValueInvalid,
                format!("{text:?}: a check has no alternative"),
            )
        })
    }

    /// The requirement of a stored set.
    #[must_use]
    pub fn new(needs: Needs) -> Option<Self> {
        let single = needs.0.is_power_of_two();
        let sound = single || (!needs.is_empty() && !needs.iter().any(Need::is_check));
        sound.then_some(Self(needs))
    }

    /// What is enough.
    #[must_use]
    pub const fn alternatives(self) -> Needs {
        self.0
    }

    /// The check, if it is one.
    #[must_use]
    pub fn check(self) -> Option<Need> {
        self.0.iter().find(|need| need.is_check())
    }

    /// The name on the wire, alternatives joined by `|`.
    #[must_use]
    pub fn name(self) -> String {
        let names: Vec<_> = self.0.iter().map(Need::name).collect();
        names.join("|")
    }
}

fn unknown(name: &str) -> Invalid {
    let nearest = Need::ALL
        .map(Need::name)
        .into_iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let message = format!(
        "{name:?} is no requirement; did you mean {}?",
        nearest.unwrap_or_default()
    );
    Invalid::new(FieldCode::ValueInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vocabulary_is_in_its_order_and_reads_back() {
        for (place, need) in Need::ALL.into_iter().enumerate() {
            assert_eq!(need as usize, place);
            assert_eq!(Need::named(need.name()), Some(need));
            assert_eq!(need.is_check(), need.example().is_null());
        }
    }

    #[test]
    fn requirements_read_as_they_are_written() {
        for text in ["firstName", "email|phone", "geoCheck"] {
            assert_eq!(Requirement::parse(text).unwrap().name(), text);
        }
        assert_eq!(
            Requirement::parse("phone | email").unwrap().name(),
            "email|phone"
        );
        let near = Requirement::parse("firstname").unwrap_err();
        assert!(near.message.contains("firstName"), "{near:?}");
        assert!(Requirement::parse("geoCheck|email").is_err());
        assert!(Requirement::parse("").is_err());
    }
}
