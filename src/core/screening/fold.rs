//! A name in any script as words in plain Latin letters: romanised, without
//! diacritics, case, punctuation and particles, with what Arabic joins joined.

use super::form::apart;
use super::script::mixes_digits;
use super::split::{Piece, split, without_placeholders};
use super::vocabulary::{ALWAYS_PARTICLES, FAITHS, PARTICLES, SERVANTS, SUFFIXES, SUN_ARTICLES};
use super::vocabulary::{TITLES, VOWELLESS_PARTICLES};

/// One word of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Lower-case ASCII letters and digits; of a script without short vowels, sounds
    /// as `spelling` writes them.
    pub text: String,
    /// Its script writes no short vowels, so only consonants can be compared.
    pub vowelless: bool,
    /// A title, or a word that stands before: it may fit, and costs nothing where it does not.
    pub idle: bool,
}

/// Most words of a name that are looked at. Who has more is shown to a person.
pub(super) const MAX_WORDS: usize = 24;

/// So many single letters in a row spell a word, and so do so many pieces between two white
/// spaces.
const SPELLED: usize = 3;

/// The words of a name, in its order.
pub(super) fn words(name: &str) -> Vec<Word> {
    folded(without_placeholders(split(name).pieces))
}

/// Why a name cannot be compared whole; `None` when it can.
pub(super) fn unread(name: &str) -> Option<&'static str> {
    let split = split(name);
    let (lost, mixed) = (split.lost, split.mixed);
    let digits = spelled(&split.pieces)
        .iter()
        .any(|piece| mixes_digits(&piece.word.text));
    let kept = unbounded(without_placeholders(split.pieces));
    if kept.len() > MAX_WORDS {
        Some("the name has more words than are compared")
    } else if mixed {
        Some("a word of the name mixes letters of several scripts")
    } else if digits {
        Some("a word of the name mixes letters and digits")
    } else if lost {
        Some("the name has letters that are not read")
    } else if kept.is_empty() && !name.trim().is_empty() {
        Some("the name says nothing")
    } else {
        None
    }
}

/// The words of pieces, at most [`MAX_WORDS`].
pub(super) fn folded(raw: Vec<Piece>) -> Vec<Word> {
    let mut kept = unbounded(raw);
    if kept.len() > MAX_WORDS {
        // Single letters say least.
        let mut spare = kept.len() - MAX_WORDS;
        kept.retain(|word| {
            let goes = spare > 0 && (word.idle || word.text.len() == 1);
            spare -= usize::from(goes);
            !goes
        });
        kept.truncate(MAX_WORDS);
    }
    kept
}

/// Marks the words that say nothing: titles, and what stands before.
pub(super) fn mark_idle(words: &mut [Word]) {
    for place in 0..words.len() {
        let (before, word) = words.split_at_mut(place);
        let word = &mut word[0];
        word.idle = TITLES.contains(&word.text.as_str())
            || before.iter().any(|other| other.text == word.text);
    }
    if words.iter().all(|word| word.idle) {
        for word in words {
            word.idle = false;
        }
    }
}

fn unbounded(raw: Vec<Piece>) -> Vec<Word> {
    let mut kept: Vec<Word> = Vec::new();
    let count = raw.len();
    for (place, Piece { word, hyphen, .. }) in raw.iter().enumerate() {
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
        kept = raw.into_iter().map(|piece| piece.word).collect();
    }
    for word in &mut kept {
        word.text = joined(&word.text);
    }
    mark_idle(&mut kept);
    kept
}

/// A name as it stands, and once more where somebody spelled it in pieces.
pub(super) fn spellings(name: &str) -> Vec<Vec<Piece>> {
    let raw = without_placeholders(split(name).pieces);
    let spelled = spelled(&raw);
    if spelled == raw {
        vec![raw]
    } else {
        vec![raw, spelled]
    }
}

/// The words of a spelling, and once more where somebody may have turned it around
/// ("servant of" belongs to the word behind it, or else to the one before).
pub(super) fn readings(raw: Vec<Piece>) -> Vec<Vec<Word>> {
    let mut turned = raw.clone();
    let is_article = |place: usize| ALWAYS_PARTICLES.contains(&raw[place].word.text.as_str());
    for place in (1..raw.len()).filter(|place| is_servant(&raw[*place].word.text)) {
        let before = place - 1;
        let start = match before.checked_sub(1) {
            Some(start) if is_article(before) || is_article(start) => start,
            _ => before,
        };
        turned[start..=place].rotate_right(1);
    }
    if turned == raw {
        vec![folded(raw)]
    } else {
        vec![folded(raw), folded(turned)]
    }
}

/// The pieces with those as one word that spell it: rows of single letters, and three or
/// more between two white spaces (`S.a.n.t.o.s.o`, `San-to.so`). Letters that are all doubled
/// are written once.
fn spelled(raw: &[Piece]) -> Vec<Piece> {
    let count = |piece: &Piece| {
        raw.iter()
            .filter(|other| other.token == piece.token)
            .count()
    };
    let is_letter = |piece: &Piece| piece.word.text.len() == 1 && count(piece) == 1;
    let belong = |a: &Piece, b: &Piece| {
        let letters = is_letter(a) && is_letter(b) && a.part == b.part;
        !a.word.vowelless && !b.word.vowelless && (letters || a.token == b.token)
    };
    let mut pieces: Vec<Piece> = Vec::new();
    for row in raw.chunk_by(belong) {
        if row.len() < SPELLED {
            pieces.extend_from_slice(row);
            continue;
        }
        let mut word = row[0].clone();
        word.word.text = row.iter().map(|piece| piece.word.text.as_str()).collect();
        word.raw = row.iter().map(|piece| piece.raw.as_str()).collect();
        pieces.push(word);
    }
    for piece in &mut pieces {
        if let Some(text) = written_once(&piece.word.text).filter(|_| !piece.word.vowelless) {
            piece.raw.clone_from(&text);
            piece.word.text = text;
        }
    }
    pieces
}

/// A word whose letters all stand several times in a row, with each so many times less.
fn written_once(text: &str) -> Option<String> {
    let rows = || text.as_bytes().chunk_by(|a, b| a == b);
    let times = rows().map(<[u8]>::len).min().filter(|times| *times > 1)?;
    let whole = rows().all(|row| row.len() % times == 0) && rows().nth(1).is_some();
    whole.then(|| {
        rows()
            .flat_map(|row| &row[..row.len() / times])
            .map(|letter| char::from(*letter))
            .collect()
    })
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

/// The spellings of a compound in one word.
pub(super) fn joined(text: &str) -> String {
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
