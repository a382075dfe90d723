//! Entries as they are stored: JSON with short names, many to a part.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{Born, Entry, Kind, Name, NameKind, Tie};
use crate::core::country::Country;
use crate::error::{Error, Result};

/// Entries in one part.
const PART: usize = 500;

const NAME_KINDS: [NameKind; 5] = [
    NameKind::Primary,
    NameKind::Alias,
    NameKind::Former,
    NameKind::Now,
    NameKind::Weak,
];

const TIES: [Tie; 4] = [
    Tie::Address,
    Tie::Nationality,
    Tie::Citizenship,
    Tie::BirthPlace,
];

#[derive(Serialize, Deserialize)]
struct Stored {
    i: u64,
    k: usize,
    n: Vec<(usize, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    b: Vec<(String, String, bool)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    c: Vec<(usize, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    p: Vec<String>,
}

/// The parts of a list, and the hash over them.
pub(super) fn write(entries: &[Entry]) -> Result<(Vec<Vec<u8>>, String)> {
    let mut hash = Context::new(&SHA256);
    let mut parts = Vec::new();
    for entries in entries.chunks(PART) {
        let stored: Vec<_> = entries.iter().map(to_stored).collect();
        let part = serde_json::to_vec(&stored).map_err(Error::internal)?;
        hash.update(&part);
        parts.push(part);
    }
    Ok((parts, hex(hash.finish().as_ref())))
}

/// Reads what [`write`] wrote.
pub(super) fn read(parts: &[Vec<u8>]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for part in parts {
        let stored: Vec<Stored> = serde_json::from_slice(part).map_err(Error::internal)?;
        for stored in stored {
            let entry = from_stored(stored);
            entries.push(entry.ok_or_else(|| Error::internal("a stored watch list is damaged"))?);
        }
    }
    Ok(entries)
}

/// Half a SHA-256 over everything about an entry.
pub(super) fn fingerprint(entry: &Entry) -> String {
    let text = serde_json::to_vec(&to_stored(entry)).expect("numbers and texts become JSON");
    let mut hash = Context::new(&SHA256);
    hash.update(&text);
    hex(&hash.finish().as_ref()[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn to_stored(entry: &Entry) -> Stored {
    Stored {
        i: entry.id,
        k: entry.kind as usize,
        n: entry
            .names
            .iter()
            .map(|name| (name.kind as usize, name.text.clone()))
            .collect(),
        b: entry
            .births
            .iter()
            .map(|born| (born.from.to_string(), born.to.to_string(), born.circa))
            .collect(),
        c: entry
            .countries
            .iter()
            .map(|(tie, country)| (*tie as usize, country.code().to_owned()))
            .collect(),
        p: entry.programs.clone(),
    }
}

fn from_stored(stored: Stored) -> Option<Entry> {
    let names = stored.n.into_iter().map(|(kind, text)| {
        Some(Name {
            text,
            kind: *NAME_KINDS.get(kind)?,
        })
    });
    let births = stored.b.into_iter().map(|(from, to, circa)| {
        Some(Born {
            from: from.parse().ok()?,
            to: to.parse().ok()?,
            circa,
        })
    });
    let countries = stored
        .c
        .into_iter()
        .map(|(tie, code)| Some((*TIES.get(tie)?, Country::assigned(&code)?)));
    Some(Entry {
        id: stored.i,
        kind: *Kind::ALL.get(stored.k)?,
        names: names.collect::<Option<_>>()?,
        births: births.collect::<Option<_>>()?,
        countries: countries.collect::<Option<_>>()?,
        programs: stored.p,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn entries_survive_their_stored_form_and_differ_in_their_fingerprint() {
        let entry = Entry {
            id: 7,
            kind: Kind::Individual,
            names: NAME_KINDS
                .map(|kind| Name {
                    text: format!("NAME, {kind:?}"),
                    kind,
                })
                .to_vec(),
            births: vec![Born {
                from: date(1962, 1, 1),
                to: date(1962, 12, 31),
                circa: true,
            }],
            countries: TIES.map(|tie| (tie, Country::US)).to_vec(),
            programs: vec!["SDGT".to_owned()],
        };
        let many = vec![entry.clone(); PART + 1];
        let (parts, hash) = write(&many).expect("stored");
        assert_eq!((parts.len(), hash.len()), (2, 64));
        assert_eq!(read(&parts).expect("read"), many);
        let mut other = entry.clone();
        other.births.clear();
        assert_eq!(entry.fingerprint(), entry.clone().fingerprint());
        assert_ne!(entry.fingerprint(), other.fingerprint());
        assert!(read(&[b"[{\"i\":1,\"k\":9,\"n\":[]}]".to_vec()]).is_err());
    }
}
