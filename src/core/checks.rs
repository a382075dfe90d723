//! The checks that look at a customer as a whole, each a pure function: what it
//! was told decides, and nothing else.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::civil::Date;

use super::country::Country;
use super::geo::{GeoDatabase, GeoPolicy};
use super::screening::{Hit, STAYS, Subject, THRESHOLD, marked};
use super::watchlist::InForce;

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// Nothing stands against the customer.
    Passed,
    /// It could not be done, or not whole; why.
    NotDone(&'static str),
    /// Something stands against the customer.
    Issue {
        /// What, for programs.
        code: &'static str,
        /// What, for the developer; no personal data.
        developer: String,
        /// What, for the customer; tells nobody how to get around it.
        customer: &'static str,
    },
}

/// Whether somebody born on a day is of an age on another. Who is born on
/// 29 February comes of age on 1 March in years without one.
#[must_use]
pub fn minimum_age(birth_date: Date, today: Date, years: u8) -> CheckResult {
    if age(birth_date, today) >= i16::from(years) {
        return CheckResult::Passed;
    }
    CheckResult::Issue {
        code: "minimumAge",
        developer: format!("the customer is younger than {years} years"),
        customer: "You are not old enough for this service.",
    }
}

/// Whole years from a birth to a day.
#[must_use]
pub fn age(birth_date: Date, today: Date) -> i16 {
    let before = (today.month(), today.day()) < (birth_date.month(), birth_date.day());
    today.year() - birth_date.year() - i16::from(before)
}

/// Whether nationality, residence or the address of the connection belong to a
/// country that is refused. Without a database the last part is not done, and
/// the result says so unless the others stand against the customer.
#[must_use]
pub fn geo(
    policy: &GeoPolicy,
    nationality: Option<Country>,
    residence: Option<Country>,
    ip: Option<(&GeoDatabase, IpAddr)>,
) -> CheckResult {
    let refused = |what: &str, country: Country| CheckResult::Issue {
        code: "countryRefused",
        developer: format!(
            "{what} is in a country that the policy refuses: {}",
            country.code()
        ),
        customer: "This service is not available in your country.",
    };
    for (what, country) in [
        ("nationality", nationality),
        ("residentialAddress", residence),
    ] {
        if let Some(country) = country.filter(|country| policy.refuses(*country)) {
            return refused(what, country);
        }
    }
    let Some((database, address)) = ip else {
        return CheckResult::NotDone(
            "ipAddress was not checked: there is none, or no geo_database is configured",
        );
    };
    match database.country(address) {
        Ok(Some(country)) if policy.refuses(country) => refused("ipAddress", country),
        Ok(_) => CheckResult::Passed,
        Err(_) => CheckResult::NotDone("ipAddress was not checked: the geo_database is damaged"),
    }
}

/// Whether the subject may be somebody on the lists in force, with the marks of everybody it may
/// be. `open` are the marks of the hits that stand against the customer already: those of a list
/// that was removed stay, for there is nothing left to compare with.
#[must_use]
pub fn sanctions(
    lists: Option<&InForce>,
    subject: &Subject,
    open: &[String],
) -> (CheckResult, Vec<String>) {
    let Some(lists) = lists else {
        return (
            CheckResult::NotDone("no watch list is imported; see oms watchlist import"),
            Vec::new(),
        );
    };
    let mut hits = lists.screen_above(subject, f64::min(STAYS, THRESHOLD));
    hits.retain(|hit| hit.score >= THRESHOLD || open.iter().any(|mark| hit.is_of(mark)));
    let removed: Vec<_> = open
        .iter()
        .filter(|mark| !lists.has(marked(mark).0))
        .collect();
    let developer = match (&hits[..], &removed[..]) {
        ([best, others @ ..], _) => format!(
            "may be entry {} of the watch list {}, score {:.2}{}; a person decides",
            best.entry.id,
            best.list,
            best.score,
            more(others)
        ),
        ([], [mark, ..]) => {
            let (list, entry) = marked(mark);
            format!(
                "was like entry {entry} of the watch list {list}, which was removed since; a person decides"
            )
        }
        ([], []) => {
            let result = subject.unread().map_or(CheckResult::Passed, unread);
            return (result, Vec::new());
        }
    };
    let issue = CheckResult::Issue {
        code: "sanctionsHit",
        developer,
        customer: UNVERIFIED,
    };
    let marks = hits
        .iter()
        .map(Hit::mark)
        .chain(removed.into_iter().cloned());
    (issue, marks.collect())
}

/// How many hits there are beside the best, and on which lists.
fn more(others: &[Hit]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let lists: BTreeSet<&str> = others.iter().map(|hit| &*hit.list).collect();
    let lists: Vec<_> = lists.into_iter().collect();
    format!(", and {} more on {}", others.len(), lists.join(", "))
}

/// What the customer is told of a screening that a person looks at.
const UNVERIFIED: &str = "We could not verify your details. We will get back to you.";

fn unread(why: &'static str) -> CheckResult {
    CheckResult::Issue {
        code: "nameNotCompared",
        developer: format!("the name was not compared whole: {why}; a person decides"),
        customer: UNVERIFIED,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn is_issue(result: &CheckResult, code: &str) -> bool {
        matches!(result, CheckResult::Issue { code: found, .. } if *found == code)
    }

    #[test]
    fn an_age_is_reached_on_the_birthday() {
        let born = date(2007, 3, 15);
        assert!(is_issue(
            &minimum_age(born, date(2025, 3, 14), 18),
            "minimumAge"
        ));
        assert_eq!(
            minimum_age(born, date(2025, 3, 15), 18),
            CheckResult::Passed
        );
        let leap = date(2004, 2, 29);
        assert_eq!(age(leap, date(2022, 2, 28)), 17);
        assert_eq!(age(leap, date(2022, 3, 1)), 18);
        assert_eq!(age(leap, date(2024, 2, 29)), 20);
        assert_eq!(age(date(2000, 12, 31), date(2001, 1, 1)), 0);
    }

    #[test]
    fn refused_countries_are_found_wherever_they_stand() {
        let country = |code| Country::assigned(code);
        let policy = GeoPolicy::new(["KP", "IR"].into_iter().filter_map(country));
        let stand =
            |nationality, residence| geo(&policy, country(nationality), country(residence), None);
        assert!(is_issue(&stand("IR", "DE"), "countryRefused"));
        assert!(is_issue(&stand("DE", "KP"), "countryRefused"));
        assert!(
            matches!(stand("DE", "DE"), CheckResult::NotDone(why) if why.contains("ipAddress"))
        );
    }

    #[test]
    fn without_a_list_nothing_is_screened() {
        let (result, hits) = sanctions(None, &Subject::default(), &[]);
        assert!(matches!(result, CheckResult::NotDone(_)) && hits.is_empty());
    }
}
