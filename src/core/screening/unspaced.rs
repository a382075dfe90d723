//! Listed names by their letters alone, for who leaves out the spaces of a name or puts them
//! elsewhere: the same letters, cut where the list cuts them, are a further reading.
//!
//! A reading is compared like any other, so what a common name proves, and what words too
//! many cost, is the same as for who writes the spaces.

use std::collections::HashSet;

use super::fold::{self, Word};
use super::form::{apart, hash};
use super::keys::Keys;
use super::rows::{By, Match, Row, rows};
use super::spelling::Token;
use super::split::{Piece, split};

/// The letters of listed names, each in the orders in which people write its words.
#[derive(Default)]
pub(super) struct Unspaced {
    orders: Vec<Order>,
    by_key: Keys,
    /// Letters of the longest.
    longest: usize,
}

/// The words of a listed name in one of their [`orders`].
#[derive(Clone, Copy)]
pub(super) struct Order {
    name: u32,
    number: u8,
    /// Whether it has more than one word.
    several: bool,
}

/// Inside of a word so many letters must be those of a listed name of two words or more.
const INSIDE: usize = 8;

/// So many letters of one word beside other words must be.
const ALONE: usize = 10;

/// So many letters of several words beside other words must be.
const BESIDE: usize = 6;

/// So many consonants must be alike where no short vowels are written.
const CONSONANTS: usize = 6;

/// From so many letters on a whole name may have a slip.
const SLIP: usize = 9;

/// So many readings at most, the longest matches first.
const READINGS: usize = 8;

/// The orders in which people write the words of a name of which the first are surnames: both
/// sides in either order, whole or only the first word of it.
fn orders(count: usize, surnames: usize) -> Vec<Vec<usize>> {
    let whole: Vec<usize> = (0..count).collect();
    if surnames == 0 || surnames >= count {
        let mut turned = whole.clone();
        turned.rotate_left(1);
        return if count > 1 {
            vec![whole, turned]
        } else {
            vec![whole]
        };
    }
    let (surname, given) = whole.split_at(surnames);
    let mut orders = Vec::new();
    for surname in [surname, &surname[..1]] {
        for given in [given, &given[..1]] {
            for order in [[given, surname].concat(), [surname, given].concat()] {
                if !orders.contains(&order) {
                    orders.push(order);
                }
            }
        }
    }
    orders
}

/// What [`Unspaced`] is made of.
#[derive(Default)]
pub(super) struct Orders {
    all: Vec<Order>,
    /// Letters with their cuts: many are called the same.
    added: HashSet<u64>,
    pairs: Vec<(u64, u32)>,
    longest: usize,
}

impl Orders {
    /// Adds a name of the list, as its text and as its words.
    pub(super) fn add(&mut self, name: u32, text: &str, words: &[Word], surnames: usize) {
        if words.is_empty() {
            return;
        }
        let (surname, given) = text.split_once(',').unwrap_or((text, ""));
        let (surname, given) = (
            letters(&split(surname).pieces),
            letters(&split(given).pieces),
        );
        for (number, order) in (0u8..).zip(orders(words.len(), surnames)) {
            let order_of = u32::try_from(self.all.len()).expect("far fewer than 2^32");
            let several = order.len() > 1;
            self.all.push(Order {
                name,
                number,
                several,
            });
            let cut: Vec<&str> = order
                .iter()
                .map(|word| words[*word].text.as_str())
                .collect();
            let folded = cut.concat();
            let cut = cut.join(" ");
            // With the particles that folding leaves out.
            let raw = match number {
                0 => Some(format!("{given}{surname}")),
                1 => Some(format!("{surname}{given}")),
                _ => None,
            };
            for letters in std::iter::once(folded).chain(raw) {
                let bytes = letters.bytes().chain([b' ']).chain(cut.bytes());
                if self.added.insert(hash(b'a', bytes)) {
                    self.add_letters(&letters, several, order_of);
                }
            }
        }
    }

