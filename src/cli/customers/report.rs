//! The report of an import: every refused row with its line, pointers, codes
//! and messages, in the order of the file, and never a value of a row.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::terminal::{at, words};
use crate::error::{Error, FieldError, Result};

/// Why a row was refused.
pub(super) struct Refusal {
    line: u64,
    code: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    resource: Option<String>,
}

impl Refusal {
    /// What an error says of a row.
    pub(super) fn new(line: u64, error: &Error) -> Self {
        Self {
            line,
            code: error.code().name(),
            detail: words(error),
            fields: error.fields().to_vec(),
            resource: error.resource_id().map(ToOwned::to_owned),
        }
    }

    /// Where the row begins, to sort by.
    pub(super) const fn place(&self) -> u64 {
        self.line
    }

    /// One line for a person.
    pub(super) fn line(&self) -> String {
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|field| format!("{} {}", field.pointer, field.message))
            .collect();
        let what = if fields.is_empty() {
            self.detail.clone()
        } else {
            fields.join("; ")
        };
        format!("line {}: {}: {what}", self.line, self.code)
    }

    fn json(&self) -> Value {
        let errors: Vec<_> = self
            .fields
            .iter()
            .map(|field| {
                json!({ "pointer": field.pointer, "code": field.code.name(), "message": field.message })
            })
            .collect();
        let mut row = json!({
            "line": self.line, "code": self.code, "detail": self.detail, "errors": errors,
        });
        if let Some(resource) = &self.resource {
            row["resourceId"] = json!(resource);
        }
        row
    }
}

/// The file the report goes to.
enum Sink {
    Lines(BufWriter<File>),
    Records(Box<csv::Writer<File>>),
}

/// Takes refusals batch by batch, in whatever order they come, and writes them
/// in the order of the file.
pub(super) struct Report {
    sink: Option<Sink>,
    next: u64,
    waiting: BTreeMap<u64, Vec<Refusal>>,
    /// The first refusals, to be shown where there is no file.
    pub(super) first: Vec<String>,
}

/// Refusals that are shown where no report is written.
const SHOWN: usize = 20;

impl Report {
    /// Begins the report, in place of an earlier one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn begin(path: Option<&Path>) -> Result<Self> {
        let sink = path.map(|path| {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path)
                .map_err(|cause| at(path.display(), cause))?;
            if path.extension().is_none_or(|end| end != "csv") {
                return Ok(Sink::Lines(BufWriter::new(file)));
            }
            let mut records = csv::Writer::from_writer(file);
            records
                .write_record([
                    "line",
                    "code",
                    "pointer",
                    "fieldCode",
                    "message",
                    "resourceId",
                ])
                .map_err(Error::internal)?;
            Ok(Sink::Records(Box::new(records)))
        });
        Ok(Self {
            sink: sink.transpose()?,
            next: 0,
            waiting: BTreeMap::new(),
            first: Vec::new(),
        })
    }

    /// Takes the refusals of a batch.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn take(&mut self, batch: u64, refusals: Vec<Refusal>) -> Result<()> {
        self.waiting.insert(batch, refusals);
        while let Some(refusals) = self.waiting.remove(&self.next) {
            self.next += 1;
            for refusal in refusals {
                if self.first.len() < SHOWN {
                    self.first.push(refusal.line());
                }
                if let Some(sink) = &mut self.sink {
                    sink.write(&refusal)?;
                }
            }
        }
        Ok(())
    }

    /// Whether there is a file.
    pub(super) const fn is_written(&self) -> bool {
        self.sink.is_some()
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn finish(&mut self) -> Result<()> {
        match &mut self.sink {
            None => Ok(()),
            Some(Sink::Lines(lines)) => lines.flush().map_err(Error::internal),
            Some(Sink::Records(records)) => records.flush().map_err(Error::internal),
        }
    }
}

impl Sink {
    fn write(&mut self, refusal: &Refusal) -> Result<()> {
        match self {
            Self::Lines(lines) => writeln!(lines, "{}", refusal.json()).map_err(Error::internal),
            Self::Records(records) => {
                let line = refusal.line.to_string();
                let resource = refusal.resource.as_deref().unwrap_or_default();
                if refusal.fields.is_empty() {
                    let cells = [&*line, refusal.code, "", "", &refusal.detail, resource];
                    return records.write_record(cells).map_err(Error::internal);
                }
                for field in &refusal.fields {
                    let (pointer, code) = (&*field.pointer, field.code.name());
                    let cells = [
                        &*line,
                        refusal.code,
                        pointer,
                        code,
                        &field.message,
                        resource,
                    ];
                    records.write_record(cells).map_err(Error::internal)?;
                }
                Ok(())
            }
        }
    }
}
