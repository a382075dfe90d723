//! The letters of a subject's words in a row, and how they are cut as a listed name is.

use super::fold::{MAX_WORDS, Word, folded, mark_idle};
use super::split::{Piece, split, without_placeholders};
use super::unspaced::{Order, letters};

/// The words of a subject in one order of its lines, with all their letters in a row.
pub(super) struct Row {
    pub pieces: Vec<Piece>,
    pub letters: String,
    /// Where each piece begins, and the end.
    pub borders: Vec<usize>,
}

/// Letters of a row that are those of a listed name.
pub(super) struct Match {
    pub from: usize,
    pub to: usize,
    pub order: Order,
    pub by: By,
}

/// By what letters were found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Whole words, letter by letter.
    Letters,
    /// Whole words, by their sounds.
    Sounds,
    /// Letters that begin or end inside of a word.
    Part,
    /// All words, with one slip. The subject's own letters are kept.
    Slip,
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
                let letters = self.letters.get(start..end)?;
                letters.clone_into(&mut piece.word.text);
                (start < end).then_some(piece)
            });
            without_placeholders(cut.collect())
        };
        (cut(0, from), cut(to, self.letters.len()))
    }

    /// Whether letters that were found are cut otherwise than the listed name. Where they are
    /// not the very letters of whole words, a border that lies a letter beside is no other one:
    /// `Andreas Koch` is no `Andrey Skoch`.
    pub(super) fn cuts_otherwise(&self, found: &Match, listed: &[Word]) -> bool {
        let inner = self
            .borders
            .iter()
            .filter(|border| (found.from + 1..found.to).contains(border));
        let borders: Vec<usize> = inner.copied().collect();
        if found.by == By::Letters || borders.is_empty() {
            return true;
        }
        if self.pieces.iter().any(|piece| piece.word.vowelless) {
            return borders.len() >= listed.len();
        }
        let whole: usize = listed.iter().map(|word| word.text.len()).sum();
        let ends = listed.iter().scan(0, |end, word| {
            *end += word.text.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.filter(|end| *end < whole).collect();
        let is_other = |border: &usize, end: &usize| {
            let (from_start, from_end) = (border - found.from, found.to - border);
            from_start.abs_diff(*end) > 1 && from_end.abs_diff(whole - end) > 1
        };
        borders
            .iter()
            .any(|border| ends.iter().all(|end| is_other(border, end)))
    }

    /// The words with those of a listed name where its letters were found.
    pub(super) fn reading(&self, found: &Match, mut listed: Vec<Word>) -> Vec<Word> {
        if found.by == By::Slip {
            keep_letters(&mut listed, &self.letters);
        }
        let (before, behind) = self.around(found.from, found.to);
        let mut words = folded(before);
        words.truncate(MAX_WORDS.saturating_sub(listed.len()));
        words.extend(listed);
        words.extend(folded(behind));
        words.truncate(MAX_WORDS);
        mark_idle(&mut words);
        words
    }
}

/// The subject's words in each order of its lines, with and without placeholders, as they
/// are read, and backwards.
pub(super) fn rows(name: &str, readings: &[Vec<Word>]) -> Vec<Row> {
    let all = split(name).pieces;
    let telling = without_placeholders(all.clone());
    let backwards = backwards(&telling);
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
    for pieces in [all, telling, backwards]
        .into_iter()
        .chain(readings.iter().map(read))
    {
        for order in lines(&pieces) {
            if !rows.iter().any(|row| same_words(&row.pieces, &order)) {
                rows.push(Row::new(order));
            }
        }
    }
    rows
}

fn backwards(pieces: &[Piece]) -> Vec<Piece> {
    let turned = pieces.iter().rev().cloned().map(|mut piece| {
        piece.word.text = piece.word.text.chars().rev().collect();
        piece
    });
    turned.collect()
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
