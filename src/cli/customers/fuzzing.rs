//! Any bytes as a file of customers: its rows are read to the end, each refused or a customer.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::civil::date;

use super::rows::Rows;
use crate::config::UnknownFields;
use crate::http::customer_body::read_create;

/// Bytes of the longest row.
const LONGEST_ROW: usize = 4096;

/// Imports lines of JSON or records of CSV, as the first byte says.
pub(crate) fn read_any(data: &[u8]) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let end = if *kind == b'{' { "jsonl" } else { "csv" };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("oms-fuzzing-{}-{count}.{end}", std::process::id());
    let file = Removed(std::env::temp_dir().join(name));
    fs::write(&file.0, data).expect("a file can be written");
    let Ok(mut rows) = Rows::open(&file.0, LONGEST_ROW) else {
        return;
    };
    let (mut line, mut count) = (0, 0);
    while let Ok(Some(row)) = rows.next() {
        assert!(row.line > line, "line {} after {line}", row.line);
        line = row.line;
        count += 1;
        let body = row.body(LONGEST_ROW);
        let today = date(2027, 1, 15);
        drop(body.and_then(|body| read_create(&body, today, UnknownFields::Refuse)));
    }
    assert!(count <= data.len() && rows.position() <= data.len() as u64);
}

/// A file that goes with its name.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
