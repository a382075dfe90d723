//! What the screening finds on a small list, and what it leaves alone.

use jiff::civil::date;

use super::*;
use crate::core::watchlist::{Born, Kind, Name, NameKind, Tie};

fn entry(id: u64, names: &[(&str, NameKind)]) -> Entry {
    let born = date(1962, 3, 5);
    Entry {
        id,
        kind: Kind::Individual,
        names: names
            .iter()
            .map(|(text, kind)| Name {
                text: (*text).to_owned(),
                kind: *kind,
            })
            .collect(),
        births: vec![Born {
            from: born,
            to: born,
            circa: false,
        }],
        countries: vec![(Tie::Nationality, Country::assigned("RU").expect("assigned"))],
        programs: vec!["TEST".to_owned()],
    }
}

fn screener() -> Screener {
    use NameKind::{Alias, Primary, Weak};
    let mut company = entry(9, &[("KARZHENKOV, Timofey", Primary)]);
    company.kind = Kind::Entity;
    let entries = vec![
        entry(
            1,
            &[("KARZHENKOV, Timofey Arkadyevich", Primary), ("PATO", Weak)],
        ),
        entry(
            2,
            &[
                ("AL-MUTALABI, Abd al-Rahman Husayn", Primary),
                ("ABU TURAB", Alias),
            ],
        ),
        entry(3, &[("LIU, Xiaoming", Primary)]),
        company,
    ];
    Screener::new(ListName::OFAC_SDN, &WatchList { entries })
}

fn subject(name: &str) -> Subject {
    let mut subject = Subject::default();
    subject.names.push(name.to_owned());
    subject
}

#[test]
fn one_person_however_written() {
    let screener = screener();
    for (name, id) in [
        ("Timofey Arkadyevich Karzhenkov", 1),
        ("KARZHENKOV TIMOFEY", 1),
        ("Timofei Karjenkoff", 1),
        ("Тимофей Карженков", 1),
        ("Timoféy Karzhenkov", 1),
        ("Timofey Karzenkov", 1),
        ("Abdul Rahman Hussein Mutalabi", 2),
        ("Abdulrahman Hossein Al Mutalabi", 2),
        ("عبد الرحمن حسين المطلبي", 2),
        ("عبد الرحمن بن حسين المطلبي", 2),
        ("MUTALABI HUSAYN RAHMAN ABDUL", 2),
        ("Abiul Rahman Husayn Mutalabi", 2),
        ("Abddurrahman Hussein Mutalabi", 2),
        ("Xiao Ming Liu", 3),
        ("Liu Xiao-ming", 3),
        ("刘晓明", 3),
    ] {
        let hits = screener.screen(&subject(name));
        assert_eq!(hits.first().map(|hit| hit.entry.id), Some(id), "{name}");
        assert_eq!(hits.len(), 1, "{name}");
        assert!((THRESHOLD..=1.0).contains(&hits[0].score));
        assert!(matches!(hits[0].reasons[0], Reason::Name { .. }));
    }
}

/// Characters that no font shows, and marks that stand on letters: behind each letter of a name.
#[test]
fn what_is_not_seen_hides_nobody() {
    let screener = screener();
    let unseen = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180b}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{202a}\u{2060}\u{2065}\u{206f}\u{2800}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{1d173}\u{e0041}\u{e0100}\u{e01ef}";
    let marks = "\u{301}\u{334}\u{345}\u{363}\u{36f}\u{483}\u{5b4}\u{64e}\u{670}\u{903}\u{93e}\u{94d}\u{e31}\u{1ab0}\u{1dc0}\u{1ddf}\u{20dd}\u{20e3}\u{302a}\u{3099}\u{fe20}\u{1d165}";
    for between in unseen.chars().chain(marks.chars()) {
        for plain in ["Timofey Karzhenkov", "Тимофей Карженков"] {
            let name: String = plain.chars().flat_map(|one| [one, between]).collect();
            let hits = screener.screen(&subject(&name));
            assert_eq!(hits.len(), 1, "{between:?} in {plain}");
            assert_eq!(hits[0].entry.id, 1);
        }
    }
    for name in ["عَبْد الرَّحْمٰن حُسَيْن المُطَّلِبي", "عبـد الرحـمن حسـين المطلبي"]
    {
        assert_eq!(screener.screen(&subject(name)).len(), 1, "{name}");
    }
}

