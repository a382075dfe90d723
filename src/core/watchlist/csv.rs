//! The CSV that lists are published in: no header, one record to a line, text
//! in double quotes, `-0-` for nothing, and a control-Z behind the last record.
//! Strict, because what looks odd in it is a damaged file.

/// What the last byte of a published file is.
const END_MARK: char = '\u{1a}';

/// How an empty field is written.
const EMPTY: &str = "-0-";

/// Longest line: many times the longest that was ever published.
const MAX_LINE: usize = 64 << 10;

/// A record and the line it stands on; empty fields are empty text.
pub(super) type Record = (usize, Vec<String>);

/// Reads every record. The error is the line and what is wrong with it.
pub(super) fn records(bytes: &[u8], fields: usize) -> Result<Vec<Record>, (usize, String)> {
    let text = decode(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let body = text.trim_end_matches([END_MARK, '\r', '\n', ' ']);
    let whole = body.len() < text.len();
    let mut records = Vec::new();
    for (number, line) in body.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() && body.is_empty() {
            break;
        }
        let record = split(line).and_then(|record| match record.len() {
            found if found == fields => Ok(record),
            found => Err(format!("it has {found} fields in place of {fields}")),
        });
        records.push((number + 1, record.map_err(|reason| (number + 1, reason))?));
    }
    if records.is_empty() {
        return Err((1, "the file is empty".to_owned()));
    }
    if !whole {
        return Err((
            records.len(),
            "the last record has no end of line: the file is cut off".to_owned(),
        ));
    }
    Ok(records)
}

/// UTF-8, or else Latin-1, in which every byte is a character.
fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn split(line: &str) -> Result<Vec<String>, String> {
    if line.len() > MAX_LINE {
        return Err(format!("it has more than {MAX_LINE} bytes"));
    }
    if let Some(odd) = line
        .chars()
        .find(|character| character.is_control() && *character != '\t' || *character == '\u{fffd}')
    {
        return Err(format!(
            "it holds the character U+{:04X}, which no text has",
            u32::from(odd)
        ));
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = field(rest)?;
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// The first field of a line, and what follows its comma.
fn field(line: &str) -> Result<(String, Option<&str>), String> {
    let start = line.trim_start();
    let Some(mut quoted) = start.strip_prefix('"') else {
        let (text, after) = match line.split_once(',') {
            Some((text, after)) => (text, Some(after)),
            None => (line, None),
        };
        if text.contains('"') {
            return Err("a quotation mark stands in the middle of a field".to_owned());
        }
        return Ok((value(text), after));
    };
    let mut text = String::new();
    loop {
        let Some((before, after)) = quoted.split_once('"') else {
            return Err("a quotation mark is not closed".to_owned());
        };
        text.push_str(before);
        if let Some(more) = after.strip_prefix('"') {
            text.push('"');
            quoted = more;
            continue;
        }
        let after = after.trim_start();
        return match (after.is_empty(), after.strip_prefix(',')) {
            (true, _) => Ok((quoted_value(text), None)),
            (false, Some(rest)) => Ok((quoted_value(text), Some(rest))),
            (false, None) => Err("text follows a closing quotation mark".to_owned()),
        };
    }
}

/// Spaces stay: a remark may break off at one and go on in another file.
fn quoted_value(text: String) -> String {
    if text.trim() == EMPTY {
        String::new()
    } else {
        text
    }
}

fn value(text: &str) -> String {
    match text.trim() {
        EMPTY => String::new(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, fields: usize) -> Result<Vec<Vec<String>>, (usize, String)> {
        let found = records(text.as_bytes(), fields)?;
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }

    #[test]
    fn published_records_are_read() {
        let found = read(
            "36,\"A, \"\"B\"\"\",-0- ,\"CUBA\"\r\n37,x, y ,-0-\r\n\u{1a}",
            4,
        );
        assert_eq!(
            found.expect("sound"),
            [["36", "A, \"B\"", "", "CUBA"], ["37", "x", "y", ""]]
        );
        let latin = records(b"1,\"Jos\xe9\"\n", 2).expect("sound");
        assert_eq!(latin[0].1[1], "José");
    }

    #[test]
    fn damage_is_named_with_its_line() {
        for (text, line, reason) in [
            ("", 1, "empty"),
            ("\u{1a}", 1, "empty"),
            ("1,\"a\"\n2,\"b", 2, "not closed"),
            ("1,\"a\"\n2,\"b\"", 2, "cut off"),
            ("1,\"a\"\n2\n", 2, "1 fields"),
            ("1,\"a\"b\n", 1, "closing"),
            ("1,a\"b\n", 1, "middle"),
            ("1,\"a\u{0}\"\n", 1, "U+0000"),
            ("1,a\n\n2,b\n", 2, "1 fields"),
        ] {
            let wrong = read(text, 2).expect_err(text);
            assert_eq!(wrong.0, line, "{text:?}");
            assert!(wrong.1.contains(reason), "{text:?}: {}", wrong.1);
        }
    }
}
