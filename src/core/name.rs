//! A part of a person's name, in any script.
//!
//! Lenient on purpose: apostrophes, hyphens, periods, commas, parentheses,
//! slashes (`a/l`) and digits (`3rd`) occur in real names. What cannot stand in
//! one is refused: control and invisible characters, symbols and emoji, and a
//! name without a single letter.

use unicode_normalization::UnicodeNormalization;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::personal::Personal;
use super::text::{CONTROL, INVISIBLE, Ranges, is_in, line, refuse_in, short_class};
use crate::error::{FieldCode, Invalid};

/// The most characters of one part of a name.
pub const MAX_LENGTH: usize = 100;

/// What stands in no name, beside control and invisible characters.
const SYMBOLS: &Ranges = &[
    ('!', '&'),
    ('*', '+'),
    (':', '@'),
    ('[', '_'),
    ('{', '~'),
    ('\u{a1}', '\u{a9}'),
    ('\u{ab}', '\u{ac}'),
    ('\u{ae}', '\u{b3}'),
    ('\u{b6}', '\u{b6}'),
    ('\u{b8}', '\u{b9}'),
    ('\u{bb}', '\u{bf}'),
    ('\u{d7}', '\u{d7}'),
    ('\u{f7}', '\u{f7}'),
    ('\u{37e}', '\u{37e}'),
    ('\u{201a}', '\u{2021}'),
    ('\u{2023}', '\u{2026}'),
    ('\u{2030}', '\u{205e}'),
    ('\u{2070}', '\u{2bff}'),
    ('\u{2e00}', '\u{2e7f}'),
    ('\u{3001}', '\u{3004}'),
    ('\u{3008}', '\u{3020}'),
    ('\u{3200}', '\u{33ff}'),
    ('\u{4dc0}', '\u{4dff}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fe10}', '\u{fe1f}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff01}', '\u{ff0f}'),
    ('\u{ff1a}', '\u{ff20}'),
    ('\u{ff3b}', '\u{ff40}'),
    ('\u{ff5b}', '\u{ff64}'),
    ('\u{ffe0}', '\u{ffff}'),
    ('\u{1d000}', '\u{1d35f}'),
    ('\u{1f000}', '\u{1fbff}'),
    ('\u{e0000}', '\u{e007f}'),
    ('\u{f0000}', '\u{10ffff}'),
];

/// What may stand in a name but does not make one.
const NO_LETTERS: &Ranges = &[
    (' ', '@'),
    ('`', '`'),
    ('\u{a0}', '\u{a0}'),
    ('\u{b4}', '\u{b4}'),
    ('\u{b7}', '\u{b7}'),
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{2000}', '\u{206f}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{30fb}', '\u{30fb}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{fe20}', '\u{fe2f}'),
    ('\u{ff10}', '\u{ff19}'),
    ('\u{e0100}', '\u{e01ef}'),
];

/// A first, middle or last name: 1 to 100 characters, trimmed, in Unicode NFC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonName(Personal);

impl PersonName {
    /// Reads a name; surrounding white space is cut.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = line(text, usize::MAX)?;
        // ASCII is in its normal form.
        let normal: String = if text.is_ascii() {
            text.to_owned()
        } else {
            text.nfc().collect()
        };
        let what = "what stands in no name (letters of any script, spaces, apostrophes, hyphens and periods do)";
        let refuse = |form: &str| refuse_in(&[CONTROL, INVISIBLE, SYMBOLS], form, what);
        refuse(text)?;
        if normal != text {
            refuse(&normal)?;
        }
        if normal.chars().count() > MAX_LENGTH {
            return Err(Invalid::new(
                FieldCode::TooLong,
                format!("must have at most {MAX_LENGTH} characters"),
            ));
        }
        if !text.chars().any(|character| !is_in(NO_LETTERS, character)) {
            return Err(Invalid::new(
                FieldCode::CharacterInvalid,
                "must be a name: it needs at least one letter",
            ));
        }
        Ok(Self(Personal::new(normal)))
    }

    /// Takes what was stored, which was parsed once.
    pub(super) fn trusted(text: Box<str>) -> Self {
        Self(Personal::new(text))
    }

    /// Shows the name.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What a name looks like, with the character classes written one way or another.
