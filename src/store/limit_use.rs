//! What each of several servers let through, told to the others; times are the database's.

use super::Tx;
use crate::error::{Error, Result};

/// Rows that are read at once: those of some hundred servers.
const ROWS: i64 = 2000;

/// Bytes of one use: what was counted, of whom, how often.
const USE_BYTES: usize = 1 + 8 + 4;

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Requests of an API key.
    KeyRequests = 0,
    /// Requests of an address.
    AddressRequests = 1,
    /// Failed sign-ins.
    Failures = 2,
}

/// How often something was counted of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// What.
    pub counted: Counted,
    /// Of whom, as a keyed hash.
    pub sender: i64,
    /// How often.
    pub count: u32,
}

/// What a server told.
#[derive(Clone, Debug)]
pub struct Told {
    /// The server.
    pub server: i64,
    /// Rises with whatever it tells.
    pub beat: i64,
    /// What it let through since the beat before.
    pub uses: Vec<Use>,
}

/// Tells what a server let through.
pub fn insert(tx: &mut Tx<'_>, told: &Told) -> Result<()> {
    let mut uses = Vec::with_capacity(told.uses.len() * USE_BYTES);
    for one in &told.uses {
        uses.push(one.counted as u8);
        uses.extend_from_slice(&one.sender.to_be_bytes());
        uses.extend_from_slice(&one.count.to_be_bytes());
    }
    tx.send(
        "INSERT INTO limit_uses (server, beat, made_at, uses)
         VALUES ($1, $2, CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT), $3)",
        &[told.server.into(), told.beat.into(), uses.as_slice().into()],
    )
}

/// What the other servers told in the last ten seconds, each in its order.
pub fn of_others(tx: &mut Tx<'_>, server: i64) -> Result<Vec<Told>> {
    tx.all(
        "SELECT server, beat, uses FROM limit_uses
         WHERE server <> $1 AND made_at >
               CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT) - 10000
         ORDER BY server, beat LIMIT $2",
        &[server.into(), ROWS.into()],
        |row| {
            Ok(Told {
                server: row.int(0)?,
                beat: row.int(1)?,
                uses: read_all(&row.bytes(2)?)?,
            })
        },
    )
}

/// Forgets what was told more than a minute ago.
pub fn forget(tx: &mut Tx<'_>) -> Result<()> {
    tx.send(
        "DELETE FROM limit_uses
         WHERE made_at < CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT) - 60000",
        &[],
    )
}

/// What a newer version counts besides is none of ours.
fn read_all(bytes: &[u8]) -> Result<Vec<Use>> {
    let mut uses = Vec::with_capacity(bytes.len() / USE_BYTES);
    for one in bytes.chunks(USE_BYTES) {
        let (Some(sender), Some(count)) = (one.get(1..9), one.get(9..USE_BYTES)) else {
            return Err(Error::internal("a use of a limit is cut short"));
        };
        let counted = match one[0] {
            0 => Counted::KeyRequests,
            1 => Counted::AddressRequests,
            2 => Counted::Failures,
            _ => continue,
        };
        uses.push(Use {
            counted,
            sender: i64::from_be_bytes(sender.try_into().expect("eight bytes")),
            count: u32::from_be_bytes(count.try_into().expect("four bytes")),
        });
    }
    Ok(uses)
}
