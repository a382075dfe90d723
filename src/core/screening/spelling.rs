//! How alike two words of names are, over the ways in which one name is
//! spelled: romanisations, dropped vowels, slips of the finger.

use super::fold::Word;
use super::form::{Form, hash};

/// A word with the forms by which it is compared.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The folded word.
    pub text: Form,
    /// One spelling for all of one sound: `kh` and `h`, `off` and `ov`, `ou` and `u`.
    pub canon: Form,
    /// The consonants of the same.
    pub skeleton: Form,
    /// The same with what Arabic letters cannot tell apart as one: to compare with
    /// a word whose script writes no short vowels.
    pub bones: Form,
    /// Only the consonants can be compared.
    pub vowelless: bool,
}

impl Token {
    pub(super) fn new(word: &Word) -> Self {
        let skeleton = skeleton(word);
        Self {
            canon: Form::new(canon(word)),
            bones: Form::new(bones(&skeleton)),
            skeleton: Form::new(skeleton),
            text: Form::new(word.text.clone()),
            vowelless: word.vowelless,
        }
    }

    /// Two neighbouring words written as one.
    pub(super) fn joined(first: &Word, second: &Word) -> Self {
        Self::new(&Word {
            text: format!("{}{}", first.text, second.text),
            vowelless: first.vowelless || second.vowelless,
            idle: false,
        })
    }

    /// Whether the consonants differ, so that at best a slip makes them one word.
    pub(super) fn is_another_sound(&self, other: &Self) -> bool {
        self.bones != other.bones
    }

    /// The key under which an index finds the word that is this very text.
    pub(super) fn key(text: &str) -> u64 {
        hash(b't', text.bytes())
    }

