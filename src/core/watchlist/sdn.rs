//! The list of the US Treasury (OFAC's Specially Designated Nationals) as it is
//! published: SDN.CSV, with its aliases in ALT.CSV, its addresses in ADD.CSV, and
//! in `SDN_COMMENTS.CSV` what the remarks had no room for.

use std::collections::HashMap;
use std::fmt;

use super::places::Places;
use super::remarks::{self, Remark};
use super::{Entry, Kind, Name, NameKind, Tie, WatchList, csv};

/// Why a list is refused: where, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, line {}: {}", self.file, self.line, self.reason)
    }
}

impl std::error::Error for Refusal {}

/// One file: what to call it, and its bytes.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, for a refusal.
    pub name: String,
    /// Everything in it.
    pub bytes: Vec<u8>,
}

/// The files of a list; only the first has to be there.
#[derive(Clone, Debug)]
pub struct Source {
    /// SDN.CSV: the entries.
    pub entries: File,
    /// ALT.CSV: their aliases.
    pub aliases: Option<File>,
    /// ADD.CSV: their addresses.
    pub addresses: Option<File>,
    /// `SDN_COMMENTS.CSV`: remarks that go on.
    pub comments: Option<File>,
}

/// Columns of each file.
const ENTRY_FIELDS: usize = 12;
const ALIAS_FIELDS: usize = 5;
const ADDRESS_FIELDS: usize = 6;
const COMMENT_FIELDS: usize = 2;

/// What is being read: the entries so far, and where each number stands.
#[derive(Default)]
struct Reading {
    list: WatchList,
    remarks: Vec<String>,
    places: HashMap<u64, usize>,
    countries: Places,
}

/// Reads a list; `progress` hears of every file and its records.
///
/// # Errors
/// With line and reason when anything looks damaged: then nothing of it is used.
pub fn read(source: &Source, mut progress: impl FnMut(&str, usize)) -> Result<WatchList, Refusal> {
    let mut reading = Reading::default();
    let mut run = |file: &File, fields, take: fn(&mut Reading, &[String]) -> Result<(), String>| {
        let refuse = |(line, reason)| Refusal {
            file: file.name.clone(),
            line,
            reason,
        };
        let records = csv::records(&file.bytes, fields).map_err(refuse)?;
        progress(&file.name, records.len());
        for (line, record) in &records {
            take(&mut reading, record).map_err(|reason| refuse((*line, reason)))?;
        }
        Ok(())
    };
    run(&source.entries, ENTRY_FIELDS, Reading::entry)?;
    for (file, fields, take) in [
        (
            &source.aliases,
            ALIAS_FIELDS,
            Reading::alias as fn(&mut Reading, &[String]) -> Result<(), String>,
        ),
        (&source.addresses, ADDRESS_FIELDS, Reading::address),
        (&source.comments, COMMENT_FIELDS, Reading::comment),
    ] {
        if let Some(file) = file {
            run(file, fields, take)?;
        }
    }
    Ok(reading.finish())
}

impl Reading {
    fn entry(&mut self, record: &[String]) -> Result<(), String> {
        let id = number(&record[0])?;
        let kind = match record[2].trim() {
            "individual" => Kind::Individual,
            "vessel" => Kind::Vessel,
            "aircraft" => Kind::Aircraft,
            "" | "entity" => Kind::Entity,
            _ => return Err("its type is none of individual, vessel, aircraft or empty".to_owned()),
        };
        let programs = record[3].split("] [");
        let entry = Entry {
            id,
            kind,
            names: vec![named(&record[1], NameKind::Primary)?],
            births: Vec::new(),
            countries: Vec::new(),
            programs: programs
                .map(|program| program.trim_matches(['[', ']', ' ']).to_owned())
                .filter(|program| !program.is_empty())
                .collect(),
        };
        if self.places.insert(id, self.list.entries.len()).is_some() {
            return Err(format!("the number {id} stands in the list twice"));
        }
        self.list.entries.push(entry);
        self.remarks.push(record[11].clone());
        Ok(())
    }

    fn alias(&mut self, record: &[String]) -> Result<(), String> {
        let place = self.place(&record[0])?;
        number(&record[1])?;
        let kind = match record[2].trim().to_ascii_lowercase().as_str() {
            "aka" | "a.k.a." => NameKind::Alias,
            "fka" | "f.k.a." => NameKind::Former,
            "nka" | "n.k.a." => NameKind::Now,
            _ => return Err("its type is none of aka, fka or nka".to_owned()),
        };
        self.add_name(place, named(&record[3], kind)?);
        Ok(())
    }

    fn address(&mut self, record: &[String]) -> Result<(), String> {
        let place = self.place(&record[0])?;
        number(&record[1])?;
        self.add_country(place, Tie::Address, &record[4]);
        Ok(())
    }

    /// Remarks break off in the middle of a word and go on here.
    fn comment(&mut self, record: &[String]) -> Result<(), String> {
        let place = self.place(&record[0])?;
        self.remarks[place].push_str(&record[1]);
        Ok(())
    }

