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
    Screener::new(&WatchList {
        entries: vec![
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
        ],
    })
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
        Screener::new(&WatchList {
            entries: vec![entry(1, &names)],
        })
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
        let screener = Screener::new(&list);
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
        let hits =
            Screener::new(&WatchList { entries }).screen_above(&subject("محمد Timofey"), 0.0);
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
