//! Which characters a text may hold, as one table for the parser and for the
//! regular expression in the schema, so that the two cannot differ.

use crate::error::{FieldCode, Invalid};

/// Inclusive ranges of characters, in their order.
pub(super) type Ranges = [(char, char)];

/// Control characters, and those that break or reorder a line unseen.
pub(super) const CONTROL: &Ranges = &[
    ('\0', '\x1f'),
    ('\x7f', '\u{9f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2066}', '\u{2069}'),
];

/// White space that is no control character.
pub(super) const SPACE: &Ranges = &[
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{3000}', '\u{3000}'),
];

/// What takes no ink and is part of no text that people write.
pub(super) const INVISIBLE: &Ranges = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200b}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2060}', '\u{2065}'),
    ('\u{206a}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e00ff}'),
    ('\u{e01f0}', '\u{e0fff}'),
];

/// What takes no ink and shapes the characters beside it: it stands in Persian and Indian
/// words, and chooses among forms of one character. By itself it is nothing to see.
pub(super) const JOINERS: &Ranges = &[
    ('\u{180b}', '\u{180d}'),
    ('\u{180f}', '\u{180f}'),
    ('\u{200c}', '\u{200d}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{e0100}', '\u{e01ef}'),
];

/// Whether a character is shown as nothing, wherever it stands: all that Unicode calls
/// default-ignorable, and more.
pub(super) fn is_ignorable(character: char) -> bool {
    let hidden = !character.is_ascii() && !character.is_whitespace();
    hidden
        && [INVISIBLE, JOINERS, CONTROL]
            .iter()
            .any(|table| is_in(table, character))
}

/// Refuses characters of the tables, and says at which place the first stands.
pub(super) fn refuse_in(tables: &[&Ranges], text: &str, what: &str) -> Result<(), Invalid> {
    let found = text
        .chars()
        .position(|character| tables.iter().any(|table| is_in(table, character)));
    found.map_or(Ok(()), |place| {
        Err(Invalid::new(
            FieldCode::CharacterInvalid,
            format!("must not hold {what}; one stands at place {}", place + 1),
        ))
    })
}

/// Whether the character lies in one of the ranges. Most characters of a text come before all
/// but a few of them, and are asked about for every field.
pub(super) fn is_in(ranges: &Ranges, character: char) -> bool {
    let mut begun = ranges.iter().take_while(|(first, _)| *first <= character);
    begun.any(|(_, last)| character <= *last)
}

/// The ranges as they stand between the brackets of a regular expression.
pub(super) fn class(tables: &[&Ranges]) -> String {
    tables
        .iter()
        .flat_map(|table| table.iter())
        .map(|(first, last)| {
            if first == last {
                escaped(*first)
            } else {
                format!("{}-{}", escaped(*first), escaped(*last))
            }
        })
        .collect()
}

/// Escapes in the way that ECMA-262, Python and Rust all read; what lies
/// beyond the four digits stands for itself.
fn escaped(character: char) -> String {
    match u32::from(character) {
        code @ 0..=0xff => format!("\\x{code:02x}"),
        code @ 0x100..=0xffff => format!("\\u{code:04x}"),
        _ => character.into(),
    }
}

/// The members of a character class without those beyond the four digits: a pattern with these is
/// read alike with and without the flag `u` of ECMA-262, where they are two units each.
pub(super) fn short_class(tables: &[&Ranges]) -> String {
    let short = |table: &&Ranges| {
        let short = table.iter().filter(|(_, last)| u32::from(*last) <= 0xffff);
        short.copied().collect::<Vec<_>>()
    };
    let tables: Vec<_> = tables.iter().map(short).collect();
    let tables: Vec<_> = tables.iter().map(Vec::as_slice).collect();
    class(&tables)
}

/// The pattern of what [`line`] accepts, its length aside.
pub(super) fn line_pattern() -> String {
    let any = short_class(&[CONTROL, INVISIBLE]);
    let ink = short_class(&[CONTROL, INVISIBLE, SPACE, JOINERS]);
    format!("^[^{any}]*[^{ink}][^{any}]*$")
}

