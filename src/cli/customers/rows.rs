//! The rows of an import file, one after the other and never the whole: lines
//! of JSON, or records of CSV below a header.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Map, Value};

use super::csv_rows::{Header, without_answer};
use crate::cli::terminal::at;
use crate::error::{Code, Error, Result};
use crate::http::json::parse_object;

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// What a byte order mark looks like in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// One row, not parsed yet.
pub(super) struct Row {
    /// Where it begins; the first line of a file is 1.
    pub line: u64,
    text: Text,
}

enum Text {
    Json(Vec<u8>),
    Csv(Arc<Header>, csv::StringRecord),
    Refused(Code, String),
}

impl Row {
    /// The row as the body of a create.
    ///
    /// # Errors
    /// When it is none. Says nothing of its values.
    pub(super) fn body(&self, max_bytes: usize) -> Result<Map<String, Value>> {
        match &self.text {
            Text::Json(line) if line.len() > max_bytes => Err(too_large(max_bytes)),
            Text::Json(line) => parse_object(line).and_then(without_answer),
            Text::Csv(header, record) => {
                if record.as_slice().len() > max_bytes {
                    return Err(too_large(max_bytes));
                }
                header.body(record)
            }
            Text::Refused(code, detail) => Err(Error::new(*code, detail.clone())),
        }
    }
}

fn too_large(max_bytes: usize) -> Error {
    let detail = format!("a row has at most {max_bytes} bytes");
    Error::new(Code::BodyTooLarge, detail)
}

/// The rows of a file as they come.
pub(super) enum Rows {
    Lines {
        from: BufReader<File>,
        path: PathBuf,
        line: u64,
        position: u64,
        max_bytes: usize,
    },
    Records {
        from: Box<csv::Reader<File>>,
        header: Arc<Header>,
        /// The line of the row before.
        last: u64,
    },
}

impl Rows {
    /// Opens a file by the end of its name.
    ///
    /// # Errors
    /// When it cannot be read, or its header names a field that cannot be.
    pub(super) fn open(path: &Path, max_bytes: usize) -> Result<Self> {
        let file = File::open(path).map_err(|cause| at(path.display(), cause))?;
        if is_csv(path)? {
            let mut from = csv::ReaderBuilder::new()
                .buffer_capacity(BUFFER)
                .flexible(true)
                .from_reader(file);
            let header = from.headers().map_err(|_| no_header(path))?;
            let header = Arc::new(Header::read(header).map_err(|what| at(path.display(), what))?);
            return Ok(Self::Records {
                from: Box::new(from),
                header,
                last: 0,
            });
        }
        Ok(Self::Lines {
            from: BufReader::with_capacity(BUFFER, file),
            path: path.to_owned(),
            line: 0,
            position: 0,
            max_bytes,
        })
    }

    /// The bytes that are read so far.
    pub(super) fn position(&self) -> u64 {
        match self {
            Self::Lines { position, .. } => *position,
            Self::Records { from, .. } => from.position().byte(),
        }
    }

    /// The next row; empty lines are none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        match self {
            Self::Lines {
                from,
                path,
                line,
                position,
                max_bytes,
            } => loop {
                let text = next_line(from, *max_bytes, position);
                let Some(mut text) = text.map_err(|cause| at(path.display(), cause))? else {
                    return Ok(None);
                };
                *line += 1;
                if *line == 1 && text.starts_with(MARK) {
                    text.drain(..MARK.len());
                }
                if !text.trim_ascii().is_empty() {
                    let (line, text) = (*line, Text::Json(text));
                    return Ok(Some(Row { line, text }));
                }
            },
            Self::Records { from, header, last } => {
                let mut next = next_record(from, header)?;
                if let Some(row) = &mut next {
                    // The reader counts line feeds. Where rows end in a carriage return alone
                    // they are counted here: the line is what a row is known by when the
                    // import runs again, so no two rows have the same.
                    row.line = row.line.max(*last + 1);
                    *last = row.line;
                }
                Ok(next)
            }
        }
    }
}

/// A line without its end; of a longer one than may be, only so much that it shows.
fn next_line(
    from: &mut BufReader<File>,
    max_bytes: usize,
    position: &mut u64,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = max_bytes as u64 + 2;
    let read = from.by_ref().take(limit).read_until(b'\n', &mut line)?;
    *position += read as u64;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && read as u64 == limit {
        *position += from.skip_until(b'\n')? as u64;
    }
    while line.last().is_some_and(|end| matches!(end, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(line))
}

fn next_record(from: &mut csv::Reader<File>, header: &Arc<Header>) -> Result<Option<Row>> {
    let mut record = csv::StringRecord::new();
    let before = from.position().line();
    let mut read = from.read_record(&mut record);
    // A spreadsheet writes the rows below its last one as commas alone.
    while matches!(read, Ok(true)) && record.iter().all(|cell| cell.trim().is_empty()) {
        read = from.read_record(&mut record);
    }
    match read {
        Ok(false) => Ok(None),
        Ok(true) => Ok(Some(Row {
            line: record.position().map_or(before, csv::Position::line),
            text: Text::Csv(Arc::clone(header), record),
        })),
        Err(cause) => {
            // The reader's own words never hold a value, but they hold numbers
            // that mean nothing here.
            let (line, detail) = match cause.kind() {
                csv::ErrorKind::Utf8 { pos, .. } => (
                    pos.as_ref().map_or(before, csv::Position::line),
                    "the row is not UTF-8".to_owned(),
                ),
                _ => return Err(at("the file cannot be read", cause)),
            };
            let text = Text::Refused(Code::BodyNotJson, detail);
            Ok(Some(Row { line, text }))
        }
    }
}

fn is_csv(path: &Path) -> Result<bool> {
    let end = path.extension().and_then(|end| end.to_str());
    match end.map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok(true),
        Some("jsonl" | "ndjson") => Ok(false),
        _ => Err(at(path.display(), "the name must end in .csv or .jsonl")),
    }
}

fn no_header(path: &Path) -> Error {
    at(
        path.display(),
        "the first line must name the fields, in UTF-8",
    )
}

/// The SHA-256 of a file's content in hex, and its length.
///
/// # Errors
/// When it cannot be read.
pub(super) fn identity(path: &Path) -> Result<(String, u64)> {
    let cannot = |cause| at(path.display(), cause);
    let mut file = File::open(path).map_err(cannot)?;
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; BUFFER];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer).map_err(cannot)?;
        if read == 0 {
            return Ok((hex(hash.finish().as_ref()), length));
        }
        hash.update(&buffer[..read]);
        length += read as u64;
    }
}

/// Bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