    fn add_letters(&mut self, text: &str, several: bool, order: u32) {
        self.longest = self.longest.max(text.len());
        let spelled = token(text, false);
        let bones = (spelled.bones.len() >= CONSONANTS).then(|| hash(b'b', spelled.bones.bytes()));
        let keys = [exact(text.as_bytes()), hash(b'c', spelled.canon.bytes())];
        for key in keys.into_iter().chain(bones) {
            self.pairs.push((key, order));
        }
        if several && text.len() >= INSIDE {
            self.pairs.push((beginning(text.as_bytes()), 0));
        }
        if text.len() + 1 >= SLIP {
            for key in thirds(text.as_bytes(), text.len()) {
                self.pairs.push((key, order));
            }
        }
    }
}

impl From<Orders> for Unspaced {
    fn from(mut made: Orders) -> Self {
        made.pairs.sort_unstable();
        made.pairs.dedup();
        Self {
            orders: made.all,
            by_key: Keys::new(made.pairs),
            longest: made.longest,
        }
    }
}

pub(super) fn letters(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| piece.word.text.as_str())
        .collect()
}

fn exact(letters: &[u8]) -> u64 {
    hash(b'u', letters.iter().copied())
}

fn sounds(letters: &str) -> u64 {
    hash(b'c', token(letters, false).canon.bytes())
}

/// Where no short vowels are written; `None` where there are too few to tell names apart.
fn consonants(letters: &str) -> Option<u64> {
    let token = token(letters, true);
    (token.bones.len() >= CONSONANTS).then(|| hash(b'b', token.bones.bytes()))
}

fn token(letters: &str, vowelless: bool) -> Token {
    Token::new(&Word {
        text: compounds(letters),
        vowelless,
        idle: false,
    })
}

/// Letters with each compound in one spelling, wherever it begins.
fn compounds(text: &str) -> String {
    let mut letters = fold::joined(text);
    let places: Vec<usize> = letters
        .match_indices("abd")
        .map(|(place, _)| place)
        .collect();
    for place in places.into_iter().rev() {
        let compound = fold::joined(&letters[place..]);
        letters.replace_range(place.., &compound);
    }
    letters
}

/// The keys of letters without their last, middle and first third, as far as these lie in a
/// name of so many letters: a slip in one third leaves the key of the others.
fn thirds(letters: &[u8], of: usize) -> [u64; 3] {
    let (third, two) = (of / 3, of * 2 / 3);
    let end = |count: usize| &letters[letters.len() - count..];
    let outer = letters[..third].iter().chain(end(of - two));
    [
        hash(b'1', letters[..two].iter().copied()),
        hash(b'2', outer.copied()),
        hash(b'3', end(of - third).iter().copied()),
    ]
}

fn beginning(letters: &[u8]) -> u64 {
    hash(b'i', letters[..INSIDE].iter().copied())
}

impl Unspaced {
    /// The readings of a name that others do not have: its letters cut as a listed name is.
    pub(super) fn readings(
        &self,
        name: &str,
        known: &[Vec<Word>],
        listed: impl Fn(u32) -> (Vec<Word>, usize),
    ) -> Vec<Vec<Word>> {
        let rows = rows(name, known);
        let mut found: Vec<(&Row, Match)> = Vec::new();
        let mut seen = HashSet::new();
        for row in &rows {
            let mut matches = self.of_words(row, &mut seen);
            matches.extend(self.inside(row));
            matches.extend(self.slipped(row, &listed));
            found.extend(matches.into_iter().map(|found| (row, found)));
        }
        found.sort_by_key(|(_, found)| std::cmp::Reverse(found.to - found.from));
        let tokens = |words: &[Word]| words.iter().map(Token::new).collect::<Vec<_>>();
        let mut known: Vec<Vec<Token>> = known.iter().map(|words| tokens(words)).collect();
        let mut tried = HashSet::new();
        let mut readings: Vec<Vec<Word>> = Vec::new();
        for (row, found) in found {
            let cut = listed_words(&found, &listed);
            if readings.len() == READINGS || !row.cuts_otherwise(&found, &cut) {
                continue;
            }
            // Many are called the same.
            let texts: Vec<String> = cut.iter().map(|word| word.text.clone()).collect();
            if !tried.insert((found.from, found.to, texts)) {
                continue;
            }
            let reading = row.reading(&found, cut);
            let tokens = tokens(&reading);
            if !known.iter().any(|known| alike(known, &tokens)) {
                known.push(tokens);
                readings.push(reading);
            }
        }
        readings
    }

