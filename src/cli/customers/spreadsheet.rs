//! Cells as spreadsheets write and read them: `TRUE`, and texts that they would take for formulas.

use serde_json::Value;

/// What makes a spreadsheet take a cell for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell that no spreadsheet takes for a formula: an apostrophe before it says that it is text.
pub(super) fn guarded(cell: String) -> String {
    if cell.trim_start_matches('\'').starts_with(FORMULA) {
        format!("'{cell}")
    } else {
        cell
    }
}

/// A cell without the apostrophe of [`guarded`].
pub(super) fn plain(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start_matches('\'').starts_with(FORMULA) => rest,
        _ => cell,
    }
}

/// Yes or no, in any case.
pub(super) fn flag(cell: &str) -> Value {
    if cell.eq_ignore_ascii_case("true") {
        true.into()
    } else if cell.eq_ignore_ascii_case("false") {
        false.into()
    } else {
        // Refused where the field is read, with its pointer.
        cell.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_cell_is_read_again_as_it_was() {
        for cell in [
            "=1+1",
            "+14155550123",
            "-1",
            "@sum",
            "\tx",
            "\r",
            "'=1",
            "''+1",
            "'quoted'",
            "a=b",
            "",
            "O'Brien",
        ] {
            let guarded = guarded(cell.to_owned());
            assert!(!guarded.starts_with(FORMULA), "{guarded:?}");
            assert_eq!(plain(&guarded), cell);
        }
    }
}
