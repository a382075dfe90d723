//! What is found out about a customer without asking the customer.

use jiff::ToSpan;
use jiff::civil::Date;

use super::birth_date::BirthDate;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// All is well.
    Passed,
    /// It could not be made, for this reason: somebody has to look.
    NotDone(&'static str),
    /// Something is to be mended or decided.
    Issue {
        /// A word that programs act on.
        code: &'static str,
        /// For the developer.
        developer: String,
        /// Safe to show to the customer.
        customer: String,
    },
}

/// Passed from the birthday on which somebody is so many years old.
#[must_use]
pub fn minimum_age(birth: Option<&BirthDate>, today: Date, years: u8) -> CheckResult {
    let Some(birth) = birth else {
        return CheckResult::NotDone("the birth date is not known");
    };
    if birth.date().saturating_add(i32::from(years).years()) <= today {
        return CheckResult::Passed;
    }
    CheckResult::Issue {
        code: "underage",
        developer: format!("The customer is not {years} years old yet."),
        customer: format!("You must be at least {years} years old."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_birthday_counts() {
        let today = jiff::civil::date(2026, 3, 1);
        let birth = |text| BirthDate::parse(text, today).unwrap();
        let passed = |text| minimum_age(Some(&birth(text)), today, 18) == CheckResult::Passed;
        assert!(passed("2008-03-01"));
        assert!(!passed("2008-03-02"));
        assert!(matches!(
            minimum_age(None, today, 18),
            CheckResult::NotDone(_)
        ));
    }
}
