//! Acknowledged writes that a start would lose, found before anything is opened for writing.
//!
//! SQLite recovers a damaged or shortened log without a word: it ends where the damage
//! begins. So what it would recover is compared with what was noted of the last commit, with
//! the log behind the damage, and with the checkpoint that the key register names. What a
//! power cut tears was acknowledged to nobody and is no loss.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use super::inspect::{self, Files, Inspection, StoreFile};
use super::last_commit::{self, LastCommit};
use super::log_frames::{self, Frames};
use super::{Tx, audit};
use crate::config::Config;
use crate::context::Time;
use crate::error::{Error, Result};

/// Rows of events among which the noted one is looked for: what others wrote behind it.
const EVENTS_LOOKED_AT: i64 = 10_000;

/// What the files hold less than they should.
#[derive(Debug)]
pub struct Loss {
    /// By which it is accepted; another loss has another name.
    pub name: String,
    /// A sentence for each thing that is missing.
    pub what: Vec<String>,
    /// The checkpoint that the key register names.
    noted: i64,
}

/// What has to be done once the files are open.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Nobody else has them, and a log holds something behind its end.
    pub empties_logs: bool,
    /// What is noted from now on, where a loss was accepted.
    pub accepted: Option<LastCommit>,
}

/// Looks before a store is opened.
///
/// # Errors
/// When acknowledged writes would be lost and the setting does not name this loss; when it
/// does, and what is left is not whole.
pub(super) fn check(config: &Config) -> Result<Opening> {
    let data = &config.data;
    let logs = logs_of(data)?;
    let Some(loss) = find(data)? else {
        let used = inspect::process_on(data).is_some();
        return Ok(Opening {
            empties_logs: !used && logs.iter().flatten().any(|log| log.has_rest),
            accepted: None,
        });
    };
    if config.accept_loss.as_deref() != Some(&loss.name) {
        return Err(loss.refusal());
    }
    let left = Inspection::open(&Files::in_folder(data))?;
    for file in StoreFile::ALL {
        if let Some(wrong) = left.integrity(file)?.first() {
            let title = file.title();
            return Err(Error::internal(format!(
                "what is left of {title} is not whole ({wrong}): restore the newest backup that verifies (oms restore)"
            )));
        }
    }
    drop(left);
    for file in StoreFile::ALL {
        keep(&log_of(data, file), &loss.name)?;
    }
    tracing::warn!(
        loss = loss.name,
        what = loss.what.join("; "),
        "a loss of acknowledged writes was accepted"
    );
    Ok(Opening {
        empties_logs: true,
        accepted: Some(LastCommit {
            accepted: loss.noted,
            ..LastCommit::default()
        }),
    })
}

/// Refuses files that hold less than they should.
///
/// # Errors
/// When acknowledged writes are missing.
pub fn refuse(config: &Config) -> Result<()> {
    match of_store(config)? {
        Some(loss) => Err(loss.refusal()),
        None => Ok(()),
    }
}

/// The loss of a configuration's store, if there is one. A database server looks after its own.
///
/// # Errors
/// When the files cannot be read.
pub fn of_store(config: &Config) -> Result<Option<Loss>> {
    match &config.database {
        None => find(&config.data),
        Some(_) => Ok(None),
    }
}

impl Loss {
    fn refusal(&self) -> Error {
        Error::internal(format!(
            "acknowledged writes would be lost: {}. Nothing was changed. Keep a copy of the folder, and restore \
             the newest backup if it holds more (oms restore). To go on without what is missing, give \
             --accept-loss {}",
            self.what.join("; "),
            self.name
        ))
    }
}

/// Where the last commit of a data folder is noted.
#[must_use]
pub fn note_in(data: &Path) -> PathBuf {
    data.join(last_commit::FILE)
}

/// Notes that the data of a folder may be older than its key register: a copy was restored.
///
/// # Errors
/// When the files cannot be read or written.
pub fn accept_older_data(data: &Path) -> Result<()> {
    let store = Inspection::open(&Files::in_folder(data))?;
    // A copy of an older version may not have the table.
    let noted = store.read(audit::noted).ok().flatten();
    let accepted = noted.map_or(0, |(number, _)| number);
    let note = LastCommit {
        accepted,
        ..LastCommit::default()
    };
    let path = note_in(data);
    let written = last_commit::open(data).and_then(|file| {
        note.write(&file)?;
        file.sync_all()
    });
    written.map_err(|cause| at(&path, &cause))
}

