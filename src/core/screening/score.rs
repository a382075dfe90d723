//! How well a subject fits a listed name, and why.

use jiff::civil::Date;

use super::index::{ALIKE_JOINED, Alike, Listed, Span};
use crate::core::country::Country;
use crate::core::watchlist::{Born, Entry, NameKind, Tie};

/// Why a hit has its score. Names what the list says and nothing of the subject.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The name is like this listed one.
    Name {
        /// As listed.
        listed: String,
        /// Whether it is a weak alias.
        weak: bool,
        /// How alike the words are that were found, from 0 to 1.
        likeness: f64,
    },
    /// So many words of the listed name are missing.
    WordsMissing(usize),
    /// So many words of the subject's name are not in the listed one.
    WordsMore(usize),
    /// The listed name is too common to say much.
    CommonName,
    /// The birth date is the listed one.
    BirthDateSame,
    /// The birth date lies in the listed year or range.
    BirthDateInRange,
    /// Day and month are exchanged, or one part of the date differs.
    BirthDateNear,
    /// The birth date differs, by so many years.
    BirthDateDiffers(i16),
    /// A country is one that the list gives.
    CountrySame,
    /// The list gives a nationality, and it is another one.
    CountryDiffers,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name {
                listed,
                weak,
                likeness,
            } => {
                let weak = if *weak { "the weak alias" } else { "the name" };
                write!(out, "like {weak} {listed} ({:.0} %)", likeness * 100.0)
            }
            Self::WordsMissing(count) => write!(out, "{count} of its words missing"),
            Self::WordsMore(count) => write!(out, "{count} words that it does not have"),
            Self::CommonName => out.write_str("the name is a common one"),
            Self::BirthDateSame => out.write_str("the same birth date"),
            Self::BirthDateInRange => out.write_str("the birth date fits the listed year or range"),
            Self::BirthDateNear => out.write_str("nearly the same birth date"),
            Self::BirthDateDiffers(0) => out.write_str("another birth date in the same year"),
            Self::BirthDateDiffers(years) => write!(out, "the birth date differs by {years} years"),
            Self::CountrySame => out.write_str("a country that the list gives"),
            Self::CountryDiffers => out.write_str("not the listed nationality"),
        }
    }
}

/// What words that fit nothing cost, when both sides have some: another person's.
const CONFLICT: f64 = 0.5;
/// What it costs when the subject lacks words of the listed name.
const MISSING: f64 = 0.23;
/// What it costs when the subject has more words, and how much of them is counted:
/// extra words hide nobody.
const MORE: f64 = 0.30;
const MOST_MORE: f64 = 1.5;
/// Hardly anybody has so many names beside those of the listed person: they are padding,
/// which says nothing.
const PADDING: usize = 3;
/// What it costs when no surname, or no given name, was found.
const ONE_SIDED: f64 = 0.10;
/// What unlikeness of the words found costs.
const UNLIKE: f64 = 1.35;
/// So much must be found for a name to say who it is, a whole one and a part of one.
const ENOUGH: f64 = 1.1;
const ENOUGH_PART: f64 = 1.2;
/// What it costs when nothing was found of that, for a part of a name and for a whole one.
const COMMON_PART: f64 = 0.46;
const COMMON_WHOLE: f64 = 0.08;
/// What it costs when nothing was found of that and no birth date can tell two
/// people of one name apart, although the list gives one.
const UNPROVEN: f64 = 0.58;
/// How much more of that an alias costs: a common name that somebody took.
const ALIAS: f64 = 1.4;
/// What a weak alias costs.
const WEAK: f64 = 0.08;

/// How much each word of a subject says, and a bit for each that says nothing.
pub(super) struct Own<'a> {
    pub weights: &'a [f64],
    pub idle: u32,
}

/// How well the words fit.
pub(super) struct Fit {
    /// From 0 to 1.
    pub score: f64,
    likeness: f64,
    missing: usize,
    more: usize,
    /// From 0 to 1: how little the name says.
    common: f64,
    kind: NameKind,
}

