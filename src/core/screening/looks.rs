//! Words in letters that look otherwise than they sound, or digits in the place of letters:
//! each way in which somebody may mean them.

use any_ascii::any_ascii_char;

use super::script::mixes_digits;

/// So many ways of one word at most; of a longer one only its sounds and its looks.
const WAYS: usize = 512;

/// The ways in which a word may be meant.
pub(super) struct Ways {
    /// Plain letters, each way once.
    pub all: Vec<String>,
    /// The way it looks, when all its letters or nearly all look like Latin ones.
    pub by_look: Option<String>,
}

/// The ways of a word as its characters stand; `None` when there is but one.
pub(super) fn ways(raw: &str) -> Option<Ways> {
    if raw
        .bytes()
        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_uppercase() && letter != b'I')
    {
        return None;
    }
    let digits = mixes_digits(&plain(raw));
    let small = raw.chars().any(char::is_lowercase);
    let looks = |place: usize, letter: char| match letter {
        '0'..='9' if digits => of_digit(letter),
        // A capital i among small letters is drawn like an l.
        'I' if place > 0 && small => "il",
        _ if letter.is_ascii() => "",
        _ => of_letter(letter),
    };
    let letters: Vec<(char, &str)> = raw
        .chars()
        .enumerate()
        .map(|(place, letter)| (letter, looks(place, letter)))
        .collect();
    if letters.iter().all(|(_, looks)| looks.is_empty()) {
        return None;
    }
    let count = letters.len();
    let alike = letters
        .iter()
        .filter(|(letter, looks)| letter.is_ascii() || !looks.is_empty());
    let nearly_all = alike.count() * 4 >= count * 3;
    let foreign = letters
        .iter()
        .any(|(letter, looks)| *letter != 'I' && !looks.is_empty());
    let by_look: String = letters
        .iter()
        .map(|(letter, looks)| {
            looks
                .get(..1)
                .map_or_else(|| plain(&letter.to_string()), str::to_owned)
        })
        .collect();
    let mut all = vec![String::new()];
    for (letter, looks) in &letters {
        let options = options(*letter, looks);
        if all.len() * options.len() > WAYS {
            all = vec![plain(raw), by_look.clone()];
            break;
        }
        let longer = all
            .iter()
            .flat_map(|way| options.iter().map(move |option| format!("{way}{option}")));
        all = longer.collect();
    }
    Some(Ways {
        all,
        by_look: (nearly_all && foreign).then_some(by_look),
    })
}

/// What a letter sounds like, and the letters that it looks like.
fn options(letter: char, looks: &str) -> Vec<String> {
    let mut options: Vec<String> = looks.chars().map(String::from).collect();
    let sound = plain(&letter.to_string());
    if !letter.is_ascii_digit() || looks.is_empty() {
        options.insert(0, sound);
    }
    options.sort_unstable();
    options.dedup();
    options
}

fn plain(text: &str) -> String {
    let roman = text
        .chars()
        .flat_map(|letter| any_ascii_char(letter).chars());
    roman
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

const fn of_digit(digit: char) -> &'static str {
    match digit {
        '0' => "o",
        '1' => "il",
        '2' => "z",
        '3' => "e",
        '4' => "a",
        '5' => "s",
        '6' => "gb",
        '7' => "t",
        '8' => "b",
        _ => "gq",
    }
}

/// The Latin letters that a Cyrillic, Greek or Armenian one looks like, the likest first.
fn of_letter(letter: char) -> &'static str {
    match letter.to_lowercase().next().unwrap_or(letter) {
        'а' | 'ӑ' | 'ӓ' | 'α' | 'ά' | 'λ' => "a",
        'б' | 'ь' | 'ъ' | 'ы' | 'ѣ' | 'β' | 'ϐ' => "b",
        'в' => "bv",
        'с' | 'ҫ' | 'ϲ' => "c",
        'ԁ' | 'δ' => "d",
        'е' | 'ё' | 'є' | 'э' | 'ҽ' | 'ε' | 'ϵ' | 'έ' => "e",
        'з' | 'ӡ' => "ez",
        'ғ' => "f",
        'ԍ' | 'ց' => "g",
        'н' | 'ң' | 'һ' | 'ӊ' | 'հ' => "hn",
        'і' | 'ї' | 'ι' | 'ί' | 'ϊ' => "il",
        'ј' | 'յ' => "j",
        'к' | 'қ' | 'ҝ' | 'κ' | 'ϰ' => "k",
        'ӏ' | 'ւ' | 'լ' => "li",
        'м' | 'ӎ' => "m",
        'п' | 'л' | 'ո' | 'ռ' | 'ղ' | 'π' => "n",
        'η' | 'ή' => "nh",
        'и' | 'й' | 'ӣ' | 'ҋ' => "nui",
        'о' | 'ө' | 'ӧ' | 'ф' | 'ο' | 'ό' | 'θ' | 'φ' | 'օ' => "o",
        'р' | 'ҏ' | 'ρ' | 'ք' => "p",
        'ԛ' | 'զ' => "q",
        'г' | 'ґ' | 'я' => "r",
        'ѕ' | 'ς' | 'σ' | 'տ' => "s",
        'т' | 'ҭ' | 'τ' => "t",
        'ц' | 'џ' | 'ս' => "u",
        'μ' => "um",
        'υ' | 'ύ' => "uy",
        'ѵ' => "v",
        'ν' => "vn",
        'ш' | 'щ' | 'ԝ' | 'ѡ' | 'ω' | 'ώ' => "w",
        'х' | 'ҳ' | 'χ' | 'ξ' => "x",
        'ч' => "y",
        'γ' => "yr",
        'у' | 'ү' | 'ұ' | 'ў' | 'ӯ' => "yu",
        'ζ' => "z",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_among_the_ways() {
        for (raw, meant) in [
            ("M4y0r0v4", "mayorova"),
            ("S4nt0s0", "santoso"),
            ("Yu1ia", "yulia"),
            ("Yu1ia", "yuiia"),
            ("MireiIIe", "mireille"),
            ("ЅАИТОЅО", "santoso"),
            ("Мауогоѵа", "mayorova"),
            ("Маркова", "markova"),
            ("ΥULIA", "yulia"),
            ("μαγοροvα", "mayorova"),
        ] {
            let ways = ways(raw).expect("more than one");
            assert!(
                ways.all.iter().any(|way| way == meant),
                "{raw}: {:?}",
                ways.all
            );
            assert!(ways.all.len() <= WAYS);
        }
        assert_eq!(
            ways("ЅАИТОЅО").and_then(|ways| ways.by_look).as_deref(),
            Some("santoso")
        );
        assert!(ways("Дмитрий").expect("some").by_look.is_some());
        for raw in [
            "Yulia", "YULIA", "Iulia", "III", "2nd", "محمد", "王", "Müller",
        ] {
            assert!(ways(raw).is_none(), "{raw}");
        }
        assert_eq!(ways(&"в".repeat(60)).expect("two").all.len(), 2);
    }
}
