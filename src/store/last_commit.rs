//! The last commit, noted in a small file beside the data once it is durable.
//!
//! A log cannot tell that its end was cut off or went bad: to whoever recovers it, that looks
//! like a write that a power cut tore, which nobody was told of. So each commit, once synced,
//! is noted here: how long both logs were, and where the chain of events stood. The note
//! itself is not synced with the commit, which costs it nothing and only means that after a
//! power cut it may be older than the data, never newer.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::Head;
use super::log_frames::Salts;
use crate::vault::LINK_LENGTH;

/// The file's name in the data folder.
pub(super) const FILE: &str = "last-commit";

/// The first bytes of the file: what it is, and its version.
const KIND: [u8; 8] = *b"oms-lc 1";

/// Bytes of a note without its sum.
const LENGTH: usize = 8 + 2 * 12 + 16 + LINK_LENGTH + 8;

/// Bytes of a note: less than a sector, so that it is there whole or not at all.
const WITH_SUM: usize = LENGTH + 32;

/// The end of a log at a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogEnd {
    pub salts: Salts,
    pub frames: u32,
}

/// What is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LastCommit {
    /// The ends of the logs of the data and of the key register.
    pub logs: [LogEnd; 2],
    /// Where the chain of the writer stood that last wrote an event.
    pub head: Option<Head>,
    /// A checkpoint of the audit log that the key register names, and the data need not have:
    /// its loss was accepted.
    pub accepted: i64,
}

impl LastCommit {
    /// Reads the note of a data folder; `None` when there is none, or none that can be believed.
    pub(super) fn read(data: &Path) -> Option<Self> {
        let mut bytes = [0; WITH_SUM];
        File::open(data.join(FILE))
            .and_then(|file| file.read_exact_at(&mut bytes, 0))
            .ok()?;
        let (note, sum) = bytes.split_at(LENGTH);
        if digest(&SHA256, note).as_ref() != sum || note[..8] != KIND {
            return None;
        }
        let long = |at: usize| Some(i64::from_be_bytes(note[at..at + 8].try_into().ok()?));
        let log = |at: usize| {
            Some(LogEnd {
                salts: note[at..at + 8].try_into().ok()?,
                frames: u32::from_be_bytes(note[at + 8..at + 12].try_into().ok()?),
            })
        };
        let head = Head {
            writer: long(32)?,
            position: long(40)?,
            hash: note[48..48 + LINK_LENGTH].try_into().ok()?,
        };
        Some(Self {
            logs: [log(8)?, log(20)?],
            head: (head.position > 0).then_some(head),
            accepted: long(48 + LINK_LENGTH)?,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut note = Vec::with_capacity(WITH_SUM);
        note.extend_from_slice(&KIND);
        for log in &self.logs {
            note.extend_from_slice(&log.salts);
            note.extend_from_slice(&log.frames.to_be_bytes());
        }
        let (writer, position, hash) = self.head.map_or((0, 0, [0; LINK_LENGTH]), |head| {
            (head.writer, head.position, head.hash)
        });
        note.extend_from_slice(&writer.to_be_bytes());
        note.extend_from_slice(&position.to_be_bytes());
        note.extend_from_slice(&hash);
        note.extend_from_slice(&self.accepted.to_be_bytes());
        let sum = digest(&SHA256, &note);
        note.extend_from_slice(sum.as_ref());
        note
    }

    /// Writes the note of a data folder.
    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.bytes(), 0)
    }
}

/// Opens the file of a data folder for writing.
pub(super) fn open(data: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(data.join(FILE))
}