#[test]
fn extra_words_hide_nobody() {
    let screener = screener();
    let many = |count: usize, word: &str| -> String {
        let words: Vec<String> = (0..count)
            .map(|number| {
                format!(
                    "{word}{} ",
                    char::from(b'a' + u8::try_from(number % 26).expect("a letter"))
                )
            })
            .collect();
        words.concat()
    };
    for padding in [
        "A B C D E F G H I J K L".to_owned(),
        "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z".to_owned(),
        "Maria Jose Juan Luis Carlos".to_owned(),
        "Xylo Zyra Quon Brav Drex".to_owned(),
        "Xylo Zyra Quon Brav".to_owned(),
        "Xylo Zyra Quon".to_owned(),
        many(20, "qu"),
        many(25, "x"),
    ] {
        for name in [
            format!("Timofey {padding} Karzhenkov"),
            format!("Timofey Karzhenkov {padding}"),
            format!("{padding}\nTimofey\nKarzhenkov"),
        ] {
            let subject = subject(&name);
            let found = screener
                .screen(&subject)
                .iter()
                .any(|hit| hit.entry.id == 1);
            assert!(found || subject.unread().is_some(), "{name}");
        }
    }
    let whole = format!("Timofey {} Karzhenkov", many(40, "qu"));
    assert!(subject(&whole).unread().is_some());
}

#[test]
fn titles_placeholders_and_repeated_words_count_as_nothing() {
    let mut single = entry(4, &[("SANTOSO", NameKind::Primary)]);
    single.births = vec![Born {
        from: date(1970, 1, 2),
        to: date(1970, 1, 2),
        circa: false,
    }];
    let screener = Screener::new(
        ListName::OFAC_SDN,
        &WatchList {
            entries: vec![single],
        },
    );
    for name in [
        "Santoso",
        "FNU Santoso",
        "Santoso LNU",
        "Santoso\nLNU",
        "N/A Santoso",
        "- Santoso",
        "-\nSantoso",
        "Unknown Santoso",
        "UNKNOWN\nSantoso",
        "Santoso No Last Name",
        "Santoso None",
        "(no name) Santoso",
        "F.N.U. Santoso",
        "Mr. Santoso",
        "Haji Santoso",
        "Dr. Haji Santoso",
        "Santoso Santoso",
        "Santoso\nSantoso Santoso",
        "Not Applicable Santoso",
        "S A N T O S O",
        "FNU\nS a n t o s o",
        "Budi Agus Santoso",
        "Santoso A B C D E F G H I J K L M N",
    ] {
        let mut subject = subject(name);
        subject.birth_date = Some(date(1970, 1, 2));
        assert_eq!(screener.screen(&subject).len(), 1, "{name}");
        subject.birth_date = Some(date(1999, 1, 2));
        assert_eq!(screener.screen(&subject).len(), 0, "{name}");
    }
}

#[test]
fn what_cannot_be_compared_whole_is_told() {
    let unread =
        |letter: &char| letter.is_alphabetic() && any_ascii::any_ascii_char(*letter).is_empty();
    let letter = ('\u{10000}'..='\u{323af}').find(unread).expect("one");
    assert!(subject(&format!("Ada {letter}{letter}")).unread().is_some());
    for name in ["FNU LNU", "Tимофей Kарженков", "Pаvel Ivanov", "-"] {
        assert!(subject(name).unread().is_some(), "{name}");
    }
    for name in [
        "",
        " ",
        "Ada Lovelace",
        "Иван Соловьёв",
        "गीता शर्मा",
        "ঋতুপর্ণা",
        "สมชาย",
        "佐々木",
        "ゆーこ",
        "瓦歷斯‧諾幹",
        "نور",
        "Ὀδυσσεύς",
        "ሀይሌ",
        "ဒေါ်",
        "ཏེན",
        "김철수",
        "ᠰᠠᠷ",
        "ሰላም",
        "გიორგი",
        "Արամ",
        "𞤀𞤣𞤤𞤢𞤥",
        "ꯃꯩꯇꯩ",
        "ᱥᱟᱱᱛᱟᱲ",
        "ߒߞߏ",
    ] {
        assert_eq!(subject(name).unread(), None, "{name}");
    }
}

#[test]
fn others_are_left_alone() {
    let screener = screener();
    for name in [
        "",
        "!",
        "Pato",
        "Karzhenkov",
        "Ivan Karzhenkov",
        "Timofey Petrov",
        "Ming Liu",
        "Hussein Rahman",
        "Ada Lovelace",
        "x".repeat(5000).as_str(),
    ] {
        assert!(screener.screen(&subject(name)).is_empty(), "{name}");
    }
}

#[test]
fn birth_dates_and_countries_raise_and_lower() {
    let screener = screener();
    let score = |day, country: &str| {
        let mut subject = subject("Timofey Karzenkov");
        subject.birth_date = day;
        subject.countries = Country::assigned(country).into_iter().collect();
        screener.screen_above(&subject, 0.0)[0].score
    };
    let plain = score(None, "");
    assert!(score(Some(date(1962, 3, 5)), "") > plain);
    assert!(score(Some(date(1962, 5, 3)), "") > plain);
    assert!(score(Some(date(1990, 3, 5)), "") < THRESHOLD);
    assert!(score(None, "RU") > plain);
    assert!(score(None, "US") < plain);
}

