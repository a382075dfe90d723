//! Any bytes as the files of a list: refused with a line of one of them, or read, kept and
//! compared with.

use super::stored;
use super::{File, Kind, ListName, Source, read};
use crate::core::screening::{Screener, Subject};

/// What stands between the files of one input.
const BETWEEN: &str = "\n%%\n";

/// Entries of the longest list that is also compared with.
const COMPARED: usize = 50;

/// Reads the files that an input holds: entries, aliases, addresses, comments.
pub(crate) fn read_any(data: &[u8]) {
    let mut files = split(data).into_iter();
    let mut file = |name: &str| {
        let bytes = files.next()?.to_vec();
        let name = name.to_owned();
        Some(File { name, bytes })
    };
    let Some(entries) = file("SDN.CSV") else {
        return;
    };
    let source = Source {
        entries,
        aliases: file("ALT.CSV"),
        addresses: file("ADD.CSV"),
        comments: file("SDN_COMMENTS.CSV"),
    };
    let list = match read(&source, |_, _| ()) {
        Ok(list) => list,
        Err(wrong) => {
            let lines = data.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&wrong.line), "{wrong}");
            return;
        }
    };
    let (parts, _) = stored::write(&list.entries).expect("memory");
    let again = stored::read(&parts).expect("ours");
    assert!(again == list.entries, "a list is stored as another one");
    if list.entries.len() > COMPARED {
        return;
    }
    let screener = Screener::new(ListName::OFAC_SDN, &list);
    for entry in &list.entries {
        let subject = Subject {
            names: entry.names.iter().map(|name| name.text.clone()).collect(),
            birth_date: entry.births.first().map(|born| born.from),
            countries: entry
                .countries
                .iter()
                .map(|(_, country)| *country)
                .collect(),
        };
        for hit in screener.screen(&subject) {
            assert!((0.0..=1.0).contains(&hit.score), "{}", hit.score);
            assert_eq!(hit.entry.kind, Kind::Individual);
        }
    }
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    let between = BETWEEN.as_bytes();
    while let Some(at) = rest.windows(between.len()).position(|part| part == between) {
        parts.push(&rest[..=at]);
        rest = &rest[at + between.len()..];
    }
    parts.push(rest);
    parts
}
