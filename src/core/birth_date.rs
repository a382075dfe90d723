//! A day of birth. Write-only: it enters, is sealed, and no answer or message
//! ever shows it again.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{FieldCode, Invalid};

/// Nobody is older than this.
pub const MAX_AGE_YEARS: i32 = 130;

/// A real day, not in the future and at most 130 years ago.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct BirthDate {
    year: i16,
    month: i8,
    day: i8,
}

impl BirthDate {
    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str, today: Date) -> Result<Self, Invalid> {
        let wrong = |message: &'static str| Err(Invalid::new(FieldCode::DateInvalid, message));
        let Some(date) = Self::trusted(text) else {
            return wrong(advice(text));
        };
        if date.date() > today {
            return wrong("must not be in the future; write year-month-day, like 1990-05-15");
        }
        if today.saturating_sub(MAX_AGE_YEARS.years()) > date.date() {
            return wrong("must not be over 130 years ago; write year-month-day, like 1990-05-15");
        }
        Ok(date)
    }

    /// Reads the form that [`BirthDate::expose`] writes, without a look at the calendar's today.
    pub(super) fn trusted(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 10
            && bytes.iter().enumerate().all(|(place, byte)| match place {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return None;
        }
        let (year, month, day) = (
            text[..4].parse().ok()?,
            text[5..7].parse().ok()?,
            text[8..].parse().ok()?,
        );
        Date::new(year, month, day).ok()?;
        Some(Self { year, month, day })
    }

    /// Shows the day as `YYYY-MM-DD`.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// Shows the day, to reckon an age with.
    ///
    /// # Panics
    /// Never: the constructor saw that the day is real.
    #[must_use]
    pub fn date(&self) -> Date {
        Date::new(self.year, self.month, self.day).expect("the constructor saw that it is real")
    }
}

/// What to do instead, by the shape of the text alone.
fn advice(text: &str) -> &'static str {
    if text.contains('/') {
        "must be a date like 1990-05-15: year, month, day, with hyphens in place of slashes"
    } else if text.contains('T') {
        "must be a date like 1990-05-15, without a time"
    } else {
        "must be a date like 1990-05-15 that the calendar has"
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("BirthDate(…)")
    }
}

impl PartialSchema for BirthDate {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
            .description(Some(format!(
                "A real date, not in the future and not over {MAX_AGE_YEARS} years ago.",
            )))
            .examples(["1990-05-15"])
            .into()
    }
}

impl ToSchema for BirthDate {}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = date(2025, 3, 1);

    fn message(text: &str) -> String {
        let wrong = BirthDate::parse(text, TODAY).unwrap_err();
        assert_eq!(wrong.code, FieldCode::DateInvalid);
        wrong.message.into_owned()
    }

    #[test]
    fn the_edges_of_the_range() {
        for text in ["2025-03-01", "1895-03-01", "2024-02-29", "1990-05-15"] {
            let day =
                BirthDate::parse(text, TODAY).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            assert_eq!(day.expose(), text);
            assert_eq!(format!("{day:?}"), "BirthDate(…)");
        }
        assert!(message("2025-03-02").contains("future"));
        assert!(message("1895-02-28").contains("130 years"));
    }

    #[test]
    fn advice_fits_the_mistake_and_repeats_nothing() {
        for text in ["05/15/1990", "1990/05/15", "15/05/1990"] {
            assert!(message(text).starts_with("must be a date like 1990-05-15"));
            assert!(message(text).contains("slashes"));
        }
        assert!(message("1991-06-16T00:00:00Z").contains("without a time"));
        for text in [
            "",
            "1991-02-29",
            "1991-13-01",
            "1991-6-16",
            "+991-06-16",
            "1991-06-16 ",
            "١٩٩٠-05",
            "0000-00-00",
        ] {
            assert!(!message(text).contains("1991"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_of_the_range_survives_its_text(days in 0i32..365 * 129) {
            let day = TODAY.checked_sub(days.days()).expect("in range");
            let parsed = BirthDate::parse(&day.to_string(), TODAY).expect("a real day");
            prop_assert_eq!(parsed.date(), day);
            prop_assert_eq!(parsed.expose(), day.to_string());
        }

        #[test]
        fn anything_else_is_refused(text in "[0-9/T -]{0,12}|\\PC{0,12}") {
            if let Ok(day) = BirthDate::parse(&text, TODAY) {
                prop_assert_eq!(day.expose(), text);
            }
        }
    }
}