impl Fit {
    /// Fits a listed name to the subject's words.
    pub(super) fn new(listed: &Listed, alike: &Alike, subject: &Own<'_>) -> Option<Self> {
        let weights = subject.weights;
        let pairs = matched(listed, alike);
        let (mut mine, mut theirs) = (0u32, 0u32);
        let (mut found, mut like, mut said) = (0.0, 0.0, 0.0);
        for (own, span, likeness) in &pairs {
            let weight: f64 = sum(&listed.weights, span.mask());
            found += weight;
            like += weight * likeness;
            // A rare spelling says no more than the common name that it is like.
            said += weight.min(sum(weights, own.mask())) * likeness;
            mine |= own.mask();
            theirs |= span.mask();
        }
        let words = theirs.count_ones().max(mine.count_ones());
        // Words that say nothing are neither missed nor too many.
        let (theirs, mine) = (theirs | listed.idle, mine | subject.idle);
        let missing = listed.weights.len() - theirs.count_ones() as usize;
        let more = match weights.len() - mine.count_ones() as usize {
            PADDING.. => 0,
            more => more,
        };
        let whole = missing == 0 && more == 0;
        let lone = words < 2 && (missing > 0 || listed.kind == NameKind::Weak);
        if found <= 0.0 || lone {
            return None;
        }
        let lacking = sum(&listed.weights, !theirs);
        let extra = match more {
            0 => 0.0,
            _ => sum(weights, !mine),
        };
        let conflict = f64::min(lacking, extra);
        let surplus = f64::min(extra - conflict, MOST_MORE);
        let enough = if whole { ENOUGH } else { ENOUGH_PART };
        let common = (1.0 - said / enough).max(0.0);
        let likeness = like / found;
        let penalty = UNLIKE * (1.0 - likeness) * (1.0 + 2.0 * common)
            + CONFLICT * conflict / (found + conflict)
            + MISSING * (lacking - conflict) / (found + lacking)
            + MORE * surplus / (found + conflict + surplus)
            + one_sided(listed, theirs)
            + common * if whole { COMMON_WHOLE } else { COMMON_PART }
            + if listed.kind == NameKind::Weak {
                WEAK
            } else {
                0.0
            };
        Some(Self {
            score: (1.0 - penalty).max(0.0),
            likeness,
            missing,
            more,
            common,
            kind: listed.kind,
        })
    }

    /// What it costs that no birth date says whether this is the same person. Where
    /// the list gives none, a whole name must do.
    fn unproven(&self, listed: bool) -> f64 {
        let whole = self.missing == 0 && self.more == 0;
        if whole && !listed {
            0.0
        } else if self.kind == NameKind::Alias {
            UNPROVEN * ALIAS * self.common
        } else {
            UNPROVEN * self.common
        }
    }

    /// The reasons, in words about the list.
    pub(super) fn reasons(&self, listed: &str, kind: NameKind) -> Vec<Reason> {
        let mut reasons = vec![Reason::Name {
            listed: listed.to_owned(),
            weak: kind == NameKind::Weak,
            likeness: self.likeness,
        }];
        if self.missing > 0 {
            reasons.push(Reason::WordsMissing(self.missing));
        }
        if self.more > 0 {
            reasons.push(Reason::WordsMore(self.more));
        }
        if self.common > 0.25 {
            reasons.push(Reason::CommonName);
        }
        reasons
    }
}

/// The best pairs of spans that do not overlap, the heaviest first.
fn matched(listed: &Listed, alike: &Alike) -> Vec<(Span, Span, f64)> {
    let mut pairs: Vec<(f64, Span, Span, f64)> = Vec::new();
    for (span, id) in &listed.spans {
        for (own, likeness) in alike.get(id).into_iter().flatten() {
            let joined = span.length + own.length;
            if joined == 2 || (joined == 3 && *likeness >= ALIKE_JOINED) {
                let weight = sum(&listed.weights, span.mask());
                // The word as it stands goes before its joining with a neighbour.
                let pull = weight * likeness * likeness
                    + if span.length == own.length { 1e-3 } else { 0.0 };
                pairs.push((pull, *own, *span, *likeness));
            }
        }
    }
    pairs.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
    });
    let (mut mine, mut theirs) = (0, 0);
    let mut chosen = Vec::new();
    for (_, own, span, likeness) in pairs {
        if mine & own.mask() == 0 && theirs & span.mask() == 0 {
            mine |= own.mask();
            theirs |= span.mask();
            chosen.push((own, span, likeness));
        }
    }
    chosen
}

