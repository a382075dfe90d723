//! The time that a server last believed, for the next start.

use super::Tx;
use crate::context::Time;
use crate::error::Result;

/// Notes the time that is believed.
pub fn note(tx: &mut Tx<'_>, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO clock (id, settled_at) VALUES (1, $1)
         ON CONFLICT (id) DO UPDATE SET settled_at = excluded.settled_at",
        &[now.as_millis().into()],
    )?;
    Ok(())
}

/// The time that was noted last; `None` in a store of before.
pub fn noted(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let noted = tx.first("SELECT settled_at FROM clock WHERE id = 1", &[], |row| {
        row.int(0)
    })?;
    Ok(noted.map(Time::from_millis))
}