fn pattern(class: fn(&[&Ranges]) -> String) -> String {
    let any = class(&[CONTROL, INVISIBLE, SYMBOLS]);
    let letter = class(&[CONTROL, INVISIBLE, SYMBOLS, NO_LETTERS]);
    format!("^[^{any}]*[^{letter}][^{any}]*$")
}

impl PartialSchema for PersonName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A name in any script, with at least one letter. Surrounding white space is cut and the rest kept in Unicode NFC; the length counts after that.",
            ))
            .min_length(Some(1))
            .max_length(Some(MAX_LENGTH))
            .pattern(Some(pattern(short_class)))
            .examples(["Ada", "Nguyễn", "O’Brien-Sørensen"])
            .into()
    }
}

impl ToSchema for PersonName {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::{class, written_by};
    use super::*;

    fn code(text: &str) -> FieldCode {
        PersonName::parse(text).unwrap_err().code
    }

    #[test]
    fn the_ranges_stand_in_their_order() {
        for table in [SYMBOLS, NO_LETTERS] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }

    #[test]
    fn real_names_are_accepted() {
        for name in [
            "Ada",
            "O'Brien",
            "O’Brien",
            "Jean-Luc",
            "J. R. R.",
            "Nguyễn",
            "李",
            "山田　太郎",
            "محمد",
            "Ольга",
            "Ἀλέξανδρος",
            "Gal·la",
            "Mª José",
            "a/l Raman",
            "John 3rd",
            "X Æ A-12",
            "नरेंद्र",
            "Sitnikova-Löwe",
            "Mwangi wa Thiong'o",
            "瓦歷斯‧諾幹",
            "瓦歷斯・諾幹",
            "古丽•买买提",
            "علی\u{200c}رضا",
            "辻\u{e0100}",
        ] {
            let parsed =
                PersonName::parse(name).unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
            assert_eq!(parsed.expose(), name.nfc().collect::<String>());
        }
    }

    #[test]
    fn other_things_are_refused() {
        assert_eq!(code(""), FieldCode::TooShort);
        assert_eq!(code("  \u{3000}"), FieldCode::TooShort);
        for text in [
            "A\nda",
            "A\0da",
            "Ada🎉",
            "<b>",
            "a@b",
            "42",
            "-",
            "'",
            "A\u{200b}da",
            "A\u{202e}da",
            "A\u{61c}da",
            "A\u{2060}da",
            "A\u{34f}da",
            "A\u{e0041}da",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}\u{1160}",
            "\u{2800}",
            "\u{200d}",
            "\u{fe0f}",
            "\u{301}",
            "\u{1ab0}",
        ] {
            assert_eq!(code(text), FieldCode::CharacterInvalid, "{text:?}");
        }
        assert_eq!(code(&"a".repeat(101)), FieldCode::TooLong);
        assert!(PersonName::parse(&format!(" {} ", "a".repeat(100))).is_ok());
    }

    #[test]
    fn names_are_trimmed_and_composed() {
        let name = PersonName::parse(" Ame\u{301}lie ").expect("a name");
        assert_eq!(name.expose(), "Am\u{e9}lie");
        assert_eq!(format!("{name:?}"), "PersonName(…)");
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_accepted_again_unchanged(text in "\\PC{0,120}") {
            if let Ok(name) = PersonName::parse(&text) {
                let again = PersonName::parse(name.expose()).expect("accepted before");
                prop_assert_eq!(again.expose(), name.expose());
                prop_assert!(name.expose().chars().count() <= MAX_LENGTH);
                prop_assert_eq!(name.expose().trim(), name.expose());
            }
        }

        #[test]
        fn what_the_pattern_writes_is_accepted(text in written_by(&pattern(class))) {
            let fits = text.nfc().count() <= MAX_LENGTH;
            prop_assert_eq!(PersonName::parse(&text).is_ok(), fits, "{:?}", text);
        }

        #[test]
        fn letters_are_always_accepted(text in "\\p{Lu}[\\p{Ll}\\p{Lo}]{0,20}") {
            let odd = text.chars().any(|character| [CONTROL, INVISIBLE, SYMBOLS].iter().any(|table| is_in(table, character)));
            prop_assert!(odd || PersonName::parse(&text).is_ok());
        }
    }
}
