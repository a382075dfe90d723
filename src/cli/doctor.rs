//! `oms doctor`: looks at everything, changes nothing, and says of each finding
//! what to do. The files stay as they are, also while the server runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::terminal::{key_ring, must_exist, progress_bar, words};
use crate::config::Config;
use crate::context::{Context, Time};
use crate::core::checkup::{self, Defect, Form, Tally, Watch};
use crate::core::installation::stored_secrets;
use crate::error::{Error, Result};
use crate::id::CustomerId;
use crate::store::inspect::{Inspection, StoreFile};
use crate::store::{Tx, clock, customer, key_register, loss, watchlist};
use crate::vault::{KeyRing, MASTER_KEY_FILE};

/// Rows that one finding names; the rest it counts.
const MOST_SUBJECTS: usize = 20;

/// Less free space than this stops writes soon.
const LEAST_FREE: u64 = 256 << 20;

/// A clock further behind the newest id than this is wrong.
const CLOCK_SLACK_S: i64 = 60;

/// A watch list that is older lacks too many who were named since.
const STALE_DAYS: i32 = 30;

/// What follows `oms doctor`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// One thing that was found, wherever it was found so many times.
#[derive(Debug, Serialize)]
struct Finding {
    /// A name that stays.
    check: &'static str,
    /// `false` for what is worth knowing and in order.
    problem: bool,
    count: usize,
    /// What is the matter.
    what: String,
    /// Where, at most [`MOST_SUBJECTS`].
    subjects: Vec<String>,
    /// What to do.
    remedy: &'static str,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    customers: u64,
    erased: u64,
    answers: u64,
    findings: Vec<Finding>,
}

/// Runs `oms doctor`.
///
/// # Errors
/// When there is no store, or there are problems.
pub fn run(arguments: &Arguments, config: &Config) -> Result<()> {
    must_exist(config)?;
    let mut report = Report::default();
    check_permissions(config, &mut report);
    if config.database.is_none() {
        check_space(config, &mut report);
    }
    match loss::of_store(config) {
        Ok(None) => {}
        Ok(Some(loss)) => {
            for what in loss.what {
                report.one("lostWrites", what, LOST);
            }
        }
        Err(cause) => report.unreadable("the logs", &cause),
    }
    match Inspection::of_store(config) {
        Ok(store) => check_store(config, &store, &mut report),
        Err(cause) => report.unreadable("the store", &cause),
    }
    report.show(arguments.json)
}

fn check_store(config: &Config, store: &Inspection, report: &mut Report) {
    if !check_schema(store, report) {
        return;
    }
    for file in StoreFile::ALL {
        match store.integrity(file) {
            Ok(said) => report.all("integrity", file.title(), said, RESTORE),
            Err(cause) => report.unreadable(file.title(), &cause),
        }
        match store.dangling(file) {
            Ok(said) => report.all("foreignKeys", file.title(), said, RESTORE),
            Err(cause) => report.unreadable(file.title(), &cause),
        }
    }
    match key_ring(config, store) {
        Ok(master) => {
            if let Err(cause) = store.read(|tx| check_sealed(tx, &master, report)) {
                report.unreadable("the sealed values", &cause);
            }
        }
        Err(cause) => report.one("masterKey", words(&cause), MASTER),
    }
    if let Err(cause) = store.read(|tx| check_clock(tx, &Context::system(), report)) {
        report.unreadable("the newest id", &cause);
    }
    if let Err(cause) = store.read(|tx| check_lists(tx, &Context::system(), report)) {
        report.unreadable("the watch lists", &cause);
    }
    if let Err(cause) = store.read(|tx| count_orphans(tx, report)) {
        report.unreadable("the data keys", &cause);
    }
}

/// Whether this version knows the tables that it is about to read.
fn check_schema(store: &Inspection, report: &mut Report) -> bool {
    let versions = match store.schema_versions() {
        Ok(versions) => versions,
        Err(cause) => {
            report.unreadable("the schema", &cause);
            return false;
        }
    };
    let mut known = true;
    for version in versions.iter().filter(|one| one.found != one.known) {
        known = false;
        let (title, found, knows) = (version.file.title(), version.found, version.known);
        let what = format!("{title} has schema {found}, this version knows {knows}");
        let remedy = if found > knows {
            "Run the newer oms that wrote it."
        } else {
            "Start the server once, which brings it to this version, then run doctor again."
        };
        report.one("migrations", what, remedy);
    }
    known
}

fn check_sealed(tx: &mut Tx<'_>, master: &KeyRing, report: &mut Report) -> Result<()> {
    let secrets = match stored_secrets(tx, master) {
        Ok(secrets) => secrets,
        Err(cause) => {
            report.one("masterKey", words(&cause), MASTER);
            return Ok(());
        }
    };
    let mut patient = Patient {
        bar: progress_bar(checkup::rows(tx)?, false, "opening"),
        report,
    };
    let tally = checkup::walk(tx, master, &secrets, Form::Bound, &mut patient);
    patient.bar.finish_and_clear();
    let Tally {
        customers,
        erased,
        answers,
        ..
    } = tally?;
    (report.customers, report.erased, report.answers) = (customers, erased, answers);
    Ok(())
}

