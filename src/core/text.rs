//! Which characters a text may hold, as one table for the parser and for the
//! regular expression in the schema, so that the two cannot differ.

use crate::error::{FieldCode, Invalid};

/// Inclusive ranges of characters.
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

/// What takes no ink at all.
pub(super) const INVISIBLE: &Ranges = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{200b}', '\u{200b}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{feff}', '\u{feff}'),
];

/// Whether the character lies in one of the ranges.
pub(super) fn is_in(ranges: &Ranges, character: char) -> bool {
    ranges
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&character))
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
    let any = class(&[CONTROL]);
    let ink = class(&[CONTROL, SPACE]);
    format!("^[^{any}]*[^{ink}][^{any}]*$")
}

/// One line of text, trimmed, with something in it and at most `max` characters.
pub(super) fn line(text: &str, max: usize) -> Result<&str, Invalid> {
    let text = text.trim();
    if text.chars().any(|character| is_in(CONTROL, character)) {
        return Err(Invalid::new(
            FieldCode::CharacterInvalid,
            "must be one line without control characters",
        ));
    }
    match text.chars().count() {
        0 => Err(Invalid::new(
            FieldCode::TooShort,
            "must not be empty; leave the field out if there is nothing to say",
        )),
        count if count > max => Err(Invalid::new(
            FieldCode::TooLong,
            format!("must have at most {max} characters"),
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

    #[test]
    fn classes_are_written_in_the_common_escapes() {
        assert_eq!(
            class(&[&[('\0', '\x1f'), ('\u{2028}', '\u{2029}')]]),
            "\\x00-\\x1f\\u2028-\\u2029"
        );
    }
}
