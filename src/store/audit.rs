//! Checkpoints of the audit log, and the number of the newest in the key register.

use super::{Head, Row, Tx};
use crate::context::Time;
use crate::error::Result;
use crate::vault::LINK_LENGTH;

/// A checkpoint as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Rises by one from 1.
    pub number: i64,
    /// When it was made.
    pub made_at: Time,
    /// The last place that it covers.
    pub through: i64,
    /// The head of each writer that wrote since the one before.
    pub heads: Vec<Head>,
    /// Over all of this and the signature before.
    pub signature: Vec<u8>,
}

/// Bytes of one packed head.
const HEAD_LENGTH: usize = 8 + 8 + LINK_LENGTH;

/// The heads in one value: writer, position, hash.
#[must_use]
pub fn pack(heads: &[Head]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(heads.len() * HEAD_LENGTH);
    for head in heads {
        packed.extend_from_slice(&head.writer.to_be_bytes());
        packed.extend_from_slice(&head.position.to_be_bytes());
        packed.extend_from_slice(&head.hash);
    }
    packed
}

fn unpack(packed: &[u8]) -> Option<Vec<Head>> {
    if !packed.len().is_multiple_of(HEAD_LENGTH) {
        return None;
    }
    let heads = packed.chunks_exact(HEAD_LENGTH).map(|head| {
        Some(Head {
            writer: i64::from_be_bytes(head[..8].try_into().ok()?),
            position: i64::from_be_bytes(head[8..16].try_into().ok()?),
            hash: head[16..].try_into().ok()?,
        })
    });
    heads.collect()
}

/// Stores a checkpoint and notes it in the key register; `false` when its number is taken.
pub fn insert(tx: &mut Tx<'_>, row: &CheckpointRow) -> Result<bool> {
    let stored = tx.execute(
        "INSERT INTO audit_checkpoints (number, made_at, through, heads, signature)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &[
            row.number.into(),
            row.made_at.as_millis().into(),
            row.through.into(),
            pack(&row.heads).as_slice().into(),
            row.signature.as_slice().into(),
        ],
    )?;
    if stored == 0 {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO keys.audit_head (id, number, signature) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET number = excluded.number, signature = excluded.signature",
        &[row.number.into(), row.signature.as_slice().into()],
    )?;
    Ok(true)
}

/// The newest checkpoint.
pub fn newest(tx: &mut Tx<'_>) -> Result<Option<CheckpointRow>> {
    tx.first(
        "SELECT number, made_at, through, heads, signature FROM audit_checkpoints
         ORDER BY number DESC LIMIT 1",
        &[],
        read,
    )
}

/// Checkpoints behind a number, in order.
pub fn behind(tx: &mut Tx<'_>, number: i64, limit: i64) -> Result<Vec<CheckpointRow>> {
    tx.all(
        "SELECT number, made_at, through, heads, signature FROM audit_checkpoints
         WHERE number > $1 ORDER BY number LIMIT $2",
        &[number.into(), limit.into()],
        read,
    )
}

/// Number and signature of the newest checkpoint that the key register knows of.
pub fn noted(tx: &mut Tx<'_>) -> Result<Option<(i64, Vec<u8>)>> {
    tx.first(
        "SELECT number, signature FROM keys.audit_head WHERE id = 1",
        &[],
        |row| Ok((row.int(0)?, row.bytes(1)?)),
    )
}

fn read(row: &Row<'_>) -> Result<CheckpointRow> {
    Ok(CheckpointRow {
        number: row.int(0)?,
        made_at: Time::from_millis(row.int(1)?),
        through: row.int(2)?,
        // What does not read was not signed like that, which whoever verifies finds.
        heads: unpack(&row.bytes(3)?).unwrap_or_default(),
        signature: row.bytes(4)?,
    })
}
