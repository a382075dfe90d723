//! Compares a customer with a sanctions list: which of the people on it the
//! customer may be, with a score and its reasons.
//!
//! Pure and deterministic: the same list and the same subject give the same
//! hits. A subject is personal data: it is shown nowhere, and no reason repeats it.

mod common;
mod fold;
mod form;
mod index;
mod keys;
mod looks;
mod readings;
mod rows;
mod score;
mod script;
mod spelling;
mod split;
mod unspaced;
mod vocabulary;

use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;

use super::country::Country;
use super::customer::{Identity, Profile};
use super::watchlist::{Entry, ListName, WatchList};
use fold::Word;
use index::{Index, idle};
pub use score::Reason;
use score::{Fit, Own, with_birth, with_countries};
use spelling::Token;

/// From this score on, a person should look. docs/screening.md says what it costs and catches.
pub const THRESHOLD: f64 = 0.85;

/// An open hit stays from this score on: a name that is written a little otherwise is the
/// same person's still.
pub const STAYS: f64 = 0.82;

/// Who is compared. Personal: its Debug shows nothing.
#[derive(Clone, Default)]
pub struct Subject {
    /// The name, whole, in any script; more than one when there are more. First, middle and
    /// last name may stand on a line each.
    pub names: Vec<String>,
    /// The birth date.
    pub birth_date: Option<Date>,
    /// Nationality, residence.
    pub countries: Vec<Country>,
}

impl Subject {
    /// A customer.
    #[must_use]
    pub fn of(profile: &Profile, identity: &Identity) -> Self {
        let parts = [
            &profile.first_name,
            &profile.middle_name,
            &profile.last_name,
        ];
        let parts: Vec<&str> = parts
            .into_iter()
            .flatten()
            .map(super::name::PersonName::expose)
            .collect();
        let residence = identity.residential_address.as_ref();
        let countries = [
            profile.nationality,
            residence.and_then(|address| address.expose().country),
        ];
        Self {
            names: vec![parts.join("\n")],
            birth_date: identity
                .birth_date
                .as_ref()
                .map(super::birth_date::BirthDate::date),
            countries: countries.into_iter().flatten().collect(),
        }
    }
}

impl Subject {
    /// Why the subject cannot be compared whole, so that a person has to look; `None` when
    /// it can.
    #[must_use]
    pub fn unread(&self) -> Option<&'static str> {
        self.names.iter().find_map(|name| fold::unread(name))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.names);
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Subject(…)")
    }
}

/// Somebody on the list who the subject may be.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The name of the list.
    pub list: Arc<str>,
    /// Who.
    pub entry: Arc<Entry>,
    /// From 0 to 1.
    pub score: f64,
    /// Why; the name first.
    pub reasons: Vec<Reason>,
}

impl Hit {
    /// The list, the entry and all that it says, in a word: another one whenever the list
    /// says something else of it. The list is not named where it is [`ListName::OFAC_SDN`]:
    /// marks of before lists had names are of that one.
    #[must_use]
    pub fn mark(&self) -> String {
        let (id, says) = (self.entry.id, self.entry.fingerprint());
        match &*self.list {
            ListName::OFAC_SDN => format!("{id}:{says}"),
            list => format!("{list}/{id}:{says}"),
        }
    }

    /// Whether a mark is of this entry, whatever the list said of it then.
    #[must_use]
    pub fn is_of(&self, mark: &str) -> bool {
        let (list, entry) = marked(mark);
        list == &*self.list && entry == self.entry.id.to_string()
    }
}

/// The list and the entry that a mark is of.
#[must_use]
pub fn marked(mark: &str) -> (&str, &str) {
    let (list, rest) = mark.split_once('/').unwrap_or((ListName::OFAC_SDN, mark));
    let (entry, _) = rest.split_once(':').unwrap_or((rest, ""));
    (list, entry)
}

/// A list, ready to be compared with.
pub struct Screener {
    list: Arc<str>,
    entries: Vec<Arc<Entry>>,
    index: Index,
}

impl Screener {
    /// Makes the index of the list of a name.
    #[must_use]
    pub fn new(name: &str, list: &WatchList) -> Self {
        let entries: Vec<_> = list.entries.iter().cloned().map(Arc::new).collect();
        let index = Index::new(&entries);
        Self {
            list: name.into(),
            entries,
            index,
        }
    }

    /// Everybody whom the subject may be, from [`THRESHOLD`] on, the likeliest first.
    #[must_use]
    pub fn screen(&self, subject: &Subject) -> Vec<Hit> {
        self.screen_above(subject, THRESHOLD)
    }

    /// The same with a threshold of the caller's.
    #[must_use]
    pub fn screen_above(&self, subject: &Subject, threshold: f64) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        let readings = subject.names.iter();
        for words in readings.flat_map(|name| self.index.readings(name)) {
            self.screen_name(&words, subject, threshold, &mut hits);
        }
        hits.sort_by(|a, b| {
            let by_score = b.score.total_cmp(&a.score);
            by_score.then_with(|| a.entry.id.cmp(&b.entry.id))
        });
        hits
    }

    fn screen_name(&self, words: &[Word], subject: &Subject, threshold: f64, hits: &mut Vec<Hit>) {
        let weights: Vec<f64> = words
            .iter()
            .map(|word| self.index.weight(&Token::new(word)))
            .collect();
        let own = Own {
            weights: &weights,
            idle: idle(words),
        };
        let alike = self.index.alike(words);
        for candidate in self.index.candidates(&alike) {
            let listed = &self.index.names[candidate as usize];
            let Some(fit) = Fit::new(listed, &alike, &own) else {
                continue;
            };
            let entry = &self.entries[listed.entry as usize];
            let (score, birth) = with_birth(&fit, entry, subject.birth_date);
            let (score, country) =
                with_countries(&fit, (score, birth.as_ref()), entry, &subject.countries);
            if score < threshold {
                continue;
            }
            let known = hits.iter_mut().find(|hit| hit.entry.id == entry.id);
            if known.as_ref().is_some_and(|known| known.score >= score) {
                continue;
            }
            let mut reasons = fit.reasons(&entry.names[listed.name as usize].text, listed.kind);
            reasons.extend(birth);
            reasons.extend(country);
            let hit = Hit {
                list: Arc::clone(&self.list),
                entry: Arc::clone(entry),
                score,
                reasons,
            };
            match known {
                Some(known) => *known = hit,
                None => hits.push(hit),
            }
        }
    }
}

impl fmt::Debug for Screener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Screener({}, {} entries)",
            self.list,
            self.entries.len()
        )
    }
}

#[cfg(test)]
mod disguises;
#[cfg(test)]
mod tests;