/// One line of text, trimmed, with something to see in it and at most `max` characters.
pub(super) fn line(text: &str, max: usize) -> Result<&str, Invalid> {
    let text = text.trim();
    refuse_in(
        &[CONTROL, INVISIBLE],
        text,
        "control or invisible characters",
    )?;
    let is_seen = |character| !is_in(JOINERS, character) && !is_in(SPACE, character);
    match text.chars().count() {
        0 => Err(Invalid::new(
            FieldCode::TooShort,
            "must not be empty; leave the field out if there is nothing to say",
        )),
        count if count > max => Err(Invalid::new(
            FieldCode::TooLong,
            format!("must have at most {max} characters"),
        )),
        _ if !text.chars().any(is_seen) => Err(Invalid::new(
            FieldCode::CharacterInvalid,
            "must hold something to see; invisible characters alone are nothing",
        )),
        _ => Ok(text),
    }
}

/// Texts that an anchored pattern of a schema describes.
#[cfg(test)]
pub(super) fn written_by(pattern: &str) -> impl proptest::strategy::Strategy<Value = String> {
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    proptest::string::string_regex(inner).expect("a pattern of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_white_space_is_in_a_table() {
        for character in (0..=0x0010_ffff).filter_map(char::from_u32) {
            if character.is_whitespace() || character.is_control() {
                assert!(
                    is_in(CONTROL, character) || is_in(SPACE, character),
                    "{character:?}"
                );
            }
        }
    }

    #[test]
    fn the_ranges_stand_in_their_order() {
        for table in [CONTROL, SPACE, INVISIBLE, JOINERS] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }

    #[test]
    fn a_line_is_trimmed_and_bounded() {
        assert_eq!(line(" Main Street 1\n", 13), Ok("Main Street 1"));
        assert_eq!(line("\t\n", 13).unwrap_err().code, FieldCode::TooShort);
        assert_eq!(line("\u{3000} ", 13).unwrap_err().code, FieldCode::TooShort);
        assert_eq!(
            line("Main Street 12", 13).unwrap_err().code,
            FieldCode::TooLong
        );
        assert_eq!(
            line("a\nb", 13).unwrap_err().code,
            FieldCode::CharacterInvalid
        );
    }

    /// Default-ignorable code points (Unicode 17, `DerivedCoreProperties`), each range.
    #[test]
    fn what_is_default_ignorable_is_seen_nowhere() {
        for (first, last) in [
            (0xad, 0xad),
            (0x34f, 0x34f),
            (0x61c, 0x61c),
            (0x115f, 0x1160),
            (0x17b4, 0x17b5),
            (0x180b, 0x180f),
            (0x200b, 0x200f),
            (0x202a, 0x202e),
            (0x2060, 0x206f),
            (0x3164, 0x3164),
            (0xfe00, 0xfe0f),
            (0xfeff, 0xfeff),
            (0xffa0, 0xffa0),
            (0xfff0, 0xfff8),
            (0x1bca0, 0x1bca3),
            (0x1d173, 0x1d17a),
            (0xe0000, 0xe0fff),
        ] {
            for character in (first..=last).filter_map(char::from_u32) {
                assert!(is_ignorable(character), "{character:?}");
                assert!(line(&character.to_string(), 9).is_err(), "{character:?}");
            }
        }
        assert_eq!(line("خانه‌ی ۳", 20), Ok("خانه‌ی ۳"));
        let wrong = line("1 Ma\u{61c}in Street", 20).unwrap_err();
        assert!(wrong.message.contains("invisible") && wrong.message.ends_with("at place 5"));
    }

    #[test]
    fn classes_are_written_in_the_common_escapes() {
        assert_eq!(
            class(&[&[('\0', '\x1f'), ('\u{2028}', '\u{2029}')]]),
            "\\x00-\\x1f\\u2028-\\u2029"
        );
    }
}
