//! Sanctions lists: who is named on them, as they were published.
//!
//! What stands here is public, and nothing of a customer ever comes near it. A
//! list is read whole or not at all: half a list would pass those it lacks.

mod csv;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod in_force;
mod name;
mod places;
mod remarks;
mod sdn;
mod stored;

use jiff::civil::Date;

use super::country::Country;

#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::read_any as fuzz;
pub use in_force::{Import, InForce, Shrinking, Summary, import, load, remove, summaries};
pub use name::ListName;
pub use sdn::{File, Refusal, Source, read};

/// A list in the order of its publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchList {
    /// Everybody and everything it names.
    pub entries: Vec<Entry>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    Individual,
    /// A company, an organisation, a state body.
    Entity,
    /// A ship.
    Vessel,
    /// An aeroplane.
    Aircraft,
}

impl Kind {
    /// Every kind, in the order in which a summary counts them.
    pub const ALL: [Self; 4] = [Self::Individual, Self::Entity, Self::Vessel, Self::Aircraft];

    /// The kind in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::Entity => "entity",
            Self::Vessel => "vessel",
            Self::Aircraft => "aircraft",
        }
    }
}

/// How an entry came by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// The name under which it is listed.
    Primary,
    /// "a.k.a.", an alias good enough to search by.
    Alias,
    /// "f.k.a.", a name of before.
    Former,
    /// "n.k.a.", the name of now.
    Now,
    /// A weak "a.k.a.": a nickname, too common to say much.
    Weak,
}

/// One name of an entry; a person's as `SURNAME, Given Names`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As published.
    pub text: String,
    /// Where it comes from.
    pub kind: NameKind,
}

/// The days among which a birth lies, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Born {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
    /// The list says "circa".
    pub circa: bool,
}

/// How an entry belongs to a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// An address there.
    Address,
    /// A nationality.
    Nationality,
    /// A citizenship.
    Citizenship,
    /// Born there.
    BirthPlace,
}

/// One person, company, ship or aeroplane of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The publisher's number; the same from one list to the next.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// The name under which it is listed first, then the others.
    pub names: Vec<Name>,
    /// Every birth date that the list gives.
    pub births: Vec<Born>,
    /// The countries it has to do with, without repetition.
    pub countries: Vec<(Tie, Country)>,
    /// The sanctions programmes.
    pub programs: Vec<String>,
}

impl Entry {
    /// The name under which it is listed.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().map_or("", |name| &name.text)
    }

    /// A text that is another one whenever anything about the entry is, so that
    /// a person's decision about it can be tied to what they saw.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        stored::fingerprint(self)
    }
}

impl WatchList {
    /// How many entries are of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .count()
    }

    /// How many names there are beside those under which entries are listed.
    #[must_use]
    pub fn aliases(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| entry.names.len().saturating_sub(1))
            .sum()
    }
}
