//! The words of a list's names, and which names have each.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::common;
use super::fold::{self, Word};
use super::form::Form;
use super::keys::Keys;
use super::spelling::{ALIKE, Token, likeness};
use super::unspaced::{Orders, Unspaced};
use crate::core::watchlist::{Entry, Kind, NameKind};

/// One or two neighbouring words of a name, by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// The first word.
    pub start: u8,
    /// How many: 1 or 2.
    pub length: u8,
}

impl Span {
    /// A bit for each word.
    pub(super) const fn mask(self) -> u32 {
        ((1 << self.length) - 1) << self.start
    }
}

/// A name of the list.
#[derive(Debug)]
pub(super) struct Listed {
    /// Whose it is.
    pub entry: u32,
    /// Which of its names.
    pub name: u32,
    /// Where it comes from.
    pub kind: NameKind,
    /// How many of its words, from the first, are surnames; 0 when nothing says.
    pub surnames: usize,
    /// How much each word says.
    pub weights: Vec<f64>,
    /// A bit for each word that says nothing: a title, or one that stands before.
    pub idle: u32,
    /// How much of that must be found for it to be compared.
    least: f64,
    /// Each word and each two neighbours, in the vocabulary.
    pub spans: Vec<(Span, u32)>,
}

/// A word of the vocabulary.
struct Known {
    token: Token,
    /// The names that have it.
    names: Vec<u32>,
    /// How much it says: near 0 for what everybody is called, 1 for what one is.
    weight: f64,
}

/// The index.
pub(super) struct Index {
    /// Every name of every individual.
    pub names: Vec<Listed>,
    vocabulary: Vec<Known>,
    by_key: Keys,
    /// The names by their letters alone.
    pub unspaced: Unspaced,
    /// How much a word says, by its canon, and how much consonants do for a word
    /// without its vowels: the less, the more entries have them.
    weights: HashMap<Form, f64>,
    weights_of_bones: HashMap<Form, f64>,
}

/// A word of the list that is like a part of the subject's name.
pub(super) type Alike = BTreeMap<u32, Vec<(Span, f64)>>;

impl Index {
    /// Indexes the individuals of a list: no customer is a ship or a company.
    pub(super) fn new(entries: &[std::sync::Arc<Entry>]) -> Self {
        let mut index = Self {
            names: Vec::new(),
            vocabulary: Vec::new(),
            by_key: Keys::default(),
            unspaced: Unspaced::default(),
            weights: HashMap::new(),
            weights_of_bones: HashMap::new(),
        };
        let mut ids = HashMap::new();
        let mut holders = Holders::default();
        let mut orders = Orders::default();
        for (entry, of) in (0u32..).zip(entries) {
            if of.kind == Kind::Individual {
                for (place, name) in (0u32..).zip(&of.names) {
                    let (words, surnames) = listed_words(&name.text);
                    let listed = Listed {
                        entry,
                        name: place,
                        kind: name.kind,
                        surnames,
                        weights: Vec::new(),
                        idle: idle(&words),
                        least: 0.0,
                        spans: index.spans(&words, &mut ids),
                    };
                    orders.add(number(index.names.len()), &name.text, &words, surnames);
                    for word in &words {
                        holders.add(Token::new(word), entry);
                    }
                    index.names.push(listed);
                }
            }
        }
        let words = (0u32..).zip(&index.vocabulary);
        let pairs = words.flat_map(|(id, known)| {
            let keys = known.token.keys().into_iter();
            keys.map(move |key| (key, id))
        });
        index.by_key = Keys::new(pairs.collect());
        index.unspaced = orders.into();
        index.weigh(&holders);
        index
    }

    /// Whether the list has a word, or two neighbours that make it.
    pub(super) fn has(&self, text: &str) -> bool {
        let mut near = self.by_key.of(Token::key(text));
        near.any(|id| *self.vocabulary[id as usize].token.text == *text)
    }

