//! A name in any script as words in plain Latin letters: romanised, without
//! diacritics, case, punctuation and particles, with what Arabic joins joined.

use any_ascii::any_ascii_char;

use super::form::apart;

/// One word of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Lower-case ASCII letters and digits; of a script without short vowels, sounds
    /// as `spelling` writes them.
    pub text: String,
    /// Its script writes no short vowels, so only consonants can be compared.
    pub vowelless: bool,
}

/// Most words of a name that are looked at.
pub(super) const MAX_WORDS: usize = 12;

/// The words of a name, in its order.
pub(super) fn words(name: &str) -> Vec<Word> {
    folded(split(name))
}

fn folded(raw: Vec<(Word, bool)>) -> Vec<Word> {
    let mut kept: Vec<Word> = Vec::new();
    let count = raw.len();
    for (place, (word, hyphen)) in raw.iter().enumerate() {
        let text = word.text.as_str();
        let particle = ALWAYS_PARTICLES.contains(&text)
            || (place > 0 && PARTICLES.contains(&text))
            || (place > 0 && word.vowelless && VOWELLESS_PARTICLES.contains(&text))
            || (*hyphen && SUN_ARTICLES.contains(&text));
        let last = place + 1 == count;
        if SUFFIXES.contains(&text) || (particle && !(last && kept.is_empty())) {
            continue;
        }
        match kept.last_mut() {
            Some(before) if is_servant(&before.text) => {
                before.text = format!("abd{text}");
                before.vowelless |= word.vowelless;
            }
            Some(before)
                if FAITHS.contains(&text) || (word.vowelless && matches!(text, "dyn" | "dn")) =>
            {
                before.text.push_str("din");
                before.vowelless |= word.vowelless;
            }
            _ => kept.push(word.clone()),
        }
    }
    if kept.is_empty() {
        kept = raw.into_iter().map(|(word, _)| word).collect();
    }
    kept.truncate(MAX_WORDS);
    for word in &mut kept {
        word.text = joined(&word.text);
    }
    kept
}

/// A name as it stands, and once more where somebody may have turned it around:
/// "servant of" belongs to the word behind it, or else to the one before.
pub(super) fn readings(name: &str) -> Vec<Vec<Word>> {
    let raw = split(name);
    let mut turned = raw.clone();
    let is_article = |place: usize| ALWAYS_PARTICLES.contains(&raw[place].0.text.as_str());
    for place in (1..raw.len()).filter(|place| is_servant(&raw[*place].0.text)) {
        let before = place - 1;
        let start = match before.checked_sub(1) {
            Some(start) if is_article(before) || is_article(start) => start,
            _ => before,
        };
        turned[start..=place].rotate_right(1);
    }
    let is_turned = turned != raw;
    let mut readings = vec![folded(raw)];
    if is_turned {
        readings.push(folded(turned));
    }
    readings
}

/// Given names without the "servant of" at their end, which belongs to the
/// surname, and that word.
pub(super) fn without_servant(given: &str) -> (&str, &str) {
    let given = given.trim();
    let (before, last) = given.rsplit_once(' ').unwrap_or(("", given));
    let plain = last.trim_start_matches('\'').to_ascii_lowercase();
    if is_servant(&plain) {
        (before, last)
    } else {
        (given, "")
    }
}

/// What may be left out of a name anywhere.
const ALWAYS_PARTICLES: [&str; 6] = ["al", "el", "ul", "bin", "ibn", "bint"];

/// The same in letters without short vowels.
const VOWELLESS_PARTICLES: [&str; 5] = ["bn", "abn", "bnt", "wld", "awld"];

/// What may be left out of a name behind its first word.
const PARTICLES: [&str; 23] = [
    "ben", "de", "del", "la", "las", "los", "da", "do", "dos", "das", "di", "van", "von", "der",
    "den", "y", "e", "ould", "oglu", "ogly", "oglou", "kyzy", "vel",
];

/// The Arabic article as it sounds before some consonants, with its hyphen.
const SUN_ARTICLES: [&str; 12] = [
    "as", "ar", "ad", "an", "az", "at", "ash", "es", "ed", "ez", "en", "er",
];

/// What follows a name and is none.
const SUFFIXES: [&str; 4] = ["jr", "sr", "iii", "phd"];

/// "Servant of": one name with the word that follows.
const SERVANTS: [&str; 10] = [
    "abd", "abdul", "abdal", "abdel", "abdol", "abdur", "abdu", "abdool", "abdoul", "abdur",
];

/// "Servant of" is one name with the word that follows, also with a slip in it.
fn is_servant(text: &str) -> bool {
    let slipped = || {
        (5..=6).contains(&text.len())
            && text.starts_with('a')
            && ["abdul", "abdel"]
                .iter()
                .any(|servant| apart(text, servant, 1) == 1)
    };
    SERVANTS.contains(&text) || (slipped() && text != "abduh")
}

/// "Of the faith": one name with the word before.
const FAITHS: [&str; 9] = [
    "din", "deen", "dine", "eddin", "eddine", "uddin", "aldin", "aldeen", "addin",
];