/// Takes down what the walk finds.
struct Patient<'a> {
    bar: indicatif::ProgressBar,
    report: &'a mut Report,
}

impl Watch for Patient<'_> {
    fn found(&mut self, defect: Defect, subject: String) {
        let (check, what, remedy) = match defect {
            Defect::CustomerSealed => ("sealedCustomer", "sealed values do not open", RESTORE),
            Defect::AnswerSealed => ("sealedAnswer", "kept answers do not open", ANSWER),
            Defect::LookupMissing => (
                "lookupMissing",
                "customers are not found by a value they have",
                RESAVE,
            ),
            Defect::LookupForeign => (
                "lookupForeign",
                "look-ups lead where nothing has their value",
                FOREIGN,
            ),
            Defect::AnswerLookupMissing => (
                "answerLookupMissing",
                "used idempotency keys are not found: a retry would be carried out again",
                ANSWER_LOOKUP,
            ),
            Defect::CustomerPutBack => (
                "customerPutBack",
                "customers are not as their last event left them",
                ALTERED,
            ),
            Defect::GrantAltered => (
                "alteredGrant",
                "projects or API keys were altered outside of oms; they are refused",
                ALTERED,
            ),
        };
        self.report.add(check, true, what, Some(subject), remedy);
    }

    fn passed(&mut self, rows: usize) {
        self.bar.inc(rows as u64);
    }
}

/// The clock against what a server last believed, and against the ids, which never go back.
fn check_clock(tx: &mut Tx<'_>, context: &Context, report: &mut Report) -> Result<()> {
    let now = context.now();
    let is_ahead = |time: &Time| *time > now.plus_seconds(CLOCK_SLACK_S);
    let newest = customer::newest(tx)?.map(|id| CustomerId::from_bytes(id).time());
    let newest = newest.filter(is_ahead);
    let ahead = |time: Time| {
        let seconds = time.as_seconds() - now.as_seconds();
        let (days, hours) = (seconds / 86_400, seconds % 86_400 / 3600);
        let minutes = seconds % 3600 / 60;
        format!("{days} days, {hours} hours and {minutes} minutes")
    };
    let noted = clock::noted(tx)?;
    // A store of before has no note, and then its ids are all that is known.
    if let Some(time) = noted.or(newest).filter(is_ahead) {
        let ahead = ahead(time);
        let what = format!("the clock says {now}, {ahead} less than a server last believed");
        report.one("clock", what, CLOCK);
    } else if let Some(time) = newest {
        let ahead = ahead(time);
        let what = format!("ids are {ahead} ahead of the clock, which says {now}");
        report.add("clock", false, &what, None, AHEAD);
    }
    Ok(())
}

/// How old each watch list is: people are named every week.
fn check_lists(tx: &mut Tx<'_>, context: &Context, report: &mut Report) -> Result<()> {
    for list in watchlist::in_force(tx)? {
        let (name, dated, days) = (&list.name, list.dated, list.age_days(context.now().date()));
        let what = format!("the watch list {name} is of {dated}, {days} days old");
        report.add("watchListAge", days > STALE_DAYS, &what, None, STALE);
    }
    Ok(())
}

fn count_orphans(tx: &mut Tx<'_>, report: &mut Report) -> Result<()> {
    let orphans = key_register::orphans(tx)?;
    if orphans > 0 {
        let what = format!("{orphans} data keys belong to nobody");
        report.add("orphanDataKeys", false, &what, None, ORPHANS);
    }
    Ok(())
}

/// Whatever lies in the folder, and the master key, is its owner's alone.
fn check_permissions(config: &Config, report: &mut Report) {
    let beside = config.data.join(MASTER_KEY_FILE);
    let master = config
        .master_key_file
        .clone()
        .or_else(|| beside.exists().then_some(beside));
    let mut paths: Vec<PathBuf> = vec![config.data.clone()];
    for file in StoreFile::ALL {
        let path = file.in_folder(&config.data);
        for end in ["", "-wal", "-shm"] {
            paths.push(PathBuf::from(format!("{}{end}", path.display())));
        }
    }
    paths.push(loss::note_in(&config.data));
    paths.extend(master);
    for path in paths {
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let subject = format!("{} has mode {mode:03o}", path.display());
            let what = "others than the owner may get at files";
            report.add("permissions", true, what, Some(subject), PERMISSIONS);
        }
    }
}

