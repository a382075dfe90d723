//! A name cut into words, each in Latin letters: before anything is known of what the
//! words mean.
//!
//! What takes no ink, and every mark, falls here: it may neither tell two words apart nor
//! cut one into pieces.

use any_ascii::any_ascii_char;
use icu_properties::props::Script;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

use super::fold::Word;
use super::script::{self, Letter, digit_like, is_apostrophe, is_form};
use super::vocabulary::{PLACEHOLDER_SIGNS, PLACEHOLDER_WORDS, PLACEHOLDERS};
use crate::core::text::is_ignorable;

/// Alif while a word is being read: with a lam behind it at the start it is the
/// article, which an ayn in its place is not.
const ALIF: &str = "A";
const ALIF_LAM: &str = "Al";

/// One word as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub word: Word,
    /// Its letters and digits as they stand.
    pub raw: String,
    /// Whether a hyphen follows.
    pub hyphen: bool,
    /// Which line of the name it is from: first, middle and last name are a line each.
    pub part: usize,
    /// Between which white spaces it stands, counted through the name.
    pub token: usize,
}

/// A name in pieces.
#[derive(Default)]
pub(super) struct Split {
    pub pieces: Vec<Piece>,
    /// A word of letters of which nothing is left, or a letter that is no name's.
    pub lost: bool,
    /// A word of letters of several scripts.
    pub mixed: bool,
}

/// Cuts a name into words.
pub(super) fn split(name: &str) -> Split {
    let mut reader = Reader::default();
    for (part, line) in name.split('\n').enumerate() {
        reader.part = part;
        for token in line.split_whitespace() {
            reader.token += 1;
            let visible = token.chars().filter(|character| !is_ignorable(*character));
            let plain: String = visible.flat_map(char::to_lowercase).collect();
            if !PLACEHOLDER_SIGNS.contains(&plain.as_str()) {
                reader.read(token);
            }
        }
    }
    reader.done
}

/// Takes away the words that stand where there is no name.
pub(super) fn without_placeholders(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let mut place = 0;
    while place < pieces.len() {
        let spelled = |count: &usize| {
            let words = pieces.get(place..place + count)?;
            let text: String = words.iter().map(|piece| piece.word.text.as_str()).collect();
            PLACEHOLDERS.contains(&text.as_str()).then_some(*count)
        };
        match (1..=PLACEHOLDER_WORDS)
            .rev()
            .find_map(|count| spelled(&count))
        {
            Some(count) => drop(pieces.drain(place..place + count)),
            None => place += 1,
        }
    }
    pieces
}

#[derive(Default)]
struct Reader {
    done: Split,
    text: String,
    raw: String,
    vowelless: bool,
    /// The last letter: a vowel sign belongs to one of its own script.
    base: Option<char>,
    /// Of the letters since the last sign that is none.
    script: Option<Script>,
    part: usize,
    token: usize,
}

impl Reader {
    /// Reads what stands between two white spaces.
    fn read(&mut self, token: &str) {
        let seen: Vec<char> = token
            .chars()
            .filter(|one| !is_ignorable(*one))
            .flat_map(plain_form)
            .collect();
        let has_letters = seen.iter().any(|character| character.is_alphabetic());
        for (place, character) in seen.iter().copied().enumerate() {
            if is_combining_mark(character) {
                if self.base.is_some_and(|base| is_vowel_sign(character, base)) {
                    push_plain(&mut self.text, character);
                }
                continue;
            }
            if let Some(roman) = semitic(character) {
                self.vowelless = true;
                self.note(character);
                self.text.push_str(roman);
                continue;
            }
            match (character, digit_like(character)) {
                _ if is_apostrophe(character) => {}
                ('\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}', _) => {
                    self.cut(false);
                    self.letter(character, false);
                    self.cut(false);
                }
                _ if character.is_alphanumeric() => {
                    let next = seen
                        .get(place + 1)
                        .is_some_and(|next| next.is_alphanumeric());
                    self.letter(character, !next);
                }
                (_, Some(digit)) if has_letters => self.letter(digit, false),
                _ => {
                    self.cut(character == '-');
                    self.script = None;
                }
            }
        }
        self.cut(false);
        self.script = None;
    }

    fn letter(&mut self, character: char, last: bool) {
        let taken = Letter::of(character, last);
        self.done.lost |= taken != Letter::Plain;
        if taken != Letter::Between {
            self.note(character);
            push_plain(&mut self.text, character);
        }
    }

    /// Notes a letter that is part of the word.
    fn note(&mut self, character: char) {
        self.base = Some(character);
        self.raw.push(character);
        if let Some(script) = script::of(character) {
            self.done.mixed |= self.script.is_some_and(|before| before != script);
            self.script = Some(script);
        }
    }

    /// Ends a word.
    fn cut(&mut self, hyphen: bool) {
        let text = std::mem::take(&mut self.text);
        let raw = std::mem::take(&mut self.raw);
        self.done.lost |= text.is_empty() && self.base.is_some_and(char::is_alphabetic);
        self.base = None;
        let vowelless = std::mem::take(&mut self.vowelless);
        if text.is_empty() {
            return;
        }
        let text = match text.strip_prefix(ALIF_LAM) {
            Some(rest) if text.len() >= 4 => rest,
            _ => &text,
        };
        let word = Word {
            text: text.replace(ALIF, "a"),
            vowelless,
            idle: false,
        };
        let (part, token) = (self.part, self.token);
        self.done.pieces.push(Piece {
            word,
            raw,
            hyphen,
            part,
            token,
        });
    }
}

/// The letters that a presentation form stands for; any other character itself.
fn plain_form(character: char) -> Vec<char> {
    let mut plain = Vec::with_capacity(1);
    if is_form(character) {
        decompose_compatible(character, |part| plain.push(part));
    } else {
        plain.push(character);
    }
    plain
}

/// Whether a mark is the vowel of a letter, as the scripts of India write theirs. Those of
/// Arabic and Hebrew are left out like those who do not write them, and all marks that go
/// with any letter fall.
fn is_vowel_sign(mark: char, base: char) -> bool {
    let (mark, base) = (u32::from(mark), u32::from(base));
    let common = matches!(mark, 0x300..=0x36f | 0x483..=0x489 | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f);
    let semitic = matches!(mark, 0x591..=0x6ff);
    !common && !semitic && mark >> 8 == base >> 8
}

fn push_plain(text: &mut String, character: char) {
    let roman = any_ascii_char(character);
    let plain = roman.chars().filter(char::is_ascii_alphanumeric);
    text.extend(plain.map(|letter| letter.to_ascii_lowercase()));
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
