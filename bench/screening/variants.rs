//! How a listed person might write their name: one function for each class.

#![expect(clippy::unnecessary_wraps, reason = "every class has the same shape")]

use crate::random::Random;

/// The surname and the given names of a listed name.
pub type Parts = (Vec<String>, Vec<String>);

/// Splits `SURNAME, Given Names`; `None` for anything else.
pub fn parts(listed: &str) -> Option<Parts> {
    let (surname, given) = listed.split_once(',')?;
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let (surname, given) = (words(surname), words(given));
    (!surname.is_empty() && !given.is_empty() && !listed[surname.len()..].contains("Jr"))
        .then_some((surname, given))
}

fn western((surname, given): &Parts) -> Vec<String> {
    given.iter().chain(surname).cloned().collect()
}

/// Given names first, in title case.
pub fn plain(parts: &Parts, _: &mut Random) -> Option<String> {
    Some(western(parts).join(" "))
}

/// Surname first, or turned around.
pub fn reordered(parts: &Parts, random: &mut Random) -> Option<String> {
    let (surname, given) = parts;
    let mut words: Vec<String> = surname.iter().chain(given).cloned().collect();
    if random.below(2) == 0 {
        words.reverse();
    }
    Some(words.join(" ").to_uppercase())
}

/// The first given name and the surname of somebody who has more.
pub fn without_middle((surname, given): &Parts, _: &mut Random) -> Option<String> {
    // "Servant of" and "father of" are no names by themselves.
    let half = ["abd", "abdul", "abdel", "abdal", "abu", "haji", "hajji"];
    let first = given[0].to_lowercase();
    (given.len() > 1 && !half.contains(&first.trim_matches('\'')))
        .then(|| format!("{} {}", given[0], surname.join(" ")))
}

/// One slip in one of the words: a letter left out, doubled, exchanged or another one.
pub fn slip(parts: &Parts, random: &mut Random) -> Option<String> {
    let mut words = western(parts);
    let long: Vec<usize> = (0..words.len())
        .filter(|place| words[*place].len() >= 5 && words[*place].is_ascii())
        .collect();
    if long.is_empty() {
        return None;
    }
    let word = &mut words[random.of(&long)];
    let place = 1 + random.below(word.len() - 2);
    let mut letters: Vec<char> = word.to_lowercase().chars().collect();
    match random.below(4) {
        0 => drop(letters.remove(place)),
        1 => letters.insert(place, letters[place]),
        2 => letters.swap(place, place + 1),
        _ => letters[place] = random.of(&['a', 'e', 'i', 'o', 'n', 's', 't', 'r']),
    }
    *word = letters.into_iter().collect();
    Some(words.join(" "))
}

/// Another romanisation of as many sounds as the name has, at most three.
pub fn romanised(parts: &Parts, random: &mut Random) -> Option<String> {
    let mut name = western(parts).join(" ").to_lowercase();
    let mut changed = 0;
    let offset = random.below(ROMANISATIONS.len());
    for step in 0..ROMANISATIONS.len() {
        let (from, to) = ROMANISATIONS[(step + offset) % ROMANISATIONS.len()];
        let padded = format!("{name} ");
        if changed < 3 && padded.contains(from) {
            padded
                .replacen(from, to, 1)
                .trim_end()
                .clone_into(&mut name);
            changed += 1;
        }
    }
    (changed > 0).then_some(name)
}

const ROMANISATIONS: &[(&str, &str)] = &[
    ("muhammad", "mohammed"),
    ("mohammad", "muhamed"),
    ("ahmad", "ahmed"),
    ("husayn", "hussein"),
    ("hussein", "hossain"),
    ("abd al-", "abdul "),
    ("abdul ", "abd al-"),
    ("abdel ", "abdul"),
    ("al-", "al "),
    ("al-", "el-"),
    ("ov ", "off "),
    ("ev ", "eff "),
    ("kh", "h"),
    ("iy ", "y "),
    ("ey ", "ei "),
    ("ou", "u"),
    ("sh", "sch"),
    ("aleks", "alex"),
    ("yu", "iu"),
    ("ya", "ia"),
    ("w", "v"),
    ("ee", "i"),
    ("q", "k"),
    ("yevg", "evg"),
    ("ks", "x"),
    ("oo", "u"),
    ("khalid", "khaled"),
    ("y ", "iy "),
    ("dh", "d"),
    ("ii", "i"),
    ("omar", "umar"),
    ("saleh", "salih"),
    ("said", "saeed"),
    ("yusuf", "youssef"),
];