    /// The words of a listed name, and how many are surnames.
    pub(super) fn words(&self, name: u32) -> (Vec<Word>, usize) {
        let listed = &self.names[name as usize];
        let single = listed.spans.iter().filter(|(span, _)| span.length == 1);
        let words = single.map(|(_, id)| {
            let token = &self.vocabulary[*id as usize].token;
            Word {
                text: token.text.to_string(),
                vowelless: token.vowelless,
                idle: false,
            }
        });
        (words.collect(), listed.surnames)
    }

    fn spans(&mut self, words: &[Word], ids: &mut HashMap<Form, u32>) -> Vec<(Span, u32)> {
        let name = number(self.names.len());
        let mut spans = Vec::new();
        for (span, token) in tokens(words) {
            let id = *ids.entry(token.text.clone()).or_insert_with(|| {
                let id = number(self.vocabulary.len());
                self.vocabulary.push(Known {
                    token,
                    names: Vec::new(),
                    weight: 1.0,
                });
                id
            });
            let names = &mut self.vocabulary[id as usize].names;
            if names.last() != Some(&name) {
                names.push(name);
            }
            spans.push((span, id));
        }
        spans
    }

    /// A word says the less, the more entries have it, and little when very many
    /// people do.
    fn weigh(&mut self, holders: &Holders) {
        let entries: HashSet<u32> = self.names.iter().map(|name| name.entry).collect();
        // Few entries make no statistic: a short list counts as one of a thousand.
        let all = float(entries.len()).max(1000.0);
        let weight =
            |holders: &HashSet<u32>| (1.0 + all / float(holders.len())).ln() / (1.0 + all).ln();
        let weights = |holders: &HashMap<Form, HashSet<u32>>| {
            let of = |(form, holders): (&Form, &HashSet<u32>)| (form.clone(), weight(holders));
            holders.iter().map(of).collect::<HashMap<_, _>>()
        };
        self.weights = weights(&holders.of_canon);
        self.weights_of_bones = weights(&holders.of_bones);
        for token in common::tokens() {
            for (weights, form, most) in [
                (&mut self.weights, token.canon, COMMON),
                (&mut self.weights_of_bones, token.bones, COMMON_BONES),
            ] {
                let weight = weights.entry(form).or_insert(most);
                *weight = weight.min(most);
            }
        }
        for known in &mut self.vocabulary {
            known.weight = match known.token.text.len() {
                1 => INITIAL,
                _ => self
                    .weights
                    .get(&known.token.canon)
                    .copied()
                    .unwrap_or(UNKNOWN),
            };
        }
        for listed in &mut self.names {
            let single = listed.spans.iter().filter(|(span, _)| span.length == 1);
            listed.weights = single
                .map(|(_, id)| self.vocabulary[*id as usize].weight)
                .collect();
            let telling = (0..).zip(&listed.weights);
            let telling = telling.filter(|(place, _)| listed.idle & (1 << place) == 0);
            let total: f64 = telling.map(|(_, weight)| weight).sum();
            listed.least = LEAST_SHARE * total.min(WHOLE);
        }
    }

    /// How much a word of a subject says.
    pub(super) fn weight(&self, token: &Token) -> f64 {
        self.weight_of_name(token).unwrap_or(UNKNOWN)
    }

    /// The same, if somebody is called so: a word that is spelled otherwise than
    /// another is less likely a slip when it is a name by itself.
    fn weight_of_name(&self, token: &Token) -> Option<f64> {
        if token.text.len() == 1 {
            return Some(INITIAL);
        }
        let weight = if token.vowelless {
            self.weights_of_bones.get(&token.bones)
        } else {
            self.weights.get(&token.canon)
        };
        weight.copied()
    }

    /// The vocabulary that is like these words.
    pub(super) fn alike(&self, words: &[Word]) -> Alike {
        let mut found = Alike::new();
        let mut near: Vec<u32> = Vec::new();
        for (span, token) in tokens(words) {
            near.clear();
            let keys = token.keys();
            near.extend(keys.iter().flat_map(|key| self.by_key.of(*key)));
            near.sort_unstable();
            near.dedup();
            let is_name = self.weight_of_name(&token).is_some();
            for id in &near {
                let other = &self.vocabulary[*id as usize].token;
                let mut like = likeness(&token, other);
                if is_name
                    && (like <= OTHER_VOWELS || (like < 1.0 && token.is_another_sound(other)))
                {
                    like -= ANOTHER_NAME;
                }
                if like >= ALIKE && (span.length == 1 || like >= ALIKE_JOINED) {
                    found.entry(*id).or_default().push((span, like));
                }
            }
        }
        found
    }