fn find(data: &Path) -> Result<Option<Loss>> {
    // The notes first: what is read after them is as new or newer.
    let note = LastCommit::read(data);
    let used = inspect::process_on(data).is_some();
    let mut what = Vec::new();
    for (place, file) in StoreFile::ALL.into_iter().enumerate() {
        let log = log_of(data, file);
        let end = note.map(|note| note.logs[place]);
        let Some(frames) = log_frames::read(&log).map_err(|cause| at(&log, &cause))? else {
            continue;
        };
        let short = end.filter(|end| Some(end.salts) == frames.salts && frames.taken < end.frames);
        let name = log.file_name().unwrap_or_default().display();
        if let Some(end) = short {
            // A server that runs may have begun the log anew meanwhile.
            let again = log_frames::read(&log).map_err(|cause| at(&log, &cause))?;
            if again == Some(frames) {
                what.push(format!(
                    "{name} can be read up to page {} and held {} at the last commit",
                    frames.taken, end.frames
                ));
            }
        } else if !used && (frames.beyond > 1 || (frames.beyond > 0 && frames.salts.is_none())) {
            what.push(format!(
                "{name} is damaged behind page {}, and {} commits lie behind the damage",
                frames.taken, frames.beyond
            ));
        }
    }
    let mut checkpoint = 0;
    // Files that cannot be read are told of by whoever opens them.
    if let Ok(store) = Inspection::open(&Files::in_folder(data))
        && store
            .schema_versions()
            .is_ok_and(|files| files.iter().all(|file| file.found == file.known))
    {
        checkpoint = store.read(audit::noted)?.map_or(0, |(number, _)| number);
        let accepted = note.map_or(0, |note| note.accepted);
        store.read(|tx| {
            what.extend(missing_events(tx, note.as_ref(), data)?);
            what.extend(missing_checkpoint(tx, checkpoint, accepted)?);
            Ok(())
        })?;
    }
    if what.is_empty() {
        return Ok(None);
    }
    let sum = digest(&SHA256, what.join("\n").as_bytes());
    let name = sum.as_ref()[..4].iter().map(|byte| format!("{byte:02x}"));
    Ok(Some(Loss {
        name: name.collect(),
        what,
        noted: checkpoint,
    }))
}

/// The event that was noted, and those before it that went with it.
fn missing_events(
    tx: &mut Tx<'_>,
    note: Option<&LastCommit>,
    data: &Path,
) -> Result<Option<String>> {
    let Some(head) = note.and_then(|note| note.head) else {
        return Ok(None);
    };
    let last = tx.first(
        "SELECT MAX(position) FROM (SELECT writer, position FROM events ORDER BY place DESC LIMIT $1) AS newest
         WHERE writer = $2",
        &[EVENTS_LOOKED_AT.into(), head.writer.into()],
        |row| row.optional_int(0),
    )?;
    let last = last.flatten().unwrap_or(0);
    if last >= head.position {
        return Ok(None);
    }
    Ok(Some(format!(
        "the last commit{} ended with change {} of writer {}, the data with change {last}; changes that are missing: {}",
        time_of(&note_in(data)).map_or_else(String::new, |time| format!(", of {time},")),
        head.position,
        head.writer,
        head.position - last
    )))
}

/// The checkpoint of the audit log that the key register names.
fn missing_checkpoint(tx: &mut Tx<'_>, noted: i64, accepted: i64) -> Result<Option<String>> {
    let newest = audit::newest(tx)?.map_or(0, |row| row.number);
    Ok((noted > newest && noted > accepted).then(|| {
        format!(
            "the key register names checkpoint {noted} of the audit log, the data's newest is {newest}: \
             the data is older than the key register"
        )
    }))
}

fn logs_of(data: &Path) -> Result<[Option<Frames>; 2]> {
    let read = |file| {
        let log = log_of(data, file);
        log_frames::read(&log).map_err(|cause| at(&log, &cause))
    };
    Ok([read(StoreFile::Data)?, read(StoreFile::Keys)?])
}

fn log_of(data: &Path, file: StoreFile) -> PathBuf {
    let mut path = file.in_folder(data).into_os_string();
    path.push("-wal");
    PathBuf::from(path)
}

/// Keeps a copy of a log for those who look for what was lost.
fn keep(log: &Path, name: &str) -> Result<()> {
    let mut copy = log.as_os_str().to_owned();
    copy.push(format!(".lost-{name}"));
    match fs::copy(log, &copy) {
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(at(Path::new(&copy), &cause)),
    }
}

fn time_of(file: &Path) -> Option<Time> {
    let changed = fs::metadata(file).and_then(|about| about.modified()).ok()?;
    let since = changed.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Time::from_millis(i64::try_from(since.as_millis()).ok()?))
}

fn at(path: &Path, cause: &std::io::Error) -> Error {
    Error::internal(format!("{}: {cause}", path.display()))
}