    fn finish(mut self) -> WatchList {
        for (place, text) in std::mem::take(&mut self.remarks).iter().enumerate() {
            for remark in remarks::read(text) {
                match remark {
                    Remark::Born(born) => self.list.entries[place].births.push(born),
                    Remark::Place(tie, text) => self.add_country(place, tie, text),
                    Remark::Weak(text) => self.add_text(place, text, NameKind::Weak),
                    Remark::Other(text, true) => self.add_text(place, text, NameKind::Former),
                    Remark::Other(text, false) => self.add_text(place, text, NameKind::Now),
                }
            }
        }
        self.list
    }

    fn place(&self, id: &str) -> Result<usize, String> {
        let id = number(id)?;
        let place = self.places.get(&id).copied();
        place.ok_or_else(|| {
            format!("the list of entries has no number {id}: the files are of different days, or one is cut off")
        })
    }

    fn add_text(&mut self, place: usize, text: &str, kind: NameKind) {
        if let Ok(name) = named(text, kind) {
            self.add_name(place, name);
        }
    }

    fn add_name(&mut self, place: usize, name: Name) {
        let names = &mut self.list.entries[place].names;
        if names.iter().all(|known| known.text != name.text) {
            names.push(name);
        }
    }

    fn add_country(&mut self, place: usize, tie: Tie, text: &str) {
        if let Some(country) = self.countries.country(text) {
            let countries = &mut self.list.entries[place].countries;
            if !countries.contains(&(tie, country)) {
                countries.push((tie, country));
            }
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "a number that should stand in it is none".to_owned())
}

fn named(text: &str, kind: NameKind) -> Result<Name, String> {
    if !text.chars().any(char::is_alphanumeric) {
        return Err("it has no name".to_owned());
    }
    Ok(Name {
        text: text.trim().to_owned(),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File {
            name: name.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    fn source(entries: &str, aliases: &str) -> Source {
        Source {
            entries: file("SDN.CSV", entries),
            aliases: Some(file("ALT.CSV", aliases)),
            addresses: Some(file(
                "ADD.CSV",
                "7,1,\"1 Road\",\"Kabul\",\"Afghanistan\",-0- \r\n\u{1a}",
            )),
            comments: Some(file(
                "SDN_COMMENTS.CSV",
                "7,\" 1985; nationality Iran.\"\r\n",
            )),
        }
    }

    const ENTRIES: &str = "7,\"DOE, Jon\",\"individual\",\"SDGT] [IRGC\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 1984; a.k.a. 'JD'; alt. DOB\"\r\n8,\"ACME\",-0- ,\"CUBA\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\u{1a}";
    const ALIASES: &str =
        "7,1,\"aka\",\"DOW, John\",-0- \r\n7,2,\"fka\",\"ROE, J.\",-0- \r\n\u{1a}";

    #[test]
    fn four_files_make_one_list() {
        let mut heard = Vec::new();
        let list = read(&source(ENTRIES, ALIASES), |name, count| {
            heard.push((name.to_owned(), count));
        });
        let list = list.expect("sound");
        assert_eq!(heard[0], ("SDN.CSV".to_owned(), 2));
        let entry = &list.entries[0];
        assert_eq!(
            (entry.id, entry.kind, entry.name()),
            (7, Kind::Individual, "DOE, Jon")
        );
        let kinds: Vec<_> = entry.names.iter().map(|name| name.kind).collect();
        assert_eq!(
            kinds,
            [
                NameKind::Primary,
                NameKind::Alias,
                NameKind::Former,
                NameKind::Weak
            ]
        );
        assert_eq!(entry.births.len(), 2);
        assert_eq!(entry.programs, ["SDGT", "IRGC"]);
        let countries: Vec<_> = entry
            .countries
            .iter()
            .map(|(tie, country)| (*tie, country.code()))
            .collect();
        assert_eq!(countries, [(Tie::Address, "AF"), (Tie::Nationality, "IR")]);
        assert_eq!((list.count(Kind::Entity), list.aliases()), (1, 3));
    }

    #[test]
    fn a_damaged_list_is_refused_with_file_and_line() {
        let cut = &ENTRIES[..ENTRIES.len() - 20];
        let twice = ENTRIES.replace("8,\"ACME", "7,\"ACME");
        let robot = ENTRIES.replace("individual", "robot");
        let nameless = ENTRIES.replace("ACME", "--");
        let foreign = ALIASES.replace("7,2", "9,2");
        for (entries, aliases, words) in [
            (cut, ALIASES, "SDN.CSV, line 2"),
            (twice.as_str(), ALIASES, "SDN.CSV, line 2: the number 7"),
            (robot.as_str(), ALIASES, "SDN.CSV, line 1: its type"),
            (
                nameless.as_str(),
                ALIASES,
                "SDN.CSV, line 2: it has no name",
            ),
            ("<html>\n", ALIASES, "SDN.CSV, line 1: it has 1 fields"),
            ("", ALIASES, "SDN.CSV, line 1: the file is empty"),
            (
                ENTRIES,
                foreign.as_str(),
                "ALT.CSV, line 2: the list of entries has no number 9",
            ),
        ] {
            let wrong = read(&source(entries, aliases), |_, _| ()).expect_err(words);
            assert!(wrong.to_string().starts_with(words), "{wrong}");
        }
    }
}