/// Accents where the language of the name has some.
pub fn accented(parts: &Parts, random: &mut Random) -> Option<String> {
    let name: String = western(parts)
        .join(" ")
        .to_lowercase()
        .chars()
        .map(|letter| {
            let accents: &[char] = match letter {
                'a' => &['á', 'ä', 'ā', 'a'],
                'e' => &['é', 'ë', 'ē', 'e'],
                'i' => &['í', 'ï', 'ī', 'i'],
                'o' => &['ó', 'ö', 'ō', 'o'],
                'u' => &['ú', 'ü', 'ū', 'u'],
                'c' => &['č', 'ç', 'ć', 'c'],
                's' => &['š', 'ş', 's', 's'],
                'n' => &['ñ', 'ń', 'n', 'n'],
                _ => return letter,
            };
            random.of(accents)
        })
        .collect();
    Some(name)
}

/// Two words joined, or a long one split.
pub fn joined(parts: &Parts, _: &mut Random) -> Option<String> {
    let (surname, given) = parts;
    let small = ["ben", "bin", "de", "abd", "abdul", "abd-al-qadir"];
    if given
        .iter()
        .any(|word| small.contains(&word.to_lowercase().as_str()))
    {
        return None;
    }
    if let [first, second, ..] = given.as_slice() {
        let rest = given[2..].join(" ");
        return Some(format!(
            "{first}{} {rest} {}",
            second.to_lowercase(),
            surname.join(" ")
        ));
    }
    let [one] = given.as_slice() else { return None };
    one.split_once('-')
        .map(|(first, second)| format!("{first}{} {}", second.to_lowercase(), surname.join(" ")))
}

