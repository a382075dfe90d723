//! Holds, erasures, and the ledger of erasures in the key register.

use super::sql::Sql;
use super::{Row, Tx, hash_key, key_register};
use crate::context::Time;
use crate::error::Result;
use crate::id::CustomerId;

/// An erasure as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRow {
    /// Who was erased.
    pub customer: CustomerId,
    /// Whose customer.
    pub project: i64,
    /// The data key that was destroyed.
    pub data_key: i64,
    /// When.
    pub erased_at: Time,
    /// The certificate's text.
    pub certificate: String,
}

/// Holds a customer until a time; a hold that is there is replaced.
pub fn hold(tx: &mut Tx<'_>, customer: CustomerId, until: Time, now: Time) -> Result<()> {
    tx.execute(
        "INSERT INTO holds (customer, until, placed_at) VALUES ($1, $2, $3)
         ON CONFLICT (customer) DO UPDATE SET until = excluded.until, placed_at = excluded.placed_at",
        &[
            customer.as_bytes().into(),
            until.as_millis().into(),
            now.as_millis().into(),
        ],
    )?;
    Ok(())
}

/// Lifts a hold; `false` when there is none.
pub fn lift(tx: &mut Tx<'_>, customer: CustomerId) -> Result<bool> {
    let lifted = tx.execute(
        "DELETE FROM holds WHERE customer = $1",
        &[customer.as_bytes().into()],
    )?;
    Ok(lifted > 0)
}

/// Until when a customer is held.
pub fn held_until(tx: &mut Tx<'_>, customer: CustomerId) -> Result<Option<Time>> {
    tx.first(
        "SELECT until FROM holds WHERE customer = $1",
        &[customer.as_bytes().into()],
        |row| row.int(0).map(Time::from_millis),
    )
}

/// Notes that a customer is erased; its key is still to be destroyed.
pub fn insert(tx: &mut Tx<'_>, row: &ErasureRow) -> Result<()> {
    tx.execute(
        "INSERT INTO erasures (customer, project, data_key, erased_at, certificate)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &[
            row.customer.as_bytes().into(),
            row.project.into(),
            row.data_key.into(),
            row.erased_at.as_millis().into(),
            row.certificate.as_str().into(),
        ],
    )?;
    Ok(())
}

/// The erasure of a customer.
pub fn find(tx: &mut Tx<'_>, customer: CustomerId) -> Result<Option<ErasureRow>> {
    tx.first(
        "SELECT customer, project, data_key, erased_at, certificate FROM erasures
         WHERE customer = $1",
        &[customer.as_bytes().into()],
        read,
    )
}

/// Erasures whose key may still be there.
pub fn undone(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<ErasureRow>> {
    tx.all(
        "SELECT customer, project, data_key, erased_at, certificate FROM erasures
         WHERE done_at IS NULL ORDER BY customer LIMIT $1",
        &[limit.into()],
        read,
    )
}

/// Destroys the key and writes the ledger: both are in the key register's file, so
/// that there is never one without the other.
pub fn destroy_key(tx: &mut Tx<'_>, row: &ErasureRow) -> Result<()> {
    tx.execute(
        "INSERT INTO keys.erased (customer, project, data_key, erased_at, certificate)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &[
            row.customer.as_bytes().into(),
            row.project.into(),
            row.data_key.into(),
            row.erased_at.as_millis().into(),
            row.certificate.as_str().into(),
        ],
    )?;
    if key_register::delete_data_key(tx, row.data_key)? {
        // Older copies of the data hold hashes beside the id, by keys that are here.
        hash_key::spend(tx, row.erased_at)?;
    }
    Ok(())
}

/// Notes that the key is gone from every file.
pub fn finish(tx: &mut Tx<'_>, customer: CustomerId, now: Time) -> Result<()> {
    tx.execute(
        "UPDATE erasures SET done_at = $1 WHERE customer = $2 AND done_at IS NULL",
        &[now.as_millis().into(), customer.as_bytes().into()],
    )?;
    Ok(())
}

/// Erasures of the ledger that the data does not know of: it was restored from a copy
/// that is older than they are.
pub fn undone_by_restore(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<ErasureRow>> {
    static UNDONE: Sql = Sql::new(
        "SELECT l.customer, l.project, l.data_key, l.erased_at, l.certificate
         FROM keys.erased l JOIN customers c ON c.project = l.project AND {at c.id l.customer}
         WHERE c.data_key = l.data_key LIMIT $1",
    );
    tx.all(UNDONE.of(tx), &[limit.into()], read)
}

fn read(row: &Row<'_>) -> Result<ErasureRow> {
    Ok(ErasureRow {
        customer: CustomerId::from_bytes(row.array(0)?),
        project: row.int(1)?,
        data_key: row.int(2)?,
        erased_at: Time::from_millis(row.int(3)?),
        certificate: row.text(4)?,
    })
}
