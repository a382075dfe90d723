//! The name under which a list is in force, beside others.

use std::fmt;

/// Longest name.
const MAX_LENGTH: usize = 32;

/// A short name of small letters, digits and hyphens, like `ofac-sdn`, `eu` or `un`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListName(String);

impl ListName {
    /// The US Treasury's Specially Designated Nationals, under which a list stands that nobody
    /// named. Rows and marks of before lists had names are of this one.
    pub const OFAC_SDN: &'static str = "ofac-sdn";

    /// The US Treasury's consolidated list of those who are not among them.
    pub const OFAC_CONSOLIDATED: &'static str = "ofac-consolidated";

    /// Reads a name.
    ///
    /// # Errors
    /// With what a name is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let ends = |c: Option<&u8>| c.is_some_and(|c| *c != b'-');
        let bytes = text.as_bytes();
        if bytes.len() > MAX_LENGTH
            || !bytes.iter().all(|c| plain(*c))
            || !ends(bytes.first())
            || !ends(bytes.last())
        {
            return Err(format!(
                "a list is named with 1 to {MAX_LENGTH} small letters, digits and hyphens between them, like ofac-sdn, \
                 eu or un"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["ofac-sdn", "ofac-consolidated", "eu", "un", "2", "a-b-c"] {
            assert_eq!(
                ListName::parse(good).as_ref().map(ListName::as_str),
                Ok(good)
            );
        }
        let long = "a".repeat(MAX_LENGTH + 1);
        for bad in [
            "", "EU", "-eu", "eu-", "e/u", "e:u", "e u", "é", "a\"b", &long,
        ] {
            assert!(ListName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
