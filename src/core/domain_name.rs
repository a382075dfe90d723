//! Domain names as people write them: of ASCII labels, or of labels of any script (RFC 5890).
//!
//! A name is taken or refused as it stands. What a resolver would have to map first (letters of
//! full width, a full stop of another script) is no name.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use url::Host;

/// The most bytes of a label in its ASCII form (RFC 1035).
const LONGEST_LABEL: usize = 63;

/// The canonical combining class of the sign that kills a vowel in Indian scripts.
const VIRAMA: u8 = 9;

/// Whether the text is a domain name of one or more labels, and not an address in numbers.
pub(super) fn is_domain_name(text: &str) -> bool {
    let Ok(Host::Domain(plain)) = Host::parse(text) else {
        return false;
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.split('.').count() == plain.split('.').count()
        && text.split('.').all(is_label_as_written)
        && plain.split('.').all(is_plain_label)
        && !plain.rsplit('.').next().is_none_or(is_number)
}

/// Letters, digits and hyphens, none of these at an end (RFC 1123).
fn is_plain_label(label: &str) -> bool {
    let framed = !label.starts_with('-') && !label.ends_with('-');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    framed && (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(plain)
}

/// Whether no character of a label would be mapped to another, case aside, and each is one that
/// RFC 5892 lets stand in one.
fn is_label_as_written(label: &str) -> bool {
    let characters: Vec<char> = label.chars().collect();
    label.nfkc().eq(label.chars())
        && (0..characters.len()).all(|place| may_stand(&characters, place))
}

fn may_stand(label: &[char], place: usize) -> bool {
    let around = |offset: usize| label.get(place.wrapping_add(offset)).copied();
    let (before, after) = (around(usize::MAX), around(1));
    match label[place] {
        character if character.is_ascii() => character.is_ascii_alphanumeric() || character == '-',
        // RFC 5892, appendices A.1 and A.2: joiners after a virama.
        '\u{200c}' | '\u{200d}' => before.is_some_and(is_virama),
        // Appendix A.3: Catalan.
        '\u{b7}' => before == Some('l') && after == Some('l'),
        // Appendix A.7: Japanese.
        '\u{30fb}' => label.iter().any(|one| is_japanese(*one)),
        character => {
            let digit = character.is_numeric() && character.nfkd().eq([character]);
            character.is_alphabetic() || is_combining_mark(character) || digit
        }
    }
}

/// Whether a joiner may stand behind the character.
pub(super) fn is_virama(character: char) -> bool {
    canonical_combining_class(character) == VIRAMA
}

const fn is_japanese(character: char) -> bool {
    matches!(character, '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_names() {
        for name in [
            "example.com",
            "Example.COM",
            "3com.com",
            "xn--bcher-kva.example",
            "bücher.example",
            "MÜNCHEN.de",
            "डाटामेल.भारत",
            "क्\u{200d}ष.भारत",
            "例子.广告",
            "paral·lel.cat",
            "ア・イ.jp",
            "مثال.إختبار",
            "localhost",
        ] {
            assert!(is_domain_name(name), "{name}");
        }
    }

    #[test]
    fn what_would_have_to_be_repaired_is_none() {
        for name in [
            "",
            ".",
            "a..b",
            "-a.com",
            "a-.com",
            "a_b.com",
            "1.2.3.4",
            "0x7f.1",
            "example.42",
            "example。com",
            "ＥＸＡＭＰＬＥ.com",
            "☃.net",
            "💩.la",
            "·a.cat",
            "a・b.jp",
            "゠.jp",
            "ex\u{200d}ample.com",
            "\u{3164}.com",
            "xn--a.com",
            "②.com",
            "ex%61mple.com",
        ] {
            assert!(!is_domain_name(name), "{name}");
        }
    }
}
