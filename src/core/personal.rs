//! Text about a person: wiped from memory when dropped, never printed.
//!
//! It has no Display and no Serialize, and its Debug is an ellipsis, so that a
//! type derived around it prints its own name and nothing of its value.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Text that only [`Personal::expose`] shows.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Personal(Box<str>);

impl Personal {
    /// Takes text into custody.
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Shows the text, to what seals it or answers with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let text = Personal::new("Ada");
        assert_eq!(format!("{text:?}"), "…");
        assert_eq!(text.expose(), "Ada");
    }
}