    /// The names that share enough with the subject to be looked at, in order.
    pub(super) fn candidates(&self, alike: &Alike) -> Vec<u32> {
        SHARED.with_borrow_mut(|shared| {
            shared.resize(self.names.len().max(shared.len()), 0.0);
            let mut touched = Vec::new();
            for (id, spans) in alike {
                let known = &self.vocabulary[*id as usize];
                let best = spans.iter().map(|(_, like)| *like).fold(0.0, f64::max);
                for name in &known.names {
                    let sum = &mut shared[*name as usize];
                    if *sum == 0.0 {
                        touched.push(*name);
                    }
                    *sum += best * known.weight.max(0.05);
                }
            }
            touched.retain(|name| {
                let shared = std::mem::take(&mut shared[*name as usize]);
                shared >= self.names[*name as usize].least
            });
            touched.sort_unstable();
            touched
        })
    }
}

thread_local! {
    /// How much each name shares with a subject; zeros between two of them.
    static SHARED: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// The entries that have a word, by its forms.
#[derive(Default)]
struct Holders {
    of_canon: HashMap<Form, HashSet<u32>>,
    of_bones: HashMap<Form, HashSet<u32>>,
}

impl Holders {
    fn add(&mut self, token: Token, entry: u32) {
        self.of_canon.entry(token.canon).or_default().insert(entry);
        self.of_bones.entry(token.bones).or_default().insert(entry);
    }
}

/// Words that were joined must be more alike, or else a word would be taken for
/// itself with a short neighbour.
pub(super) const ALIKE_JOINED: f64 = 0.93;

/// The most that a name says that very many people have.
const COMMON: f64 = 0.45;

/// The same of consonants alone, which may also be a rarer name's.
const COMMON_BONES: f64 = 0.65;

/// What it costs a likeness when the subject's word has other consonants and is a
/// name by itself.
const ANOTHER_NAME: f64 = 0.06;

/// Words of the same consonants that are at most so alike have more than one other vowel.
const OTHER_VOWELS: f64 = 0.9;

/// What a single letter says.
const INITIAL: f64 = 0.1;

/// What a word says that the list does not have.
const UNKNOWN: f64 = 0.9;

/// The share of a name that must be found before it is compared, a long one counted as
/// one of so much.
const LEAST_SHARE: f64 = 0.4;
const WHOLE: f64 = 2.0;

/// Each word and each two neighbours.
pub(super) fn tokens(words: &[Word]) -> impl Iterator<Item = (Span, Token)> {
    let singles = words.iter().map(Token::new);
    let joined = words
        .windows(2)
        .map(|pair| Token::joined(&pair[0], &pair[1]));
    let span = |start: u8, length| Span { start, length };
    (0u8..)
        .zip(singles)
        .map(move |(start, token)| (span(start, 1), token))
        .chain(
            (0u8..)
                .zip(joined)
                .map(move |(start, token)| (span(start, 2), token)),
        )
}

/// A bit for each word that says nothing.
pub(super) fn idle(words: &[Word]) -> u32 {
    let marked = (0..).zip(words).filter(|(_, word)| word.idle);
    marked.fold(0, |mask, (place, _): (u32, _)| mask | (1 << place))
}

/// The words of `SURNAME, Given Names`, and how many are surnames.
fn listed_words(name: &str) -> (Vec<Word>, usize) {
    match name.split_once(',') {
        Some((surname, given)) => {
            let (given, servant) = fold::without_servant(given);
            let mut words = fold::words(&format!("{servant} {surname}"));
            let surnames = words.len();
            words.extend(fold::words(given));
            words.truncate(fold::MAX_WORDS);
            fold::mark_idle(&mut words);
            (words, surnames)
        }
        None => (fold::words(name), 0),
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a list has far fewer names and words than 2^32")
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}
