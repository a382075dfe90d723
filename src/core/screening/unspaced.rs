//! Listed names by their letters alone, for who leaves out the spaces of a name or puts them
//! elsewhere: the same letters, cut where the list cuts them, are a further reading.
//!
//! A reading is compared like any other, so what a common name proves, and what words too
//! many cost, is the same as for who writes the spaces.

use super::fold::{self, MAX_WORDS, Word, folded, mark_idle};
use super::form::{apart, hash};
use super::keys::Keys;
use super::spelling::Token;
use super::split::{Piece, split, without_placeholders};

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
struct Order {
    name: u32,
    order: u8,
    /// Whether it has more than one word.
    several: bool,
}

/// Inside of a word so many letters must be those of a listed name of two words or more.
const INSIDE: usize = 8;

/// So many letters of several words beside other words must be.
const BESIDE: usize = 6;

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
    orders: Vec<Order>,
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
            let order_of = u32::try_from(self.orders.len()).expect("far fewer than 2^32");
            let several = order.len() > 1;
            self.orders.push(Order {
                name,
                order: number,
                several,
            });
            let folded: String = order
                .iter()
                .map(|word| words[*word].text.as_str())
                .collect();
            self.add_letters(&folded, several, order_of);
            // With the particles that folding leaves out.
            let raw = match number {
                0 => format!("{given}{surname}"),
                1 => format!("{surname}{given}"),
                _ => continue,
            };
            if raw != folded {
                self.add_letters(&raw, several, order_of);
            }
        }
    }

    fn add_letters(&mut self, text: &str, several: bool, order: u32) {
        self.longest = self.longest.max(text.len());
        for key in keys(text, false) {
            self.pairs.push((key, order));
        }
        self.pairs.push((keys(text, true)[1], order));
        if several && text.len() >= INSIDE {
            self.pairs.push((beginning(text.as_bytes()), 0));
        }
        if text.len() + 1 >= SLIP {
            let (first, second) = text.split_at(text.len() / 2);
            self.pairs.push((hash(b'1', first.bytes()), order));
            self.pairs.push((hash(b'2', second.bytes()), order));
        }
    }
}

impl From<Orders> for Unspaced {
    fn from(mut made: Orders) -> Self {
        made.pairs.sort_unstable();
        made.pairs.dedup();
        Self {
            orders: made.orders,
            by_key: Keys::new(made.pairs),
            longest: made.longest,
        }
    }
}

fn letters(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| piece.word.text.as_str())
        .collect()
}

/// The keys of letters as they stand and of their sounds; where there are no short vowels, of
/// their consonants.
fn keys(text: &str, vowelless: bool) -> [u64; 2] {
    let token = Token::new(&Word {
        text: fold::joined(text),
        vowelless,
        idle: false,
    });
    let sounds = if vowelless {
        hash(b'b', token.bones.bytes())
    } else {
        hash(b'c', token.canon.bytes())
    };
    [hash(b'u', text.bytes()), sounds]
}

fn beginning(letters: &[u8]) -> u64 {
    hash(b'i', letters[..INSIDE].iter().copied())
}

/// The words of a subject in one order of its lines, with all their letters in a row.
struct Row {
    pieces: Vec<Piece>,
    letters: String,
    /// Where each piece begins, and the end.
    borders: Vec<usize>,
}

/// Letters of a row that are those of a listed name.
struct Match {
    from: usize,
    to: usize,
    order: Order,
    /// With a slip the subject's own letters are kept.
    slipped: bool,
}

impl Row {
    fn new(pieces: Vec<Piece>) -> Self {
        let mut borders = vec![0];
        for piece in &pieces {
            borders.push(borders[borders.len() - 1] + piece.word.text.len());
        }
        Self {
            letters: letters(&pieces),
            pieces,
            borders,
        }
    }

    /// The words outside of a range of letters, before it and behind it.
    fn around(&self, from: usize, to: usize) -> (Vec<Piece>, Vec<Piece>) {
        let cut = |least: usize, most: usize| {
            let pieces = self.pieces.iter().zip(self.borders.windows(2));
            let cut = pieces.filter_map(|(piece, borders)| {
                let (start, end) = (borders[0].max(least), borders[1].min(most));
                let mut piece = piece.clone();
                piece.word.text = self.letters.get(start..end)?.to_owned();
                (start < end).then_some(piece)
            });
            without_placeholders(cut.collect())
        };
        (cut(0, from), cut(to, self.letters.len()))
    }
}

/// The subject's words in each order of its lines, with and without placeholders, and as
/// they are read.
fn rows(name: &str, readings: &[Vec<Word>]) -> Vec<Row> {
    let all = split(name).pieces;
    let telling = without_placeholders(all.clone());
    let read = |words: &Vec<Word>| {
        let piece = |word: &Word| Piece {
            word: word.clone(),
            raw: String::new(),
            hyphen: false,
            part: 0,
            token: 0,
        };
        words.iter().map(piece).collect()
    };
    let mut rows: Vec<Row> = Vec::new();
    for pieces in [all, telling].into_iter().chain(readings.iter().map(read)) {
        for order in lines(&pieces) {
            if !rows.iter().any(|row| same_words(&row.pieces, &order)) {
                rows.push(Row::new(order));
            }
        }
    }
    rows
}

fn same_words(a: &[Piece], b: &[Piece]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.word.text == b.word.text)
}

