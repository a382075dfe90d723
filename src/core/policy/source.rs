//! Reads a policy file. What is wrong is told with its line.

use serde::Deserialize;
use toml::Spanned;

use super::{Policy, Requirement, Rule, Where};
use crate::core::country::Country;
use crate::core::endorsement::EndorsementName;
use crate::core::policy::Need;

/// The most rules of a policy.
const MAX_RULES: usize = 200;

/// Why a policy does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be accepted.
    pub reason: String,
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for PolicyError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: Spanned<String>,
    version: Spanned<u32>,
    minimum_age: Spanned<u8>,
    #[serde(default)]
    refused_countries: Vec<Spanned<String>>,
    rule: Spanned<Vec<Spanned<RuleDocument>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleDocument {
    id: Spanned<String>,
    endorsements: Vec<Spanned<String>>,
    ask: Vec<Spanned<String>>,
    residence: Option<Vec<Spanned<String>>>,
    residence_not: Option<Vec<Spanned<String>>>,
    nationality: Option<Vec<Spanned<String>>>,
    nationality_not: Option<Vec<Spanned<String>>>,
}

/// The text, to find lines in.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl Source<'_> {
    fn refuse<T>(self, at: usize, reason: impl Into<String>) -> Result<T, PolicyError> {
        let before = self.0.get(..at).unwrap_or(self.0);
        Err(PolicyError {
            line: before.matches('\n').count() + 1,
            reason: reason.into(),
        })
    }

    fn countries(self, codes: &[Spanned<String>]) -> Result<Vec<Country>, PolicyError> {
        let read = codes.iter().map(|code| {
            let country = Country::assigned(code.get_ref());
            match country {
                Some(country) => Ok(country),
                None => self.refuse(
                    code.span().start,
                    format!(
                        "{:?} is no ISO 3166-1 alpha-2 code in upper case",
                        code.get_ref()
                    ),
                ),
            }
        });
        read.collect()
    }

    fn place(
        self,
        inside: Option<&Vec<Spanned<String>>>,
        outside: Option<&Vec<Spanned<String>>>,
        at: usize,
    ) -> Result<Where, PolicyError> {
        match (inside, outside) {
            (None, None) => Ok(Where::Anywhere),
            (Some(codes), None) => self.countries(codes).map(Where::In),
            (None, Some(codes)) => self.countries(codes).map(Where::NotIn),
            (Some(_), Some(_)) => {
                self.refuse(at, "a rule names countries or those left out, not both")
            }
        }
    }

    fn rule(self, at: usize, rule: &RuleDocument) -> Result<Rule, PolicyError> {
        let id = rule.id.get_ref();
        if id.is_empty() || id.len() > 64 || id.chars().any(char::is_control) {
            return self.refuse(rule.id.span().start, "an id has 1 to 64 characters");
        }
        let mut endorsements = [false; EndorsementName::ALL.len()];
        for name in &rule.endorsements {
            match EndorsementName::parse(name.get_ref()) {
                Ok(name) => endorsements[name as usize] = true,
                Err(invalid) => {
                    let reason = format!("{:?} {}", name.get_ref(), invalid.message);
                    return self.refuse(name.span().start, reason);
                }
            }
        }
        let mut ask = Vec::with_capacity(rule.ask.len());
        for text in &rule.ask {
            match Requirement::parse(text.get_ref()) {
                Ok(requirement) => ask.push(requirement),
                Err(invalid) => return self.refuse(text.span().start, invalid.message),
            }
        }
        if ask.is_empty() || !endorsements.contains(&true) {
            return self.refuse(
                at,
                "a rule has at least one endorsement and asks for something",
            );
        }
        Ok(Rule {
            id: id.clone(),
            endorsements,
            ask,
            residence: self.place(rule.residence.as_ref(), rule.residence_not.as_ref(), at)?,
            nationality: self.place(
                rule.nationality.as_ref(),
                rule.nationality_not.as_ref(),
                at,
            )?,
        })
    }

    /// A condition is of use only where the policy learns what it speaks of.
    fn check_conditions(self, rule: &Rule, all: &[Rule], at: usize) -> Result<(), PolicyError> {
        let pairs = [
            (&rule.residence, Need::Country),
            (&rule.nationality, Need::Nationality),
        ];
        for (condition, need) in pairs {
            if *condition == Where::Anywhere {
                continue;
            }
            let asks = |other: &Rule, name| {
                let everywhere =
                    other.residence == Where::Anywhere && other.nationality == Where::Anywhere;
                everywhere && other.is_for(name) && other.ask.contains(&Requirement::of(need))
            };
            for name in EndorsementName::ALL {
                if rule.is_for(name) && !all.iter().any(|other| asks(other, name)) {
                    let reason = format!(
                        "the rule {:?} depends on {need}, for which no rule of {name} asks everywhere",
                        rule.id,
                        need = need.name(),
                        name = name.name()
                    );
                    return self.refuse(at, reason);
                }
            }
        }
        Ok(())
    }
}

