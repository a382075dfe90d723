//! A name cut into words, each in Latin letters: before anything is known of what the
//! words mean.
//!
//! What takes no ink, and every mark, falls here: it may neither tell two words apart nor
//! cut one into pieces.

use any_ascii::any_ascii_char;
use unicode_normalization::char::is_combining_mark;

use super::fold::Word;
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
    /// Whether a hyphen follows.
    pub hyphen: bool,
    /// Which line of the name it is from: first, middle and last name are a line each.
    pub part: usize,
}

/// A name in pieces.
#[derive(Default)]
pub(super) struct Split {
    pub pieces: Vec<Piece>,
    /// A word of letters of which nothing is left.
    pub lost: bool,
    /// A word of letters that look alike and are of several scripts.
    pub mixed: bool,
}

/// Cuts a name into words, without what stands where there is no name.
pub(super) fn split(name: &str) -> Split {
    let mut reader = Reader::default();
    for (part, line) in name.split('\n').enumerate() {
        for token in line.split_whitespace() {
            let visible = token.chars().filter(|character| !is_ignorable(*character));
            let plain: String = visible.flat_map(char::to_lowercase).collect();
            if !PLACEHOLDER_SIGNS.contains(&plain.as_str()) {
                reader.read(token, part);
            }
        }
    }
    without_placeholders(&mut reader.done.pieces);
    reader.done
}

fn without_placeholders(pieces: &mut Vec<Piece>) {
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
}

#[derive(Default)]
struct Reader {
    done: Split,
    text: String,
    vowelless: bool,
    /// The last letter: a vowel sign belongs to one of its own script.
    base: Option<char>,
    script: Option<Script>,
}

impl Reader {
    /// Reads what stands between two white spaces.
    fn read(&mut self, token: &str, part: usize) {
        for character in token.chars() {
            if is_ignorable(character) {
                continue;
            }
            if is_combining_mark(character) {
                if self.base.is_some_and(|base| is_vowel_sign(character, base)) {
                    push_plain(&mut self.text, character);
                }
                continue;
            }
            if let Some(roman) = semitic(character) {
                self.vowelless = true;
                self.base = Some(character);
                self.text.push_str(roman);
                continue;
            }
            match character {
                '\'' | '’' | '‘' | '`' | 'ʼ' | 'ʻ' | 'ʿ' | 'ʾ' | '´' | '\u{640}'
                // They repeat or lengthen what stands before.
                | '々' | '〻' | 'ゝ' | 'ゞ' | 'ヽ' | 'ヾ' | 'ー' => {}
                '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' => {
                    self.end(part, false);
                    self.letter(character);
                    self.end(part, false);
                }
                _ if character.is_alphanumeric() => self.letter(character),
                _ => self.end(part, character == '-'),
            }
        }
        self.end(part, false);
    }

    fn letter(&mut self, character: char) {
        self.base = Some(character);
        push_plain(&mut self.text, character);
        if let Some(script) = Script::of(character) {
            self.done.mixed |= self.script.is_some_and(|before| before != script);
            self.script = Some(script);
        }
    }

    fn end(&mut self, part: usize, hyphen: bool) {
        let text = std::mem::take(&mut self.text);
        self.done.lost |= text.is_empty() && self.base.is_some_and(char::is_alphabetic);
        self.base = None;
        self.script = None;
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
        self.done.pieces.push(Piece { word, hyphen, part });
    }
}

/// Scripts whose letters look like those of another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
    Lisu,
}

impl Script {
    fn of(character: char) -> Option<Self> {
        Some(match character {
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Self::Latin,
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Self::Greek,
            '\u{400}'..='\u{52f}' => Self::Cyrillic,
            '\u{530}'..='\u{58f}' => Self::Armenian,
            '\u{13a0}'..='\u{13ff}' => Self::Cherokee,
            '\u{a4d0}'..='\u{a4ff}' => Self::Lisu,
            _ => return None,
        })
    }
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