/// The spellings of a compound in one word.
fn joined(text: &str) -> String {
    let mut text = text.replacen("abdd", "abd", 1);
    for article in [
        "al", "ul", "el", "ol", "ur", "ar", "er", "oul", "ool", "ou", "as", "us",
    ] {
        let found = text
            .strip_prefix("abd")
            .and_then(|rest| rest.strip_prefix(article))
            .filter(|rest| rest.len() >= 3 || *rest == "lh");
        if let Some(rest) = found {
            text = format!("abd{rest}");
            break;
        }
    }
    for faith in [
        "ouddine", "eddine", "uddin", "uddeen", "eddin", "addin", "iddin", "oddin", "aldin",
        "aldeen", "ddin",
    ] {
        if let Some(stem) = text.strip_suffix(faith).filter(|stem| stem.len() >= 2) {
            return format!("{stem}din");
        }
    }
    text
}

/// Alif while a word is being read: with a lam behind it at the start it is the
/// article, which an ayn in its place is not.
const ALIF: &str = "A";
const ALIF_LAM: &str = "Al";

/// The words as they stand, and whether a hyphen follows each.
fn split(name: &str) -> Vec<(Word, bool)> {
    let mut words: Vec<(Word, bool)> = Vec::new();
    let mut text = String::new();
    let mut vowelless = false;
    let mut end = |text: &mut String, vowelless: &mut bool, hyphen: bool| {
        if !text.is_empty() {
            let mut taken = std::mem::take(text);
            if taken.len() >= 4 && taken.starts_with(ALIF_LAM) {
                taken.drain(..ALIF_LAM.len());
            }
            taken = taken.replace(ALIF, "a");
            let word = Word {
                text: taken,
                vowelless: *vowelless,
            };
            words.push((word, hyphen));
        }
        *vowelless = false;
    };
    for character in name.chars() {
        if let Some(roman) = semitic(character) {
            vowelless = true;
            text.push_str(roman);
            continue;
        }
        match character {
            '\'' | '’' | '‘' | '`' | 'ʼ' | 'ʻ' | 'ʿ' | 'ʾ' | '´' => {}
            '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' => {
                end(&mut text, &mut vowelless, false);
                push_plain(&mut text, character);
                end(&mut text, &mut vowelless, false);
            }
            _ if character.is_alphanumeric() || is_mark(character) => {
                push_plain(&mut text, character);
            }
            _ => end(&mut text, &mut vowelless, character == '-'),
        }
    }
    end(&mut text, &mut vowelless, false);
    words
}

fn push_plain(text: &mut String, character: char) {
    let roman = any_ascii_char(character);
    let plain = roman.chars().filter(char::is_ascii_alphanumeric);
    text.extend(plain.map(|letter| letter.to_ascii_lowercase()));
}

/// Signs that belong to the letter before, or are left out between letters.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

/// Letters of scripts that leave short vowels out.
fn semitic(character: char) -> Option<&'static str> {
    let roman = match character {
        'ا' => ALIF,
        'أ' | 'آ' | 'ع' | 'ى' | 'ة' | 'א' | 'ע' => "a",
        'إ' => "i",
        'ب' | 'ב' => "b",
        'پ' | 'פ' | 'ף' => "p",
        'ت' | 'ط' | 'ٹ' | 'ת' | 'ט' | 'ث' => "t",
        'ج' | 'ژ' => "j",
        'چ' => "C",
        'ح' | 'ه' | 'ہ' | 'ھ' | 'ה' | 'ח' => "h",
        'خ' => "X",
        'د' | 'ض' | 'ڈ' | 'ד' | 'ذ' => "d",
        'ر' | 'ڑ' | 'ר' => "r",
        'ز' | 'ظ' | 'ז' | 'צ' | 'ץ' => "z",
        'س' | 'ص' | 'ס' => "s",
        'ش' | 'ש' => "S",
        'غ' | 'گ' | 'ג' => "g",
        'ف' => "f",
        'ق' | 'ק' => "q",
        'ك' | 'ک' | 'כ' | 'ך' => "k",
        'ل' | 'ל' => "l",
        'م' | 'מ' | 'ם' => "m",
        'ن' | 'ں' | 'נ' | 'ן' => "n",
        'و' | 'ؤ' | 'ו' => "w",
        'ي' | 'ی' | 'ئ' | 'ے' | 'י' => "y",
        'ء' => "",
        _ => return None,
    };
    Some(roman)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str) -> Vec<String> {
        words(name).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn case_diacritics_punctuation_and_particles_fall_away() {
        for (name, folded) in [
            ("José  GARCÍA-Márquez", vec!["jose", "garcia", "marquez"]),
            ("O’Brien, Seán Jr.", vec!["obrien", "sean"]),
            ("Ayman al-Zawahiri", vec!["ayman", "zawahiri"]),
            ("Ali ibn Hasan", vec!["ali", "hasan"]),
            ("Nur ad-Din", vec!["nurdin"]),
            ("Владимир Путин", vec!["vladimir", "putin"]),
            ("Γιώργος", vec!["giorgos"]),
            ("刘晓明", vec!["liu", "xiao", "ming"]),
            ("Ben Smith", vec!["ben", "smith"]),
            ("Al", vec!["al"]),
            ("!?", vec![]),
        ] {
            assert_eq!(texts(name), folded, "{name}");
        }
    }

    #[test]
    fn servants_are_one_name_however_written() {
        for name in [
            "Abd al-Rahman",
            "Abdul Rahman",
            "Abdulrahman",
            "Abdurrahman",
            "ABD AR-RAHMAN",
            "Abdel-Rahman",
        ] {
            assert_eq!(
                texts(name).concat().replace("rr", "r"),
                "abdrahman",
                "{name}"
            );
        }
        assert_eq!(texts("عبد الرحمن"), ["abdrhmn"]);
        assert_eq!(texts("Abdullah"), texts("Abdallah"));
    }
}
