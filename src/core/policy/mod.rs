//! Which endorsement asks for what, and where: data, never code. A policy that
//! is in memory is sound; a file that is not says so with line and reason.

mod need;
mod source;

use std::sync::{Arc, LazyLock};

pub use need::{Need, Needs, Requirement};
pub use source::PolicyError;

use super::country::Country;
use super::endorsement::EndorsementName;

/// The text of the policy that is built in, comments included.
pub const DEFAULT_SOURCE: &str = include_str!("../../../policies/default.toml");

static DEFAULT: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let policy = Policy::parse(DEFAULT_SOURCE).expect("a test reads the built-in policy");
    Arc::new(policy)
});

/// A sound policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What answers call it.
    pub name: String,
    /// Rises with every change; the author counts.
    pub version: u32,
    /// Years of age from which `minimumAge` is passed.
    pub minimum_age: u8,
    /// What `geoCheck` refuses.
    pub refused_countries: Vec<Country>,
    rules: Vec<Rule>,
}

/// Asks for requirements, for some endorsements and some countries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What answers call it; unique in its policy.
    pub id: String,
    endorsements: [bool; EndorsementName::ALL.len()],
    ask: Vec<Requirement>,
    residence: Where,
    nationality: Where,
}

/// Countries for which a rule is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Where {
    #[default]
    Anywhere,
    In(Vec<Country>),
    NotIn(Vec<Country>),
}

impl Where {
    /// A country that is not known may be any.
    fn holds(&self, country: Option<Country>) -> bool {
        match (self, country) {
            (Self::Anywhere, _) | (_, None) => true,
            (Self::In(list), Some(country)) => list.contains(&country),
            (Self::NotIn(list), Some(country)) => !list.contains(&country),
        }
    }
}

/// One requirement of one endorsement, and the rule that asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What is asked for.
    pub requirement: Requirement,
    /// Which rule asks.
    pub rule: &'a Rule,
}

impl Policy {
    /// The policy that is built in.
    #[must_use]
    pub fn built_in() -> Arc<Self> {
        Arc::clone(&DEFAULT)
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        source::parse(text)
    }

    /// The rules in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What an endorsement asks of a customer, each requirement once, in the
    /// order of the file. The others ask for what `basic` asks for, too.
    #[must_use]
    pub fn asked(
        &self,
        name: EndorsementName,
        residence: Option<Country>,
        nationality: Option<Country>,
    ) -> Vec<Asked<'_>> {
        let mut asked: Vec<Asked<'_>> = Vec::with_capacity(24);
        for rule in &self.rules {
            let meant = rule.is_for(name);
            if !meant || !rule.residence.holds(residence) || !rule.nationality.holds(nationality) {
                continue;
            }
            for requirement in rule.ask.iter().copied() {
                if !asked.iter().any(|known| known.requirement == requirement) {
                    asked.push(Asked { requirement, rule });
                }
            }
        }
        asked
    }

    /// What a decision speaks of when it names no requirement: the check that a
    /// person makes, else the last one that the endorsement asks for.
    #[must_use]
    pub fn subject(&self, name: EndorsementName) -> Requirement {
        let verification = Requirement::of(Need::IdentityVerification);
        let asked = self.asked(name, None, None);
        let all = || asked.iter().map(|asked| asked.requirement);
        all()
            .find(|requirement| *requirement == verification)
            .or_else(|| all().rfind(|requirement| requirement.check().is_some()))
            .or_else(|| all().next_back())
            .unwrap_or(verification)
    }
}

impl Rule {
    /// Whether an endorsement asks for what this rule asks for.
    #[must_use]
    pub fn is_for(&self, name: EndorsementName) -> bool {
        self.endorsements[name as usize] || self.endorsements[EndorsementName::Basic as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: EndorsementName, residence: &str) -> Vec<String> {
        let country = Country::assigned(residence);
        let policy = Policy::built_in();
        let asked = policy.asked(name, country, country);
        asked.iter().map(|asked| asked.requirement.name()).collect()
    }

    #[test]
    fn the_built_in_policy_is_that_of_the_contract() {
        let basic = [
            "firstName|lastName",
            "email|phone",
            "birthDate",
            "nationality",
            "residentialAddress.line1",
            "residentialAddress.city",
            "residentialAddress.country",
            "signedAgreement",
            "minimumAge",
            "geoCheck",
            "sanctionsScreening",
        ];
        assert_eq!(names(EndorsementName::Basic, "DE"), basic);
        let custody = names(EndorsementName::CryptoCustody, "DE");
        assert_eq!(custody[..11], basic);
        assert_eq!(
            custody[11..],
            ["identifyingInformation", "identityVerification"]
        );
        assert_eq!(names(EndorsementName::Usd, "DE"), custody);
        let us = names(EndorsementName::Usd, "US");
        for only_there in [
            "residentialAddress.state",
            "residentialAddress.zipCode",
            "identifyingInformation.ssn|identifyingInformation.itin",
        ] {
            assert!(us.iter().any(|name| name == only_there), "{us:?}");
        }
        assert_eq!(us.len(), custody.len() + 3);
        for territory in ["AS", "GU", "MP", "PR", "UM", "VI"] {
            assert_eq!(
                names(EndorsementName::Usd, territory),
                [&custody[..], &us[us.len() - 1..]].concat()
            );
        }
    }

    #[test]
    fn a_decision_has_something_to_speak_of() {
        let policy = Policy::built_in();
        assert_eq!(
            policy.subject(EndorsementName::Basic).name(),
            "sanctionsScreening"
        );
        assert_eq!(
            policy.subject(EndorsementName::Usd).name(),
            "identityVerification"
        );
    }
}