    /// Words in a row that are a listed name together, and were not seen in another row.
    fn of_words<'a>(&self, row: &'a Row, seen: &mut HashSet<&'a str>) -> Vec<Match> {
        let mut matches = Vec::new();
        let count = row.pieces.len();
        for first in 0..count {
            for last in first..count {
                let (from, to) = (row.borders[first], row.borders[last + 1]);
                if to - from > self.longest + 2 {
                    break;
                }
                let least = if last > first { BESIDE } else { ALONE };
                if to - from < least && to - from < row.letters.len() {
                    continue;
                }
                if !seen.insert(&row.letters[from..to]) {
                    continue;
                }
                let letters = &row.letters[from..to];
                let vowelless = row.pieces[first..=last]
                    .iter()
                    .filter(|piece| piece.word.vowelless);
                let sounds = match vowelless.count() {
                    0 => Some(sounds(letters)),
                    count if count > last - first => consonants(letters),
                    _ => None,
                };
                matches.extend(self.matches(exact(letters.as_bytes()), from, to, By::Letters));
                let sounds = sounds.map(|key| self.matches(key, from, to, By::Sounds));
                matches.extend(sounds.into_iter().flatten());
            }
        }
        matches
    }

    /// Letters inside of words that are a listed name.
    fn inside(&self, row: &Row) -> Vec<Match> {
        let letters = row.letters.as_bytes();
        let mut matches = Vec::new();
        for (from, start) in letters.windows(INSIDE).enumerate() {
            if self.by_key.of(beginning(start)).next().is_none() {
                continue;
            }
            let most = letters.len().min(from + self.longest);
            for to in from + INSIDE..=most {
                let found = self.matches(exact(&letters[from..to]), from, to, By::Part);
                matches.extend(found.filter(|found| found.order.several));
            }
        }
        matches
    }

    /// A row that is a listed name but for one slip: two thirds of it are as listed.
    fn slipped(&self, row: &Row, listed: &impl Fn(u32) -> (Vec<Word>, usize)) -> Vec<Match> {
        let (letters, count) = (row.letters.as_bytes(), row.letters.len());
        let mut matches = Vec::new();
        if count < SLIP {
            return matches;
        }
        for other in [count - 1, count, count + 1] {
            for key in thirds(letters, other) {
                matches.extend(self.matches(key, 0, count, By::Slip));
            }
        }
        matches.retain(|found| {
            let words = listed_words(found, listed);
            let whole: String = words.iter().map(|word| word.text.as_str()).collect();
            found.order.several && apart(&whole, &row.letters, 1) == 1
        });
        matches
    }

    fn matches(
        &self,
        key: u64,
        from: usize,
        to: usize,
        by: By,
    ) -> impl Iterator<Item = Match> + '_ {
        self.by_key.of(key).map(move |order| Match {
            from,
            to,
            order: self.orders[order as usize],
            by,
        })
    }
}

/// The words of the listed name that was found, in its order.
fn listed_words(found: &Match, listed: &impl Fn(u32) -> (Vec<Word>, usize)) -> Vec<Word> {
    let (words, surnames) = listed(found.order.name);
    let orders = orders(words.len(), surnames);
    let order = &orders[usize::from(found.order.number)];
    order.iter().map(|word| words[*word].clone()).collect()
}

/// Whether two readings have the same words, spelled one way or another.
fn alike(a: &[Token], b: &[Token]) -> bool {
    let alike = |(a, b): (&Token, &Token)| {
        if a.vowelless || b.vowelless {
            a.bones == b.bones
        } else {
            a.canon == b.canon
        }
    };
    a.len() == b.len() && a.iter().zip(b).all(alike)
}