    /// The keys under which an index finds this word: whatever shares one may be
    /// alike. Every text with one letter left out is among them, so words that
    /// differ by one letter meet.
    pub(super) fn keys(&self) -> Vec<u64> {
        let mut keys = vec![
            hash(b's', self.skeleton.bytes()),
            hash(b'b', self.bones.bytes()),
        ];
        left_out(b'c', &self.canon, &mut keys);
        left_out(b't', &self.text, &mut keys);
        if self.bones.len() >= 4 {
            left_out(b'k', &self.bones, &mut keys);
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Below this two words are not alike.
pub(super) const ALIKE: f64 = 0.82;

/// How alike two words are, from 0 to 1.
pub(super) fn likeness(a: &Token, b: &Token) -> f64 {
    if a.text == b.text {
        return 1.0;
    }
    if a.vowelless || b.vowelless {
        return by_consonants(a, b);
    }
    let same_skeleton = a.skeleton == b.skeleton;
    let bones = a.skeleton.len().min(b.skeleton.len());
    let length = a.canon.len().max(b.canon.len());
    if a.canon == b.canon {
        return if length <= 3 { 0.94 } else { 0.98 };
    }
    // Further apart says nothing of words so short.
    let most = match (same_skeleton, length) {
        (true, _) | (_, 8..) => 2,
        (false, 4..) => 1,
        (false, _) => return 0.0,
    };
    let apart = match a.canon.apart(&b.canon, most) {
        1 => 1,
        apart => apart.min(a.text.apart(&b.text, most)),
    };
    let by_letters = match (apart, length) {
        (1, 7..) => 0.94,
        (1, 5..) => 0.91,
        (1, 4) => 0.85,
        (2, 9..) => 0.89,
        (2, 8) => 0.83,
        _ => 0.0,
    };
    // A finger seldom slips at the first letter.
    let by_letters = if a.canon.as_bytes().first() == b.canon.as_bytes().first() {
        by_letters
    } else {
        by_letters - 0.04
    };
    let vowels: f64 = match apart {
        1 => 0.035,
        2 => 0.07,
        _ => 0.105,
    };
    let short = match a.canon.len().min(b.canon.len()) {
        ..=4 => 0.09,
        5 => 0.03,
        _ => 0.0,
    };
    let by_bones = match (same_skeleton, bones) {
        (true, 3..) => 0.97 - vowels - short,
        (true, 2) => 0.92 - vowels - short,
        _ => 0.0,
    };
    f64::max(by_letters, by_bones)
}

/// How alike two words are when one of them says nothing about short vowels.
/// Long ones are written, so that where there are few consonants they count.
fn by_consonants(a: &Token, b: &Token) -> f64 {
    match (a.bones == b.bones, a.bones.len().min(b.bones.len())) {
        (true, 3..) => 0.99,
        (true, 2) => 0.96,
        (true, _) if a.canon == b.canon => 0.93,
        (true, 1) if a.canon.apart(&b.canon, 1) == 1 => 0.88,
        (false, 4..) if a.bones.apart(&b.bones, 1) == 1 => 0.86,
        _ => 0.0,
    }
}

/// Groups of letters and the one that stands for their sound.
const SOUNDS: [(&str, char); 32] = [
    ("shch", 'S'),
    ("tsch", 'C'),
    ("sch", 'S'),
    ("tch", 'C'),
    ("dzh", 'j'),
    ("kh", 'X'),
    ("gh", 'g'),
    ("th", 't'),
    ("dh", 'd'),
    ("ph", 'f'),
    ("zh", 'j'),
    ("dj", 'j'),
    ("ch", 'C'),
    ("sh", 'S'),
    ("cz", 'C'),
    ("sz", 'S'),
    ("ck", 'k'),
    ("ts", 'z'),
    ("tz", 'z'),
    ("dz", 'z'),
    ("ks", 'x'),
    ("qu", 'k'),
    ("ou", 'u'),
    ("oo", 'u'),
    ("ee", 'i'),
    ("ae", 'a'),
    ("oe", 'u'),
    ("ue", 'u'),
    ("ce", 's'),
    ("ci", 's'),
    ("ff", 'f'),
    ("ll", 'l'),
];

/// The sounds of a word; `c` before a light vowel keeps the vowel. Doubles are
/// one sound. A word without its vowels consists of sounds already.
fn sounds(text: &str, vowelless: bool) -> String {
    if vowelless {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // The `d` of a servant's name and an `h` behind it are two sounds.
    if let Some(name) = text.strip_prefix("abd") {
        out.push_str("abd");
        rest = name;
    }
    while let Some(first) = rest.chars().next() {
        let group = SOUNDS.iter().find(|(group, _)| rest.starts_with(group));
        let (sound, length) = match group {
            Some(("ce" | "ci", sound)) => (*sound, 1),
            Some((group, sound)) => (*sound, group.len()),
            None => (first, first.len_utf8()),
        };
        if !out.ends_with(sound) {
            out.push(sound);
        }
        rest = &rest[length..];
    }
    out
}

fn canon(word: &Word) -> String {
    let text = word.text.as_str();
    let mut out = String::with_capacity(text.len());
    for sound in sounds(text, word.vowelless).chars() {
        let sound = match sound {
            'X' => 'h',
            'c' | 'q' => 'k',
            'w' => 'v',
            'y' | 'e' => 'i',
            'o' => 'u',
            other => other,
        };
        if !out.ends_with(sound) {
            out.push(sound);
        }
    }
    if out.len() >= 5 {
        let ending = match (
            text.ends_with("ff"),
            out.ends_with("ah"),
            out.ends_with("ij"),
        ) {
            (true, _, _) => Some('v'),
            (_, true, _) | (_, _, true) => None,
            _ => out.chars().last(),
        };
        out.pop();
        out.extend(ending);
    }
    without_article(&out, word.vowelless).to_owned()
}

/// `Alzawahiri` is `Zawahiri` with its article; without vowels a name is shorter.
fn without_article(text: &str, vowelless: bool) -> &str {
    let least = if vowelless { 3 } else { 5 };
    let rest = text.strip_prefix("al").or_else(|| text.strip_prefix("il"));
    match rest {
        Some(rest) if rest.len() >= least && !rest.starts_with(['a', 'i', 'u']) => rest,
        _ => text,
    }
}

/// Consonants only, an `A` for a vowel in front; half-vowels and a last `h` come and go.
fn skeleton(word: &Word) -> String {
    let text = word.text.as_str();
    let sounds = sounds(text, word.vowelless);
    let sounds = without_article(&sounds, word.vowelless);
    let last = sounds.chars().count().saturating_sub(1);
    let russian = text.ends_with("ff");
    let mut out = String::new();
    for (place, sound) in sounds.chars().enumerate() {
        let bone = match sound {
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' if place == 0 => 'A',
            'w' if place == 0 => 'v',
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'w' => continue,
            'h' if place == last && place > 1 => continue,
            'X' => 'h',
            'c' | 'q' => 'k',
            'f' if place == last && russian => 'v',
            other => other,
        };
        out.push(bone);
    }
    out
}

/// Arabic has one letter for `p` and `b`, for `v` and `f`; its `j` is a `g` in Egypt,
/// French writes `ch` for `sh`, and others write `ch` as `t` and `sh`.
fn bones(skeleton: &str) -> String {
    let mut out = String::with_capacity(skeleton.len());
    for bone in skeleton.chars() {
        let bone = match bone {
            'p' => 'b',
            'v' => 'f',
            'g' => 'j',
            'C' | 'S' => {
                if out.ends_with('t') {
                    out.pop();
                }
                'S'
            }
            'x' => {
                out.push('k');
                's'
            }
            other => other,
        };
        out.push(bone);
    }
    match out.strip_prefix('A') {
        Some(rest) if rest.len() >= 3 => rest.to_owned(),
        _ => out,
    }
}

fn left_out(space: u8, text: &str, keys: &mut Vec<u64>) {
    let bytes = text.as_bytes();
    keys.push(hash(space, bytes.iter().copied()));
    for gap in 0..bytes.len() {
        let rest = bytes[..gap].iter().chain(&bytes[gap + 1..]).copied();
        keys.push(hash(space, rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::screening::fold;

    fn token(name: &str) -> Token {
        Token::new(&fold::words(name)[0])
    }

    #[test]
    fn spellings_of_one_name_are_alike() {
        for (a, b) in [
            ("Mohammed", "Muhammad"),
            ("Mohamed", "Muhammad"),
            ("Hussein", "Husayn"),
            ("Usama", "Osama"),
            ("Khalid", "Khaled"),
            ("Suleiman", "Sulayman"),
            ("Ivanov", "Ivanoff"),
            ("Sergey", "Sergei"),
            ("Dmitriy", "Dmitry"),
            ("Evgeny", "Yevgeniy"),
            ("Alexander", "Aleksandr"),
            ("Yusuf", "Youssef"),
            ("Alzawahiri", "Zawahiri"),
            ("Guzman", "Gusman"),
            ("Müller", "Mueller"),
            ("محمد", "Muhammad"),
            ("أحمد", "Ahmad"),
            ("عبدالهادي", "Abdulhadi"),
            ("Сергей", "Sergei"),
            ("Tsertsel", "Tsretsel"),
        ] {
            let (a, b) = (token(a), token(b));
            assert!(likeness(&a, &b) >= ALIKE, "{a:?} {b:?}");
            assert!((likeness(&a, &b) - likeness(&b, &a)).abs() < 1e-9);
            assert!(
                a.keys().iter().any(|key| b.keys().contains(key)),
                "{a:?} {b:?}"
            );
        }
    }

    #[test]
    fn other_names_are_not() {
        for (a, b) in [
            ("Ivan", "Igor"),
            ("Omar", "Amir"),
            ("Smith", "Jones"),
            ("Juan", "Joaquin"),
            ("Ali", "Alia"),
            ("Maria", "Mario"),
        ] {
            let (a, b) = (token(a), token(b));
            assert!(likeness(&a, &b) < 0.94, "{a:?} {b:?} {}", likeness(&a, &b));
        }
    }
}
