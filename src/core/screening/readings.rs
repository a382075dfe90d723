//! The ways in which the name of a subject may be read: as it stands, turned around, in the
//! letters that it may mean, and cut as a listed name is.

use super::fold::{self, Word};
use super::index::Index;
use super::looks;
use super::split::Piece;

/// So many meanings of a name at most.
const MEANT: usize = 8;

impl Index {
    /// The ways in which a name may be read.
    pub(super) fn readings(&self, name: &str) -> Vec<Vec<Word>> {
        let mut readings: Vec<Vec<Word>> = Vec::new();
        for spelling in fold::spellings(name) {
            let meant = self.meant(&spelling);
            for pieces in std::iter::once(spelling).chain(meant) {
                for reading in fold::readings(pieces) {
                    if !readings.contains(&reading) {
                        readings.push(reading);
                    }
                }
            }
        }
        let cut_otherwise = self
            .unspaced
            .readings(name, &readings, |name| self.words(name));
        readings.extend(cut_otherwise);
        readings
    }

    /// The words as they may be meant by letters that look like others: those that the list
    /// has, or else as they look.
    fn meant(&self, pieces: &[Piece]) -> Vec<Vec<Piece>> {
        let mut all: Vec<Vec<Piece>> = vec![Vec::new()];
        for piece in pieces {
            let mut texts = vec![piece.word.text.clone()];
            if let Some(mut ways) = looks::ways(&piece.raw) {
                ways.all.retain(|way| self.has(way));
                ways.all.truncate(MEANT);
                if ways.all.iter().all(|way| *way == piece.word.text) {
                    texts = vec![ways.by_look.unwrap_or_else(|| piece.word.text.clone())];
                } else {
                    texts = ways.all;
                }
            }
            if all.len() * texts.len() > MEANT {
                texts.truncate(1);
            }
            let longer = all.iter().flat_map(|before| {
                texts.iter().map(|text| {
                    let mut piece = piece.clone();
                    piece.word.text.clone_from(text);
                    [before.as_slice(), &[piece]].concat()
                })
            });
            all = longer.collect();
        }
        all.retain(|meant| meant != pieces);
        all
    }
}
