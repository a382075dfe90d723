//! What the remarks of a record say: birth dates, countries, weak aliases. They
//! are phrases in English, divided by semicolons.

use jiff::civil::Date;

use super::{Born, Tie};

/// One phrase that is understood.
#[derive(Debug, PartialEq)]
pub(super) enum Remark<'a> {
    /// A birth date.
    Born(Born),
    /// A country, or a place that ends in one.
    Place(Tie, &'a str),
    /// A weak alias.
    Weak(&'a str),
    /// Another name; `true` for a former one.
    Other(&'a str, bool),
}

/// The phrases that are understood; the others are left aside.
pub(super) fn read(text: &str) -> impl Iterator<Item = Remark<'_>> {
    text.split(';').filter_map(|phrase| {
        let phrase = phrase.trim();
        let phrase = phrase.strip_suffix('.').unwrap_or(phrase);
        let phrase = phrase.strip_prefix("alt. ").unwrap_or(phrase);
        let (word, rest) = phrase.split_once(' ')?;
        let rest = rest.trim();
        match word {
            "DOB" => born(rest).map(Remark::Born),
            "POB" => Some(Remark::Place(Tie::BirthPlace, rest)),
            "nationality" | "Nationality" => Some(Remark::Place(Tie::Nationality, rest)),
            "citizen" | "Citizen" => Some(Remark::Place(Tie::Citizenship, rest)),
            "a.k.a." => Some(Remark::Weak(unquoted(rest))),
            "f.k.a." => Some(Remark::Other(unquoted(rest), true)),
            "n.k.a." => Some(Remark::Other(unquoted(rest), false)),
            _ => None,
        }
    })
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['\'', '"', ' '])
}

/// `05 Mar 1962`, `Mar 1962`, `1962`, `circa 1962`, `1962 to 1964`, `1962-1964`.
fn born(text: &str) -> Option<Born> {
    let (text, circa) = match text.strip_prefix("circa ") {
        Some(rest) => (rest.trim(), true),
        None => (text, false),
    };
    let (first, last) = text
        .split_once(" to ")
        .or_else(|| text.split_once('-'))
        .unwrap_or((text, text));
    let (from, to) = (day(first)?.0, day(last)?.1);
    (from <= to).then_some(Born { from, to, circa })
}

/// The first and the last day that a date can mean.
fn day(text: &str) -> Option<(Date, Date)> {
    let text = text.trim();
    let text = text.strip_prefix("circa ").unwrap_or(text);
    let mut words = text.split_whitespace().rev();
    let year: i16 = words
        .next()
        .filter(|year| year.len() == 4)?
        .parse()
        .ok()
        .filter(|year| *year > 0)?;
    let Some(month) = words.next() else {
        return Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?));
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let first = Date::new(year, i8::try_from(month + 1).ok()?, 1).ok()?;
    match words.next() {
        None => Some((first, first.last_of_month())),
        Some(day) => {
            let date = Date::new(year, first.month(), day.parse().ok()?).ok()?;
            Some((date, date))
        }
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn range(text: &str) -> Option<(Date, Date, bool)> {
        born(text).map(|born| (born.from, born.to, born.circa))
    }

    #[test]
    fn every_published_form_of_a_birth_date() {
        let exact = date(1962, 3, 5);
        assert_eq!(range("05 Mar 1962"), Some((exact, exact, false)));
        let year = (date(1962, 1, 1), date(1962, 12, 31));
        assert_eq!(range("1962"), Some((year.0, year.1, false)));
        assert_eq!(range("circa 1962"), Some((year.0, year.1, true)));
        assert_eq!(
            range("Feb 1964"),
            Some((date(1964, 2, 1), date(1964, 2, 29), false))
        );
        let years = (date(1979, 1, 1), date(1982, 12, 31));
        assert_eq!(range("1979 to 1982"), Some((years.0, years.1, false)));
        assert_eq!(range("circa 1979-1982"), Some((years.0, years.1, true)));
        for text in [
            "",
            "1982 to 1979",
            "31 Feb 1980",
            "05 März 1962",
            "62",
            "unknown",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn phrases_are_told_apart() {
        let text = "DOB 1984; alt. DOB 1985; POB Tehran, Iran; nationality Iran; Gender Male; a.k.a. 'CHAPORI, Petit'.";
        let found: Vec<_> = read(text).collect();
        assert_eq!(found.len(), 5);
        assert_eq!(found[2], Remark::Place(Tie::BirthPlace, "Tehran, Iran"));
        assert_eq!(found[4], Remark::Weak("CHAPORI, Petit"));
    }
}