/// The pieces with their lines in each order.
fn lines(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let lines: Vec<&[Piece]> = pieces.chunk_by(|a, b| a.part == b.part).collect();
    match lines.as_slice() {
        [a, b] => vec![[*a, b].concat(), [*b, a].concat()],
        [a, b, c] => [
            [a, b, c],
            [a, c, b],
            [b, a, c],
            [b, c, a],
            [c, a, b],
            [c, b, a],
        ]
        .map(|order| order.map(|line| *line).concat())
        .to_vec(),
        _ => vec![pieces.to_vec()],
    }
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
        for row in &rows {
            let mut matches = self.of_words(row);
            matches.extend(self.inside(row));
            matches.extend(self.slipped(row, &listed));
            found.extend(matches.into_iter().map(|found| (row, found)));
        }
        found.sort_by_key(|(_, found)| std::cmp::Reverse(found.to - found.from));
        let mut readings: Vec<Vec<Word>> = Vec::new();
        for (row, found) in found {
            let reading = self.reading(row, &found, &listed);
            let is_known = known
                .iter()
                .chain(&readings)
                .any(|other| alike(other, &reading));
            if !is_known && readings.len() < READINGS {
                readings.push(reading);
            }
        }
        readings
    }

    /// Words in a row that are a listed name together.
    fn of_words(&self, row: &Row) -> Vec<Match> {
        let mut matches = Vec::new();
        let count = row.pieces.len();
        for first in 0..count {
            for last in first..count {
                let (from, to) = (row.borders[first], row.borders[last + 1]);
                if to - from > self.longest + 2 {
                    break;
                }
                let least = if last > first { BESIDE } else { INSIDE };
                if to - from < least && to - from < row.letters.len() {
                    continue;
                }
                let vowelless = row.pieces[first..=last]
                    .iter()
                    .any(|piece| piece.word.vowelless);
                for key in keys(&row.letters[from..to], vowelless) {
                    matches.extend(self.matches(key, from, to));
                }
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
                let key = hash(b'u', letters[from..to].iter().copied());
                let several = |found: &Match| found.order.several;
                matches.extend(self.matches(key, from, to).filter(several));
            }
        }
        matches
    }

    /// A row that is a listed name but for one slip: one half of the name is as listed.
    fn slipped(&self, row: &Row, listed: &impl Fn(u32) -> (Vec<Word>, usize)) -> Vec<Match> {
        let (letters, count) = (row.letters.as_bytes(), row.letters.len());
        let mut matches = Vec::new();
        if count < SLIP {
            return matches;
        }
        for other in [count - 1, count, count + 1] {
            let (first, second) = (&letters[..other / 2], &letters[count + other / 2 - other..]);
            for key in [
                hash(b'1', first.iter().copied()),
                hash(b'2', second.iter().copied()),
            ] {
                matches.extend(self.matches(key, 0, count));
            }
        }
        matches.retain_mut(|found| {
            let words = self.listed(found, listed);
            let whole: String = words.iter().map(|word| word.text.as_str()).collect();
            found.slipped = true;
            found.order.several && apart(&whole, &row.letters, 1) == 1
        });
        matches
    }

    /// The words of the listed name that was found, in its order.
    fn listed(&self, found: &Match, listed: &impl Fn(u32) -> (Vec<Word>, usize)) -> Vec<Word> {
        let (words, surnames) = listed(found.order.name);
        let orders = orders(words.len(), surnames);
        let order = &orders[usize::from(found.order.order)];
        order.iter().map(|word| words[*word].clone()).collect()
    }

    fn reading(
        &self,
        row: &Row,
        found: &Match,
        listed: &impl Fn(u32) -> (Vec<Word>, usize),
    ) -> Vec<Word> {
        let mut cut = self.listed(found, listed);
        if found.slipped {
            keep_letters(&mut cut, &row.letters);
        }
        let (before, behind) = row.around(found.from, found.to);
        let mut words = folded(before);
        let room = MAX_WORDS.saturating_sub(cut.len());
        words.truncate(room);
        words.extend(cut);
        words.extend(folded(behind));
        words.truncate(MAX_WORDS);
        mark_idle(&mut words);
        words
    }

    fn matches(&self, key: u64, from: usize, to: usize) -> impl Iterator<Item = Match> + '_ {
        self.by_key.of(key).map(move |order| Match {
            from,
            to,
            order: self.orders[order as usize],
            slipped: false,
        })
    }
}

/// Puts the subject's own letters into words that have the same but for one slip.
fn keep_letters(words: &mut [Word], letters: &str) {
    let whole: String = words.iter().map(|word| word.text.as_str()).collect();
    let same = whole
        .bytes()
        .zip(letters.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let (mut from, mut end) = (0, 0);
    for word in words {
        end += word.text.len();
        // Behind the slip, the place that is as far from the end.
        let to = if end <= same {
            end
        } else {
            (letters.len() + end).saturating_sub(whole.len())
        };
        letters
            .get(from..to)
            .unwrap_or_default()
            .clone_into(&mut word.text);
        from = to;
    }
}

/// Whether two readings have the same words, spelled one way or another.
fn alike(a: &[Word], b: &[Word]) -> bool {
    let alike = |(a, b): (&Word, &Word)| {
        let (one, other) = (Token::new(a), Token::new(b));
        if a.vowelless || b.vowelless {
            one.bones == other.bones
        } else {
            one.canon == other.canon
        }
    };
    a.len() == b.len() && a.iter().zip(b).all(alike)
}
