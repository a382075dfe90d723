//! The lists that are measured with: the real one where there is one, a small
//! one of invented people, and a large one grown from either.

use std::path::{Path, PathBuf};

use oms::core::watchlist::{self, Born, Entry, File, Kind, Name, NameKind, Source, WatchList};

use crate::random::Random;

/// Where the real list may be.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("OMS_OFAC_DIR").map(PathBuf::from);
    let folder =
        named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ofac"));
    folder.join("sdn.csv").is_file().then_some(folder)
}

/// The real list.
pub fn real(folder: &Path) -> Option<WatchList> {
    let file = |name: &str| {
        let bytes = std::fs::read(folder.join(name)).ok()?;
        Some(File {
            name: name.to_owned(),
            bytes,
        })
    };
    let source = Source {
        entries: file("sdn.csv")?,
        aliases: file("alt.csv"),
        addresses: file("add.csv"),
        comments: file("sdn_comments.csv"),
    };
    match watchlist::read(&source, |_, _| ()) {
        Ok(list) => Some(list),
        Err(refusal) => {
            println!("the real list is refused: {refusal}");
            None
        }
    }
}

/// Invented people.
pub fn invented() -> WatchList {
    let mut random = Random(3);
    let surnames = [
        "KARZHENKOV",
        "AL-MUTALABI",
        "ZHEREBTSOV",
        "QUINTANILLA BARROSO",
        "LIU",
        "HOSSEINABADI",
        "TSHIMANGA",
        "ABD AL-WAHHAB",
    ];
    let given = [
        "Timofey Arkadyevich",
        "Muhammad Husayn",
        "Vsevolod",
        "Joaquin Evaristo",
        "Xiaoming",
        "Ahmad Reza",
        "Kalonji Dieudonne",
        "Yusuf Khalid",
    ];
    let entries = (0u64..64).map(|id| {
        let born = random.birth_date();
        Entry {
            id,
            kind: Kind::Individual,
            names: vec![Name {
                text: format!("{}, {}", random.of(&surnames), random.of(&given)),
                kind: NameKind::Primary,
            }],
            births: vec![Born {
                from: born,
                to: born,
                circa: false,
            }],
            countries: Vec::new(),
            programs: vec!["TEST".to_owned()],
        }
    });
    WatchList {
        entries: entries.collect(),
    }
}

/// As many individuals as asked for: those of the list, again and again, each
/// time with other letters, so that neither words nor people repeat.
pub fn grown(list: &WatchList, size: usize) -> WatchList {
    let people: Vec<&Entry> = list
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Individual)
        .collect();
    let mut random = Random(5);
    let entries = (0..size).map(|number| {
        let mut entry = people[number % people.len()].clone();
        entry.id = number as u64;
        if number >= people.len() {
            for name in &mut entry.names {
                let changed = name.text.chars().map(|letter| match letter {
                    'b'..='z' if random.below(8) == 0 => random.of(&[
                        'b', 'd', 'g', 'k', 'l', 'm', 'n', 'r', 's', 't', 'a', 'i', 'o',
                    ]),
                    other => other,
                });
                name.text = changed.collect();
            }
        }
        entry
    });
    WatchList {
        entries: entries.collect(),
    }
}
