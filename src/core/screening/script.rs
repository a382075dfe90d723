//! Which letters names are written in, by what Unicode says of them: what else stands in a
//! word is shown to a person.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, Script};

/// Scripts that are read, so that a name in one is compared like its owner writes it in Latin
/// letters. Some that are not have letters that look like Latin ones (Lisu, Cherokee, Coptic).
const READ: [Script; 38] = [
    Script::Latin,
    Script::Greek,
    Script::Cyrillic,
    Script::Armenian,
    Script::Georgian,
    Script::Hebrew,
    Script::Arabic,
    Script::Syriac,
    Script::Thaana,
    Script::Devanagari,
    Script::Bengali,
    Script::Gurmukhi,
    Script::Gujarati,
    Script::Oriya,
    Script::Tamil,
    Script::Telugu,
    Script::Kannada,
    Script::Malayalam,
    Script::Sinhala,
    Script::Thai,
    Script::Lao,
    Script::Tibetan,
    Script::Myanmar,
    Script::Khmer,
    Script::Ethiopic,
    Script::Mongolian,
    Script::Hangul,
    Script::Han,
    Script::Hiragana,
    Script::Katakana,
    Script::Bopomofo,
    Script::Nko,
    Script::Adlam,
    Script::OlChiki,
    Script::MeeteiMayek,
    Script::Javanese,
    Script::Balinese,
    Script::Yi,
];

/// How a letter is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// As itself.
    Plain,
    /// As itself, and a person looks: names are not written with it.
    Odd,
    /// As nothing, and a person looks: it stands small or as a stroke between letters.
    Between,
}

impl Letter {
    /// How a letter or digit is taken, which is the last of its word or not.
    pub(super) fn of(character: char, last: bool) -> Self {
        let script = script(character);
        let spread = matches!(
            script,
            Script::Latin | Script::Greek | Script::Cyrillic | Script::Common | Script::Inherited
        );
        let category = CodePointMapData::<GeneralCategory>::new().get(character);
        match category {
            GeneralCategory::ModifierLetter if spread => Self::Between,
            // Spanish abbreviates with them: `Mª`, `Antº`.
            _ if matches!(character, 'ª' | 'º') && last => Self::Plain,
            // Letters without case among those that have some: clicks, strokes.
            GeneralCategory::OtherLetter if script == Script::Latin => Self::Between,
            GeneralCategory::LowercaseLetter
                if script == Script::Latin && !has_capital(character) =>
            {
                Self::Odd
            }
            _ if is_part(character) => Self::Odd,
            GeneralCategory::DecimalNumber => Self::Plain,
            _ if script != Script::Common && !READ.contains(&script) => Self::Odd,
            _ => Self::Plain,
        }
    }
}

/// Small capitals and what phoneticians write have no capital, so that no name begins with it.
fn has_capital(character: char) -> bool {
    character.is_ascii() || !character.to_uppercase().eq([character]) || character == 'ĸ'
}

