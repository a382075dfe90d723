//! The rows of projects and their policies. A project counts only when its row bears the
//! hash that it was stored with, which covers the policy in force as well.

use super::{Row, Tx};
use crate::context::Time;
use crate::core::api_key::Mode;
use crate::error::{Error, Result};
use crate::vault::{LINK_LENGTH, RowKey};

/// A project as it is stored.
#[derive(Clone, Debug)]
pub struct ProjectRow {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Sandbox or live.
    pub mode: Mode,
    /// `auto` or `policy`.
    pub verification: String,
    /// How far its test clock is ahead, in seconds.
    pub clock_offset_s: i64,
    /// The text of its own policy; empty or absent without one.
    pub policy: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// The hash that the row bears.
    pub mac: Option<Vec<u8>>,
}

impl ProjectRow {
    /// The row's hash: over all but the test clock, which grants nothing.
    #[must_use]
    pub fn mac(&self, rows: &RowKey) -> [u8; LINK_LENGTH] {
        let mut mac = rows.mac("projects");
        mac.int(self.number)
            .bytes(self.name.as_bytes())
            .bytes(self.mode.name().as_bytes())
            .int(self.created_at.as_millis())
            .bytes(self.verification.as_bytes())
            .bytes(self.policy.as_deref().unwrap_or_default().as_bytes());
        mac.end()
    }

    /// Whether the row, and the policy in force, are as they were stored.
    #[must_use]
    pub fn is_genuine(&self, rows: &RowKey) -> bool {
        rows.matches(self.mac.as_deref(), &self.mac(rows))
    }
}

const EVERY: &str = "
    SELECT p.id, p.name, p.mode, p.verification, p.clock_offset_s,
           (SELECT o.source FROM policies o WHERE o.project = p.id ORDER BY o.number DESC LIMIT 1),
           p.created_at, p.mac
    FROM projects p ORDER BY p.id";

const ONE: &str = "
    SELECT p.id, p.name, p.mode, p.verification, p.clock_offset_s,
           (SELECT o.source FROM policies o WHERE o.project = p.id ORDER BY o.number DESC LIMIT 1),
           p.created_at, p.mac
    FROM projects p WHERE p.id = $1";

/// Every project.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<ProjectRow>> {
    tx.all(EVERY, &[], read)
}

/// The row of a project that is to be believed.
///
/// # Errors
/// `internalError` when there is none, or it was altered outside of oms.
pub fn genuine(tx: &mut Tx<'_>, number: i64, rows: &RowKey) -> Result<ProjectRow> {
    let found = tx.first(ONE, &[number.into()], read)?;
    let found = found.filter(|row| row.is_genuine(rows));
    found.ok_or_else(|| {
        Error::internal(format!(
            "the row of project {number} is missing or was altered outside of oms"
        ))
    })
}

/// Gives a project's row the hash that it has.
pub fn stamp(tx: &mut Tx<'_>, number: i64, rows: &RowKey) -> Result<[u8; LINK_LENGTH]> {
    let found = tx.first(ONE, &[number.into()], read)?;
    let row = found.ok_or_else(|| Error::internal(format!("there is no project {number}")))?;
    let mac = row.mac(rows);
    tx.execute(
        "UPDATE projects SET mac = $1 WHERE id = $2",
        &[(&mac).into(), number.into()],
    )?;
    Ok(mac)
}

/// A number that changes whenever a project does.
pub fn generation(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    let found = tx.first(
        "SELECT COUNT(*), CAST(COALESCE(SUM(revision), 0) AS BIGINT) FROM projects",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    Ok(found.unwrap_or_default())
}

/// Says how a project verifies; its row is to be stamped after.
pub fn set_verification(tx: &mut Tx<'_>, number: i64, verification: &str) -> Result<()> {
    tx.execute(
        "UPDATE projects SET verification = $1, revision = revision + 1 WHERE id = $2",
        &[verification.into(), number.into()],
    )?;
    Ok(())
}

/// Moves the test clock of a project from one offset in seconds to another;
/// `false` when somebody else has moved it.
pub fn move_clock(tx: &mut Tx<'_>, number: i64, from: i64, to: i64) -> Result<bool> {
    let changed = tx.execute(
        "UPDATE projects SET clock_offset_s = $1, revision = revision + 1
         WHERE id = $2 AND clock_offset_s = $3",
        &[to.into(), number.into(), from.into()],
    )?;
    Ok(changed == 1)
}

/// Puts a policy in force; the earlier ones stay. The project's row is to be stamped after.
pub fn add_policy(tx: &mut Tx<'_>, number: i64, source: &str, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO policies (project, number, source, created_at)
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3 FROM policies WHERE project = $1",
        &[number.into(), source.into(), now.as_millis().into()],
    )?;
    tx.execute(
        "UPDATE projects SET revision = revision + 1 WHERE id = $1",
        &[number.into()],
    )?;
    Ok(())
}

/// The mode in a column.
pub(super) fn read_mode(row: &Row<'_>, column: usize) -> Result<Mode> {
    Mode::parse(&row.text(column)?).ok_or_else(|| Error::internal("an unknown mode is stored"))
}

fn read(row: &Row<'_>) -> Result<ProjectRow> {
    let has_policy = row.optional_text(5)?;
    Ok(ProjectRow {
        number: row.int(0)?,
        name: row.text(1)?,
        mode: read_mode(row, 2)?,
        verification: row.text(3)?,
        clock_offset_s: row.int(4)?,
        policy: has_policy.filter(|text| !text.is_empty()),
        created_at: Time::from_millis(row.int(6)?),
        mac: row.optional_bytes(7)?,
    })
}