/// In Cyrillic letters, by sound.
pub fn cyrillic(parts: &Parts, _: &mut Random) -> Option<String> {
    Some(
        western(parts)
            .iter()
            .map(|word| by_table(&word.to_lowercase(), CYRILLIC))
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// In Arabic letters, where a short vowel is written only sometimes.
pub fn arabic(parts: &Parts, random: &mut Random) -> Option<String> {
    let words = western(parts)
        .iter()
        .flat_map(|word| word.split('-').map(str::to_lowercase).collect::<Vec<_>>())
        .collect::<Vec<_>>();
    let mut article = false;
    let mut out = Vec::new();
    for word in words {
        if matches!(word.as_str(), "al" | "el") {
            article = true;
            continue;
        }
        let plain = word.trim_matches('\'');
        if let Some(servant) = ["abdul", "abdel", "abdal", "abd"]
            .into_iter()
            .find(|servant| plain.starts_with(servant))
        {
            out.push("عبد".to_owned());
            article = true;
            if plain == servant {
                continue;
            }
            let rest = arabic_word(&plain[servant.len()..], random);
            out.push(format!("ال{rest}"));
            article = false;
            continue;
        }
        let spelled = arabic_word(&word, random);
        out.push(if std::mem::take(&mut article) {
            format!("ال{spelled}")
        } else {
            spelled
        });
    }
    Some(out.join(" "))
}

fn arabic_word(word: &str, random: &mut Random) -> String {
    let mut out = String::new();
    let plain: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    let mut rest = plain.as_str();
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let found = ARABIC.iter().find(|(roman, _)| rest.starts_with(roman));
        let length = found.map_or(1, |(roman, _)| roman.len());
        let (start, end) = (rest.len() == plain.len(), rest.len() == length);
        match (letter, found) {
            _ if letter == before => {}
            (_, Some((_, arabic))) => out.push_str(arabic),
            ('y', None) if !end => out.push('ي'),
            ('a' | 'e', None) if start => out.push('أ'),
            ('i' | 'o' | 'u', None) if start => out.push('ا'),
            ('a', None) if end => out.push('ة'),
            ('i' | 'y', None) if end => out.push('ي'),
            ('a', None) if random.below(2) == 0 => out.push('ا'),
            ('i' | 'y', None) if random.below(2) == 0 => out.push('ي'),
            ('o' | 'u', None) if random.below(2) == 0 => out.push('و'),
            _ => {}
        }
        before = letter;
        rest = &rest[length..];
    }
    out
}

const ARABIC: &[(&str, &str)] = &[
    ("kh", "خ"),
    ("sh", "ش"),
    ("gh", "غ"),
    ("th", "ث"),
    ("dh", "ذ"),
    ("ch", "تش"),
    ("b", "ب"),
    ("t", "ت"),
    ("j", "ج"),
    ("g", "ج"),
    ("h", "ح"),
    ("d", "د"),
    ("r", "ر"),
    ("z", "ز"),
    ("s", "س"),
    ("f", "ف"),
    ("p", "ب"),
    ("q", "ق"),
    ("k", "ك"),
    ("c", "ك"),
    ("l", "ل"),
    ("m", "م"),
    ("n", "ن"),
    ("w", "و"),
    ("v", "ف"),
    ("x", "كس"),
];

const CYRILLIC: &[(&str, &str)] = &[
    ("shch", "щ"),
    ("zh", "ж"),
    ("kh", "х"),
    ("ts", "ц"),
    ("ch", "ч"),
    ("sh", "ш"),
    ("yu", "ю"),
    ("ya", "я"),
    ("ye", "е"),
    ("iy", "ий"),
    ("yy", "ый"),
    ("ey", "ей"),
    ("ay", "ай"),
    ("oy", "ой"),
    ("a", "а"),
    ("b", "б"),
    ("v", "в"),
    ("g", "г"),
    ("d", "д"),
    ("e", "е"),
    ("z", "з"),
    ("i", "и"),
    ("k", "к"),
    ("l", "л"),
    ("m", "м"),
    ("n", "н"),
    ("o", "о"),
    ("p", "п"),
    ("r", "р"),
    ("s", "с"),
    ("t", "т"),
    ("u", "у"),
    ("f", "ф"),
    ("h", "х"),
    ("y", "и"),
    ("c", "к"),
    ("q", "к"),
    ("w", "в"),
    ("x", "кс"),
    ("j", "дж"),
];

fn by_table(word: &str, table: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some(letter) = rest.chars().next() {
        let found = table.iter().find(|(roman, _)| rest.starts_with(roman));
        if let Some((roman, other)) = found {
            out.push_str(other);
            rest = &rest[roman.len()..];
        } else {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    out
}

/// In Chinese characters, when there is one for each syllable.
pub fn chinese((surname, given): &Parts, _: &mut Random) -> Option<String> {
    let mut out = String::new();
    for word in surname.iter().chain(given) {
        let mut rest = word.to_lowercase().replace('-', "");
        while !rest.is_empty() {
            let syllable = HAN
                .iter()
                .filter(|(pinyin, _)| rest.starts_with(pinyin))
                .max_by_key(|(pinyin, _)| pinyin.len())?;
            out.push_str(syllable.1);
            rest.drain(..syllable.0.len());
        }
    }
    Some(out)
}

const HAN: &[(&str, &str)] = &[
    ("wang", "王"),
    ("li", "李"),
    ("zhang", "张"),
    ("liu", "刘"),
    ("chen", "陈"),
    ("yang", "杨"),
    ("huang", "黄"),
    ("zhao", "赵"),
    ("wu", "吴"),
    ("zhou", "周"),
    ("xu", "徐"),
    ("sun", "孙"),
    ("ma", "马"),
    ("zhu", "朱"),
    ("hu", "胡"),
    ("guo", "郭"),
    ("he", "何"),
    ("lin", "林"),
    ("gao", "高"),
    ("luo", "罗"),
    ("zheng", "郑"),
    ("liang", "梁"),
    ("xie", "谢"),
    ("song", "宋"),
    ("tang", "唐"),
    ("han", "韩"),
    ("feng", "冯"),
    ("deng", "邓"),
    ("cao", "曹"),
    ("peng", "彭"),
    ("xiao", "晓"),
    ("tian", "田"),
    ("dong", "东"),
    ("pan", "潘"),
    ("yuan", "袁"),
    ("cai", "蔡"),
    ("jiang", "江"),
    ("yu", "宇"),
    ("du", "杜"),
    ("cheng", "程"),
    ("wei", "伟"),
    ("ming", "明"),
    ("hua", "华"),
    ("jun", "军"),
    ("jie", "杰"),
    ("yong", "勇"),
    ("lei", "磊"),
    ("qiang", "强"),
    ("hong", "红"),
    ("gang", "刚"),
    ("ping", "平"),
    ("bo", "波"),
    ("bin", "斌"),
    ("hui", "辉"),
    ("jian", "建"),
    ("guang", "光"),
    ("hai", "海"),
    ("shan", "山"),
    ("fu", "福"),
    ("xin", "新"),
    ("ying", "英"),
    ("mei", "美"),
    ("long", "龙"),
    ("sheng", "胜"),
    ("guang", "广"),
    ("shi", "石"),
    ("qing", "清"),
    ("jin", "金"),
    ("chun", "春"),
    ("rong", "荣"),
];