/// Parts of Korean syllables by themselves.
fn is_part(character: char) -> bool {
    matches!(character, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{a960}'..='\u{a97f}' | '\u{d7b0}'..='\u{d7ff}' | '\u{ffa0}'..='\u{ffdc}')
}

/// The script of a letter, as far as it says which letters stand beside it: Chinese, Japanese
/// and Korean names mix theirs. `None` for what stands in any.
pub(super) fn of(character: char) -> Option<Script> {
    match script(character) {
        Script::Common | Script::Inherited => None,
        Script::Hiragana | Script::Katakana | Script::Bopomofo | Script::Hangul => {
            Some(Script::Han)
        }
        script => Some(script),
    }
}

fn script(character: char) -> Script {
    CodePointMapData::<Script>::new().get(character)
}

/// What names have an apostrophe for, or a sign that lengthens or repeats what stands before.
pub(super) fn is_apostrophe(character: char) -> bool {
    matches!(
        character,
        '\'' | '’' | '‘' | '‛' | '`' | '´' | '＇' | '\u{640}' | '\u{2b9}'
            ..='\u{2bf}'
                | '\u{2c8}'
                | '\u{2ca}'
                | '\u{2cb}'
                | '\u{2ee}'
                | '\u{a78b}'
                | '\u{a78c}'
                | '\u{55a}'
                | '\u{559}'
                | '\u{5f3}'
                | '\u{5f4}'
                | '々'
                | '〻'
                | 'ゝ'
                | 'ゞ'
                | 'ヽ'
                | 'ヾ'
                | 'ー'
                | 'ｰ'
    )
}

/// The digit that a sign stands for where somebody puts it among letters.
pub(super) fn digit_like(sign: char) -> Option<char> {
    Some(match sign {
        '!' | '|' | '¡' | '¦' | '£' => '1',
        '€' => '3',
        '@' => '4',
        '$' | '§' => '5',
        '+' | '†' => '7',
        '¢' | '©' => '6',
        _ => return None,
    })
}

/// The letters that a presentation form stands for: how old programs wrote Arabic and Hebrew,
/// letters as wide as Chinese ones, and letters that mathematicians write.
pub(super) fn is_form(character: char) -> bool {
    matches!(
        character,
        '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{ff00}'..='\u{ffef}'
        | '\u{1d400}'..='\u{1d7ff}' | '\u{1ee00}'..='\u{1eeff}'
    )
}

/// Whether a word has letters and digits, and is no ordinal like `2nd`.
pub(super) fn mixes_digits(text: &str) -> bool {
    let letters = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let ordinal = ["st", "nd", "rd", "th", "e", "er", "o", "a"].contains(&letters);
    let digit = text.bytes().any(|letter| letter.is_ascii_digit());
    digit
        && text.bytes().any(|letter| letter.is_ascii_alphabetic())
        && !(ordinal && letters.len() < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(text: &str) -> Vec<char> {
        let odd =
            |letter: &char| letter.is_alphanumeric() && Letter::of(*letter, false) != Letter::Plain;
        let letters = text.chars().filter(|letter| !is_apostrophe(*letter));
        letters.filter(odd).collect()
    }

    #[test]
    fn letters_of_names_are_plain() {
        for name in [
            "María José O'Brien-Smith",
            "Nguyễn Thị Ánh Ðặng",
            "Søren Ångström Þórður Ægir",
            "Ḥasan ʿAlī Kaʻiulani",
            "Müller-Lüdenscheidt Groß",
            "Ƙasim Ɓala Ɗan Ƴar Kɔjo Yɛboah Ŋaŋ",
            "Çağrı İpək Łukasz Ħal Đorđe ŉ Ĳsbrand",
            "Анна Маркова Љубица Їжак Ғали Ңұр",
            "Νίκος Ὀδυσσεύς",
            "王小明 김민수 さくら ゆーこ 佐々木 ㄅ",
            "محمد שרה გიორგი Արամ ሀይሌ",
            "गीता ঋতু ਸਿੰਘ สมชาย ລາວ ဒေါ် ཏེན ខ្មែរ",
            "ｊｏｈｎ ２",
        ] {
            assert_eq!(odd(name), Vec::<char>::new(), "{name}");
        }
    }

    #[test]
    fn what_stands_between_letters_or_in_no_name_is_told() {
        for between in "ʰˠǀǃªºᵊꟷꞏʔːˡᴬⁱ".chars() {
            assert_eq!(Letter::of(between, false), Letter::Between, "{between:?}");
        }
        for odd in "ᴀʙꜱᑧㆍㄱᄀꓡꮃᏏⲁⵔ𐌀ꙮ".chars().filter(|letter| *letter != 'ꙮ')
        {
            assert_eq!(Letter::of(odd, true), Letter::Odd, "{odd:?}");
        }
        assert_eq!(Letter::of('ª', true), Letter::Plain);
    }

    #[test]
    fn digits_among_letters_are_told_and_ordinals_are_not() {
        for word in ["m4y", "yu1ia", "5anto5o", "yulia1", "1yulia", "4n"] {
            assert!(mixes_digits(word), "{word}");
        }
        for word in ["", "yulia", "12", "2nd", "3rd", "1st", "4th", "2e", "1o"] {
            assert!(!mixes_digits(word), "{word}");
        }
    }
}
