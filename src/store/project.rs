//! The rows of projects and their policies.

use super::{Row, Tx};
use crate::context::Time;
use crate::core::api_key::Mode;
use crate::error::{Error, Result};

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
}

const EVERY: &str = "
    SELECT p.id, p.name, p.mode, p.verification, p.clock_offset_s,
           (SELECT o.source FROM policies o WHERE o.project = p.id ORDER BY o.number DESC LIMIT 1)
    FROM projects p ORDER BY p.id";

/// Every project.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<ProjectRow>> {
    tx.all(EVERY, &[], read)
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

/// Says how a project verifies.
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

/// Puts a policy in force; the earlier ones stay.
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
    })
}