/// Reads a policy file.
pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let source = Source(text);
    let document: Document = match toml::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            return source.refuse(at, error.message());
        }
    };
    let name = document.name.get_ref();
    if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        return source.refuse(document.name.span().start, "a name has 1 to 64 characters");
    }
    if *document.version.get_ref() == 0 {
        return source.refuse(document.version.span().start, "versions count from 1");
    }
    if *document.minimum_age.get_ref() > 120 {
        return source.refuse(document.minimum_age.span().start, "nobody is that old");
    }
    let list = document.rule.get_ref();
    if list.is_empty() || list.len() > MAX_RULES {
        let reason = format!("a policy has 1 to {MAX_RULES} rules");
        return source.refuse(document.rule.span().start, reason);
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(list.len());
    for rule in list {
        let read = source.rule(rule.span().start, rule.get_ref())?;
        if rules.iter().any(|known| known.id == read.id) {
            let at = rule.get_ref().id.span().start;
            return source.refuse(at, format!("there is a rule {:?} already", read.id));
        }
        rules.push(read);
    }
    for (rule, document) in rules.iter().zip(list) {
        source.check_conditions(rule, &rules, document.get_ref().id.span().start)?;
    }
    Ok(Policy {
        name: name.clone(),
        version: *document.version.get_ref(),
        minimum_age: *document.minimum_age.get_ref(),
        refused_countries: source.countries(&document.refused_countries)?,
        rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::DEFAULT_SOURCE;

    #[track_caller]
    fn refused(from: &str, to: &str) -> String {
        assert!(DEFAULT_SOURCE.contains(from));
        parse(&DEFAULT_SOURCE.replacen(from, to, 1))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_broken_policy_says_where_and_why() {
        let line = |needle: &str| {
            let at = DEFAULT_SOURCE
                .lines()
                .position(|line| line.contains(needle));
            format!("line {}:", at.unwrap() + 1)
        };
        for (from, to, why) in [
            ("\"birthDate\"", "\"birthdate\"", "did you mean birthDate"),
            ("\"KP\"", "\"XX\"", "\"XX\" is no ISO"),
            ("minimum_age = 18", "minimum_age = \"x\"", "invalid type"),
            ("\"contact\"", "\"name\"", "already"),
            ("id = \"name\"", "id = \"name\"\nwhen = 1", "unknown field"),
        ] {
            let told = refused(from, to);
            assert!(told.contains(why), "{told}");
            if !from.contains("id =") {
                assert!(told.starts_with(&line(from)), "{told}");
            }
        }
        assert!(refused("version = 2", "version = 0").contains("from 1"));
        assert!(refused(", \"residentialAddress.country\"", "").contains("depends on"));
        assert!(parse("").is_err() && parse("[").is_err());
    }
}