#[test]
fn another_nationality_says_more_while_no_birth_date_does() {
    let screener = screener();
    let score = |birth_date, country: &str| {
        let mut subject = subject("Timofey Karzhenkov");
        subject.birth_date = birth_date;
        subject.countries = Country::assigned(country).into_iter().collect();
        screener.screen_above(&subject, 0.0)[0].score
    };
    let cost = |birth_date| score(birth_date, "") - score(birth_date, "US");
    assert!(cost(None) > cost(Some(date(1962, 3, 5))) + 0.01);
}

/// A common name under which somebody is listed, and one that somebody took.
#[test]
fn an_alias_of_common_names_proves_less() {
    use NameKind::{Alias, Primary};
    let screener = |kind| {
        let names = [("KARZHENKOV, Timofey", Primary), ("PETROV, Sergey", kind)];
        Screener::new(
            ListName::OFAC_SDN,
            &WatchList {
                entries: vec![entry(1, &names)],
            },
        )
    };
    let score = |kind, birth_date| {
        let mut subject = subject("Sergey Petrov");
        subject.birth_date = birth_date;
        screener(kind).screen_above(&subject, 0.0)[0].score
    };
    assert!(score(Primary, None) >= THRESHOLD);
    assert!(score(Alias, None) < THRESHOLD);
    assert!(score(Alias, Some(date(1962, 3, 5))) >= THRESHOLD);
}

#[test]
fn a_missing_initial_costs_little_and_a_missing_name_more() {
    let names = |text| [(text, NameKind::Primary)];
    let score = |listed| {
        let list = WatchList {
            entries: vec![entry(1, &names(listed))],
        };
        let screener = Screener::new(ListName::OFAC_SDN, &list);
        screener.screen_above(&subject("Timofey Karzhenkov"), 0.0)[0].score
    };
    let (whole, initial) = (
        score("KARZHENKOV, Timofey"),
        score("KARZHENKOV, Timofey A."),
    );
    let missing = score("KARZHENKOV, Timofey Arkadyevich");
    assert!(whole > initial && initial > missing + 0.02);
    assert!(missing >= THRESHOLD);
}

/// Consonants that very many entries have say as little as the names they stand for.
#[test]
fn letters_without_vowels_say_what_the_list_makes_of_them() {
    let others = |name: &'static str| {
        let mut entries = vec![entry(1, &[("MAHAMED, Timofey", NameKind::Primary)])];
        entries.extend((2..200).map(|id| entry(id, &[(name, NameKind::Primary)])));
        let hits = Screener::new(ListName::OFAC_SDN, &WatchList { entries })
            .screen_above(&subject("محمد Timofey"), 0.0);
        let hit = hits.iter().find(|hit| hit.entry.id == 1);
        hit.expect("it is compared").score
    };
    assert!(others("MUHAMMAD, Jurgis") < others("PETRAUSKAS, Jurgis") - 0.01);
}

#[test]
fn the_same_question_has_the_same_answer() {
    let (one, other) = (screener(), screener());
    for name in ["Timofey Karzhenkov", "Abdul Rahman Mutalabi"] {
        let print =
            |screener: &Screener| format!("{:?}", screener.screen_above(&subject(name), 0.0));
        assert_eq!(print(&one), print(&other));
    }
}

#[test]
fn nothing_shows_the_subject() {
    let shown = format!("{:?}", subject("Timofey Karzenkov"));
    assert_eq!(shown, "Subject(…)");
    shared::<Screener>();
}

fn shared<T: Send + Sync>() {}

#[test]
fn a_mark_is_of_one_list_and_marks_of_before_are_the_treasurys() {
    let hit = |list: &str| {
        let entries = vec![entry(7, &[("KARZHENKOV, Timofey", NameKind::Primary)])];
        let hits =
            Screener::new(list, &WatchList { entries }).screen(&subject("Timofey Karzhenkov"));
        hits.into_iter().next().expect("a hit")
    };
    let (sdn, un) = (hit(ListName::OFAC_SDN), hit("un"));
    let says = sdn.entry.fingerprint();
    assert_eq!(sdn.mark(), format!("7:{says}"));
    assert_eq!(un.mark(), format!("un/7:{says}"));
    assert!(sdn.is_of("7:of-before") && un.is_of("un/7:of-before"));
    for mark in ["un/7:x", "70:x", "7", ""] {
        assert_eq!(sdn.is_of(mark), mark == "7", "{mark}");
    }
    assert!(!un.is_of("7:x") && !un.is_of("eu/7:x") && !un.is_of("un/70:x"));
}