fn check_space(config: &Config, report: &mut Report) {
    let Ok(disk) = rustix::fs::statvfs(&config.data) else {
        return;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let data = StoreFile::ALL
        .map(|file| size(&file.in_folder(&config.data)))
        .iter()
        .sum();
    let mib = free >> 20;
    if free < LEAST_FREE {
        report.one("diskSpace", format!("{mib} MiB are free"), SPACE);
    } else if free < data {
        let what = format!("{mib} MiB are free, less than the store takes");
        report.add("diskSpace", false, &what, None, SPACE);
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

impl Report {
    /// Notes a finding; the same one again only counts and names where.
    fn add(
        &mut self,
        check: &'static str,
        problem: bool,
        what: &str,
        subject: Option<String>,
        remedy: &'static str,
    ) {
        let known = self
            .findings
            .iter()
            .position(|one| one.check == check && one.what == what);
        let place = known.unwrap_or_else(|| {
            self.findings.push(Finding {
                check,
                problem,
                count: 0,
                what: what.to_owned(),
                subjects: Vec::new(),
                remedy,
            });
            self.findings.len() - 1
        });
        let finding = &mut self.findings[place];
        finding.count += 1;
        if finding.subjects.len() < MOST_SUBJECTS {
            finding.subjects.extend(subject);
        }
    }

    fn one(&mut self, check: &'static str, what: impl AsRef<str>, remedy: &'static str) {
        self.add(check, true, what.as_ref(), None, remedy);
    }

    fn all(
        &mut self,
        check: &'static str,
        what: &str,
        subjects: Vec<String>,
        remedy: &'static str,
    ) {
        let what = format!("{what} is damaged");
        for subject in subjects {
            self.add(check, true, &what, Some(subject), remedy);
        }
    }

    fn unreadable(&mut self, what: &str, cause: &Error) {
        let what = format!("{what} cannot be read: {}", words(cause));
        self.one("integrity", what, RESTORE);
    }

    fn show(&self, json: bool) -> Result<()> {
        let problems = self.findings.iter().filter(|one| one.problem).count();
        if json {
            let text = serde_json::to_string(self).map_err(Error::internal)?;
            println!("{text}");
        } else {
            println!(
                "opened the values of {} customers and {} kept answers; {} customers are erased",
                self.customers, self.answers, self.erased
            );
            self.findings.iter().for_each(Finding::show);
        }
        match problems {
            0 => Ok(()),
            1 => Err(Error::internal("1 problem found")),
            count => Err(Error::internal(format!("{count} problems found"))),
        }
    }
}

impl Finding {
    fn show(&self) {
        let kind = if self.problem { "PROBLEM" } else { "note" };
        println!("\n{kind}  {}: {}", self.check, self.what);
        for subject in &self.subjects {
            println!("    {subject}");
        }
        if self.count > self.subjects.len().max(1) {
            println!("    … {} in all", self.count);
        }
        println!("  {}", self.remedy);
    }
}

const RESTORE: &str = "Stop the server, keep a copy of the folder, and restore the newest backup that verifies \
     (oms restore). Then find out what wrote to the files: disk, memory, or somebody.";
const LOST: &str = "Acknowledged writes are missing. Keep a copy of the folder before anything else; restore the newest backup if \
     it holds more (oms restore). A start refuses these files and says how to go on without what is missing.";
const ALTERED: &str = "Somebody wrote to the database beside oms. Find out who, change that access, run oms audit verify, \
     and restore the newest backup that verifies; make altered API keys anew.";
const ANSWER: &str = "A retry with this key is answered 500 until the record expires. Restore a backup, or wait \
     for the retention to pass.";
const RESAVE: &str = "Searches miss these customers. PATCH the searched fields (email, externalId, documents) to another \
     value and back, which writes the look-ups anew, or restore a backup.";
const FOREIGN: &str = "Searches are not wrong by it, for what they find is compared; but nothing of ours wrote it. \
     After a restore without `oms restore`, it may lead to somebody who is erased: restore again with it.";
const ANSWER_LOOKUP: &str =
    "Tell the callers of these resources not to retry old requests, or restore a backup.";
const MASTER: &str = "Set OMS_MASTER_KEY_FILE to the key that sealed this store (mode 0600), then run doctor again: \
     the sealed values were not looked at.";
const CLOCK: &str = "Compare the machine's clock with another one (date -u). Is it behind, set it and run a time service: until then \
     tokens end early or late and what is made has wrong times. Is it right, it was ahead while a server ran: start the \
     server, which believes the clock again after ten minutes.";
const AHEAD: &str = "The clock was ahead when they were made, or is behind now: compare it with another one (date -u), and if it is \
     behind, set it. If it is right, there is nothing to do: ids go on in order behind those of then until the clock is \
     there, createdAt tells when something was really made, and idempotency keys of meanwhile are kept so much longer.";
const ORPHANS: &str = "Nothing to do. A running server and an import hold keys made ahead of time; those left by a crash do no harm.";
const STALE: &str = "Import the newest edition at least weekly (oms watchlist import). The same one again notes that it still is the newest.";
const PERMISSIONS: &str = "chmod 700 the folder and chmod 600 the files.";
const SPACE: &str = "Make room: when the disk is full, every write is refused. A backup or restore beside the data needs as much again.";