fn one_sided(listed: &Listed, found: u32) -> f64 {
    let surnames = (1u32 << listed.surnames) - 1;
    let given = ((1u32 << listed.weights.len()) - 1) & !surnames;
    let lost = |side: u32| side != 0 && found & side == 0;
    if listed.surnames > 0 && (lost(surnames) || lost(given)) {
        ONE_SIDED
    } else {
        0.0
    }
}

fn sum(weights: &[f64], mask: u32) -> f64 {
    weights
        .iter()
        .enumerate()
        .filter(|(place, _)| mask & (1 << place) != 0)
        .map(|(_, weight)| weight)
        .sum()
}

/// Raises or lowers a score by the birth date.
pub(super) fn with_birth(fit: &Fit, entry: &Entry, birth: Option<Date>) -> (f64, Option<Reason>) {
    let score = fit.score;
    let Some(birth) = birth else {
        return (score - fit.unproven(!entry.births.is_empty()), None);
    };
    let births = entry.births.iter();
    let best = births.map(|born| match compare(birth, born) {
        (_, Reason::BirthDateSame) if fit.missing == 0 => (SAME_DAY_WHOLE, Reason::BirthDateSame),
        compared => compared,
    });
    let Some((change, reason)) = best.max_by(|a, b| a.0.total_cmp(&b.0)) else {
        return (score - fit.unproven(false), None);
    };
    let score = if change > 0.0 {
        score + (1.0 - score) * change
    } else {
        score + change
    };
    (score, Some(reason))
}

/// The share of what lacks to 1 that the listed day gives, and where nothing of the listed
/// name is missing.
const SAME_DAY: f64 = 0.6;
const SAME_DAY_WHOLE: f64 = 0.8;

/// What one listed birth date says: the share of what lacks to 1, or the fall.
fn compare(birth: Date, born: &Born) -> (f64, Reason) {
    if (born.from..=born.to).contains(&birth) {
        return if born.from == born.to {
            (SAME_DAY, Reason::BirthDateSame)
        } else {
            (in_range(born), Reason::BirthDateInRange)
        };
    }
    let years = i16::max(
        born.from.year() - birth.year(),
        birth.year() - born.to.year(),
    )
    .max(0);
    if born.from == born.to {
        let listed = born.from;
        let swapped = (birth.day(), birth.month()) == (listed.month(), listed.day());
        let same = [
            birth.day() == listed.day(),
            birth.month() == listed.month(),
            years == 0,
        ];
        let near =
            (swapped && years == 0) || same.iter().filter(|same| **same).count() == 2 && years <= 1;
        if near {
            return (0.12, Reason::BirthDateNear);
        }
    }
    let slack = if born.circa { 3 } else { 0 };
    let fall = match years - slack {
        ..=1 => -0.03,
        2..=3 => -0.10,
        _ => -0.22,
    };
    (fall, Reason::BirthDateDiffers(years))
}

/// A year says more than a range of years.
fn in_range(born: &Born) -> f64 {
    if born.to.year() == born.from.year() {
        0.3
    } else {
        0.12
    }
}

/// What another nationality than the listed one costs, and without a birth date.
const OTHER_COUNTRY: f64 = 0.02;
const OTHER_COUNTRY_UNPROVEN: f64 = 0.05;

/// Raises or lowers a score by the countries. That somebody with a name that is
/// common there is of a country says little.
pub(super) fn with_countries(
    fit: &Fit,
    (score, birth): (f64, Option<&Reason>),
    entry: &Entry,
    countries: &[Country],
) -> (f64, Option<Reason>) {
    if countries.is_empty() || entry.countries.is_empty() {
        return (score, None);
    }
    let same = entry
        .countries
        .iter()
        .any(|(_, country)| countries.contains(country));
    let belongs = |tie: &Tie| matches!(tie, Tie::Nationality | Tie::Citizenship);
    if same {
        let raise = 0.1 * (1.0 - 2.0 * fit.common).max(0.0);
        (score + (1.0 - score) * raise, Some(Reason::CountrySame))
    } else if entry.countries.iter().any(|(tie, _)| belongs(tie)) {
        let cost = match birth {
            Some(_) => OTHER_COUNTRY,
            None => OTHER_COUNTRY_UNPROVEN,
        };
        (score - cost, Some(Reason::CountryDiffers))
    } else {
        (score, None)
    }
}
