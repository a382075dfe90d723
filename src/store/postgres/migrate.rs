//! Brings the database to the schema of this version, at a start or by `oms migrate`. Each
//! step is a transaction that also notes itself, so that of two servers which start at
//! once one takes the step and the other finds it taken. A newer schema is refused.

use std::time::Duration;

use super::line::wait;
use super::session::Session;
use super::{Database, open};
use crate::error::{Error, Result};

/// The steps of each part, in order; a step is never edited once released. The key register
/// is a schema of its own, so that it can be dumped and destroyed apart.
const STEPS: [(&str, &[&str]); 2] = [
    (
        "keys",
        &[
            include_str!("../../../migrations/postgres/keys/0001_keys.sql"),
            include_str!("../../../migrations/postgres/keys/0002_wrapping_keys.sql"),
            include_str!("../../../migrations/postgres/keys/0005_audit.sql"),
            include_str!("../../../migrations/postgres/keys/0021_hash_keys.sql"),
        ],
    ),
    (
        "data",
        &[
            include_str!("../../../migrations/postgres/data/0001_customers.sql"),
            include_str!("../../../migrations/postgres/data/0002_events.sql"),
            include_str!("../../../migrations/postgres/data/0003_endorsements.sql"),
            include_str!("../../../migrations/postgres/data/0004_watchlist.sql"),
            include_str!("../../../migrations/postgres/data/0005_audit.sql"),
            include_str!("../../../migrations/postgres/data/0006_verifications.sql"),
            include_str!("../../../migrations/postgres/data/0007_rescreening.sql"),
            include_str!("../../../migrations/postgres/data/0009_webhooks.sql"),
            include_str!("../../../migrations/postgres/data/0010_moves.sql"),
            include_str!("../../../migrations/postgres/data/0011_stale_screenings.sql"),
            include_str!("../../../migrations/postgres/data/0012_limit_uses.sql"),
            include_str!("../../../migrations/postgres/data/0015_bound_rows.sql"),
            include_str!("../../../migrations/postgres/data/0019_subscriptions.sql"),
            include_str!("../../../migrations/postgres/data/0020_watchlists_by_name.sql"),
            include_str!("../../../migrations/postgres/data/0021_lookup_epochs.sql"),
            include_str!("../../../migrations/postgres/data/0022_clock.sql"),
            include_str!("../../../migrations/postgres/data/0023_servers.sql"),
        ],
    ),
];

/// The table that says which steps were taken.
const MAKE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_steps (
    part   TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (part, number)
)";

/// How long one step may take.
const STEP_TIMEOUT: Duration = Duration::from_hours(6);

/// How often a step is tried while another server takes it.
const TRIES: u32 = 60;

/// Whether there are tables of ours.
pub(super) fn has_tables(session: &mut Session) -> Result<bool> {
    let found = text(
        session,
        "SELECT '1' FROM information_schema.tables
         WHERE table_schema = 'keys' AND table_name = 'data_keys'",
    )?;
    Ok(found.is_some())
}

/// Takes every step that the database has not seen.
pub(in crate::store) fn run(database: &Database) -> Result<()> {
    let patient = Database {
        statement_timeout: STEP_TIMEOUT,
        ..database.clone()
    };
    let session = &mut open(&patient)?;
    if steps_taken(session, "data").is_err() {
        until_it_goes_well(session, MAKE_TABLE, |session| {
            steps_taken(session, "data").is_ok()
        })?;
    }
    for (part, steps) in STEPS {
        let found = steps_taken(session, part)?;
        if found > steps.len() {
            return Err(Error::internal(format!(
                "{database} has schema {found} of the {part}, this version knows {}; run a newer oms",
                steps.len()
            )));
        }
        for (step, sql) in steps.iter().enumerate().skip(found) {
            let number = step + 1;
            let step = format!(
                "BEGIN; INSERT INTO schema_steps (part, number) VALUES ('{part}', {number}); {sql}; COMMIT"
            );
            until_it_goes_well(session, &step, |session| {
                steps_taken(session, part).is_ok_and(|found| found >= number)
            })?;
        }
    }
    Ok(())
}

/// The steps that a part (`keys`, or `main` for the data) has seen, and those that this
/// version knows.
pub(in crate::store) fn version(session: &mut Session, part: &str) -> Result<(usize, usize)> {
    let [keys, data] = STEPS;
    let (part, steps) = if part == keys.0 { keys } else { data };
    Ok((steps_taken(session, part)?, steps.len()))
}

/// Runs text until it goes well or somebody else has done the same.
fn until_it_goes_well(
    session: &mut Session,
    sql: &str,
    is_done: impl Fn(&mut Session) -> bool,
) -> Result<()> {
    let mut last = None;
    for tries in 0..TRIES {
        match session.simple(sql) {
            Ok(_) => return Ok(()),
            Err(cause) => last = Some(cause),
        }
        let _ = session.simple("ROLLBACK");
        if is_done(session) {
            return Ok(());
        }
        wait(tries);
    }
    let last = last.map_or_else(String::new, |cause| cause.to_string());
    Err(Error::internal(format!(
        "the schema cannot be brought to this version: {last}"
    )))
}

fn steps_taken(session: &mut Session, part: &str) -> Result<usize> {
    let sql = format!("SELECT COALESCE(MAX(number), 0) FROM schema_steps WHERE part = '{part}'");
    let version = text(session, &sql)?;
    version
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| Error::internal("the schema does not say its version"))
}

fn text(session: &mut Session, sql: &str) -> Result<Option<String>> {
    session.simple(sql).map_err(Error::internal)
}
