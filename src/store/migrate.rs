//! Brings the files to the schema of this version, at start, each step in a
//! transaction of its own. A file that a newer version wrote is refused.

use rusqlite::Connection;

use super::sqlite;
use crate::error::{Error, Result};

/// The steps of each attached file, in order; a step is never edited once released.
const STEPS: [(&str, &[&str]); 2] = [
    (
        "keys",
        &[
            include_str!("../../migrations/sqlite/keys/0001_keys.sql"),
            include_str!("../../migrations/sqlite/keys/0002_wrapping_keys.sql"),
            include_str!("../../migrations/sqlite/keys/0005_audit.sql"),
            include_str!("../../migrations/sqlite/keys/0021_hash_keys.sql"),
        ],
    ),
    (
        "main",
        &[
            include_str!("../../migrations/sqlite/data/0001_customers.sql"),
            include_str!("../../migrations/sqlite/data/0002_events.sql"),
            include_str!("../../migrations/sqlite/data/0003_endorsements.sql"),
            include_str!("../../migrations/sqlite/data/0004_watchlist.sql"),
            include_str!("../../migrations/sqlite/data/0005_audit.sql"),
            include_str!("../../migrations/sqlite/data/0006_verifications.sql"),
            include_str!("../../migrations/sqlite/data/0007_rescreening.sql"),
            include_str!("../../migrations/sqlite/data/0008_lookup_journal.sql"),
            include_str!("../../migrations/sqlite/data/0009_webhooks.sql"),
            include_str!("../../migrations/sqlite/data/0010_moves.sql"),
            include_str!("../../migrations/sqlite/data/0011_stale_screenings.sql"),
            include_str!("../../migrations/sqlite/data/0015_bound_rows.sql"),
            include_str!("../../migrations/sqlite/data/0019_subscriptions.sql"),
            include_str!("../../migrations/sqlite/data/0020_watchlists_by_name.sql"),
            include_str!("../../migrations/sqlite/data/0021_lookup_epochs.sql"),
            include_str!("../../migrations/sqlite/data/0022_clock.sql"),
            include_str!("../../migrations/sqlite/data/0023_servers.sql"),
        ],
    ),
];

/// Runs every step that a file has not seen.
pub(super) fn run(connection: &mut Connection) -> Result<()> {
    for (file, steps) in STEPS {
        let version = version(connection, file)?;
        if version > steps.len() {
            return Err(Error::internal(format!(
                "the {file} file has schema {version}, this version knows {}; run a newer oms",
                steps.len()
            )));
        }
        for (step, sql) in steps.iter().enumerate().skip(version) {
            let tx = connection.transaction().map_err(sqlite::error)?;
            tx.execute_batch(sql).map_err(sqlite::error)?;
            tx.execute_batch(&format!("PRAGMA {file}.user_version = {}", step + 1))
                .map_err(sqlite::error)?;
            tx.commit().map_err(sqlite::error)?;
        }
    }
    Ok(())
}

/// The steps that a file has seen.
pub(super) fn version(connection: &Connection, file: &str) -> Result<usize> {
    let version: i64 = connection
        .query_row(&format!("PRAGMA {file}.user_version"), [], |row| row.get(0))
        .map_err(sqlite::error)?;
    usize::try_from(version).map_err(Error::internal)
}

/// The steps that this version knows for a file.
pub(super) fn known(file: &str) -> usize {
    let steps = STEPS.iter().find(|(name, _)| *name == file);
    steps.map_or(0, |(_, steps)| steps.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_before_lists_had_names_goes_on_as_the_treasurys() {
        let mut files = Connection::open_in_memory().expect("memory");
        files
            .execute_batch("ATTACH ':memory:' AS keys")
            .expect("memory");
        let (_, steps) = STEPS[1];
        let named = |sql: &&&str| !sql.contains("watchlists_by_name");
        let before: Vec<_> = steps.iter().take_while(named).collect();
        for sql in &before {
            files.execute_batch(sql).expect("a step");
        }
        let seen = format!("PRAGMA main.user_version = {}", before.len());
        files.execute_batch(&seen).expect("set");
        files
            .execute_batch("INSERT INTO watchlists VALUES (1, 'x', 1000, 1, 0, 0, 0, 0)")
            .expect("a row of then");
        run(&mut files).expect("brought here");
        let found = files.query_row("SELECT name, dated, removed FROM watchlists", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
        let found: (String, Option<String>, i64) = found.expect("a row");
        assert_eq!(found, ("ofac-sdn".to_owned(), None, 0));
    }
}
