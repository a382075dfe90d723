//! Checks the audit log from its first row to its last: that every row follows on the one
//! before it in its writer's chain, that every chain reaches what was signed, and that rows
//! are as their last events left them (`rows.rs`).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::rows::{self, Grants};
use super::{PAGE, signed_text};
use crate::core::installation::Installation;
use crate::error::Result;
use crate::id::RequestId;
use crate::store::Head;
use crate::store::audit::{self as checkpoints, CheckpointRow};
use crate::store::event::{self as event_rows, Edge, End, LinkedRow};
use crate::vault::{ChainKey, LINK_LENGTH, Signer};

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not what was written.
    Altered,
    /// Records that were written are not there.
    Missing,
    /// It stands where another stood.
    Reordered,
    /// It was not written by a writer of this installation at this place.
    Inserted,
    /// The end is cut off.
    Truncated,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// Which record.
    pub place: String,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Records checked.
    pub records: i64,
    /// Chains they are in.
    pub writers: usize,
    /// Checkpoints checked.
    pub checkpoints: i64,
    /// What is wrong, the first [`MOST_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// Findings that are kept; more say nothing new.
pub const MOST_FINDINGS: usize = 1_000;

/// Where a chain stands while it is read.
struct Chain {
    position: i64,
    /// The hash that stands in the last row, and the one that it should have: when
    /// they differ, the next row tells which of the two was altered.
    hashes: [[u8; LINK_LENGTH]; 2],
    /// Positions that were passed over: first, last and the hash before them.
    gaps: Vec<(i64, i64, [u8; LINK_LENGTH])>,
}

/// The check on its way.
struct Check<'a> {
    key: &'a ChainKey,
    signer: &'a Signer,
    chains: HashMap<i64, Chain>,
    /// Signed heads whose rows have not come by yet.
    expected: HashMap<(i64, i64), (i64, [u8; LINK_LENGTH])>,
    /// The furthest record of each writer that was written while this runs, or by nobody.
    later: HashMap<i64, LinkedRow>,
    last: Option<CheckpointRow>,
    report: Report,
}

/// Checks everything; `progress` is told records done and about how many there are.
///
/// # Errors
/// When the store is away or a row does not even read.
pub async fn verify(
    installation: &Installation,
    mut progress: impl FnMut(i64, i64),
) -> Result<Report> {
    let store = &installation.store;
    let secrets = &installation.secrets;
    let mut check = Check::new(&secrets.chain, &secrets.signer);
    // What is written while this runs is not looked at.
    let (end, newest, noted) = store
        .read(|tx| {
            let newest = checkpoints::newest(tx)?.map_or(0, |newest| newest.number);
            Ok((event_rows::end(tx)?, newest, checkpoints::noted(tx)?))
        })
        .await?;
    let mut number = 0;
    loop {
        let page = store
            .read(move |tx| checkpoints::behind(tx, number, PAGE))
            .await?;
        let Some(last) = page.last() else { break };
        number = last.number;
        for row in page.into_iter().filter(|row| row.number <= newest) {
            check.checkpoint(row);
        }
    }
    let (mut edge, mut grants) = (Edge::START, Grants::default());
    while !end.is_reached(edge) {
        let page = store.read(move |tx| {
            let page = event_rows::behind(tx, edge, PAGE)?;
            let missing = rows::missing(tx, &page)?;
            Ok((page, missing))
        });
        let (page, missing) = page.await?;
        let Some(last) = page.last() else { break };
        edge = last.edge();
        check.found_all(missing);
        for row in page {
            grants.note(&row, secrets);
            if end.holds(&row) {
                check.row(&row);
            } else {
                check.later.insert(row.head.writer, row);
            }
        }
        progress(check.report.records, end.rows());
    }
    check.written_by_nobody(&store.read(event_rows::end).await?);
    check.found_all(rows::compare_customers(installation).await?);
    let keys = Arc::clone(secrets);
    let compared = store.read(move |tx| grants.clone().compare(tx, &keys));
    check.found_all(compared.await?);
    Ok(check.end(
        noted
            .filter(|(number, _)| *number > newest)
            .map(|(number, _)| number),
    ))
}

impl<'a> Check<'a> {
    fn new(key: &'a ChainKey, signer: &'a Signer) -> Self {
        Self {
            key,
            signer,
            chains: HashMap::new(),
            expected: HashMap::new(),
            later: HashMap::new(),
            last: None,
            report: Report::default(),
        }
    }

    fn checkpoint(&mut self, row: CheckpointRow) {
        let before = self.last.take();
        let due = before.as_ref().map_or(1, |before| before.number + 1);
        let name = |from: i64, to: i64| format!("checkpoints {from} to {to}");
        if row.number != due {
            self.found(Fault::Missing, name(due, row.number - 1));
        }
        let before = before.map(|before| before.signature).unwrap_or_default();
        // After a gap the signature before is not known, so this one cannot be checked.
        let after_gap = row.number != due;
        if !after_gap
            && !self
                .signer
                .signed(&signed_text(&row, &before), &row.signature)
        {
            self.found(Fault::Altered, format!("checkpoint {}", row.number));
        } else {
            for head in &row.heads {
                let place = (head.writer, head.position);
                self.expected.insert(place, (row.number, head.hash));
            }
        }
        self.report.checkpoints += 1;
        self.last = Some(row);
    }

    fn row(&mut self, linked: &LinkedRow) {
        self.report.records += 1;
        let Head {
            writer,
            position,
            hash,
        } = linked.head;
        let signed = self.expected.remove(&(writer, position));
        let key = self.key;
        let chain = self.chains.entry(writer).or_insert_with(|| Chain {
            position: 0,
            hashes: [Head::begin(writer, key).hash; 2],
            gaps: Vec::new(),
        });
        let follows = |before: [u8; LINK_LENGTH]| {
            let before = Head {
                writer,
                position: position - 1,
                hash: before,
            };
            linked.row.link(key, &before)
        };
        let mut faults = Vec::new();
        if position <= chain.position {
            faults.push(chain.late(position));
        } else {
            if position == chain.position + 1 {
                let computed = chain.hashes.map(follows);
                if !computed.contains(&hash) {
                    faults.push((Fault::Altered, describe(linked)));
                }
                chain.hashes = [hash, computed[0]];
            } else {
                let gap = (chain.position + 1, position - 1, chain.hashes[0]);
                chain.gaps.push(gap);
                chain.hashes = [hash; 2];
            }
            chain.position = position;
        }
        if let Some((number, expected)) = signed
            && expected != hash
            && faults.is_empty()
        {
            faults.push((
                Fault::Altered,
                format!(
                    "{}, signed otherwise in checkpoint {number}",
                    describe(linked)
                ),
            ));
        }
        for (fault, place) in faults {
            let place = if place.is_empty() {
                describe(linked)
            } else {
                place
            };
            self.found(fault, place);
        }
    }

    /// A writer that writes says so in the same transaction: what is behind its end even now,
    /// or of a writer that there is not, was put there by somebody else.
    fn written_by_nobody(&mut self, end: &End) {
        for row in std::mem::take(&mut self.later).into_values() {
            if !end.holds(&row) {
                self.found(Fault::Inserted, describe(&row));
            }
        }
    }

    /// What is still missing when everything was read.
    fn end(mut self, noted: Option<i64>) -> Report {
        let mut findings = Vec::new();
        for (writer, chain) in &self.chains {
            for (first, last, _) in &chain.gaps {
                findings.push((
                    Fault::Missing,
                    format!("writer {writer}, positions {first} to {last}"),
                ));
            }
        }
        let mut signed: HashMap<i64, (i64, i64)> = HashMap::new();
        for ((writer, position), (number, _)) in &self.expected {
            let furthest = signed.entry(*writer).or_insert((*position, *number));
            *furthest = (*furthest).max((*position, *number));
        }
        for (writer, (position, number)) in signed {
            let reached = self.chains.get(&writer).map_or(0, |chain| chain.position);
            if reached < position {
                findings.push((
                    Fault::Truncated,
                    format!(
                        "writer {writer}, positions {} to {position}, which checkpoint {number} has",
                        reached + 1
                    ),
                ));
            }
        }
        if let Some(noted) = noted {
            let place = format!("the checkpoints up to {noted}, which the key register has");
            findings.push((Fault::Truncated, place));
        }
        for (fault, place) in findings {
            self.found(fault, place);
        }
        self.report.writers = self.chains.len();
        self.report
    }

    fn found_all(&mut self, findings: Vec<Finding>) {
        for Finding { fault, place } in findings {
            self.found(fault, place);
        }
    }

    fn found(&mut self, fault: Fault, place: String) {
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(Finding { fault, place });
        }
    }
}

impl Chain {
    /// A record whose place was passed: out of order if it was missed, too many if not.
    fn late(&mut self, position: i64) -> (Fault, String) {
        let gap = self
            .gaps
            .iter()
            .position(|(first, last, _)| (*first..=*last).contains(&position));
        let Some(gap) = gap else {
            return (Fault::Inserted, String::new());
        };
        let (first, last, hash) = self.gaps.swap_remove(gap);
        if first < position {
            self.gaps.push((first, position - 1, hash));
        }
        if position < last {
            self.gaps.push((position + 1, last, hash));
        }
        (Fault::Reordered, String::new())
    }
}

/// Which record, in words: when, of which writer, and where in its chain.
fn describe(linked: &LinkedRow) -> String {
    let id = RequestId::from_bytes(linked.row.id);
    let Head {
        writer, position, ..
    } = linked.head;
    format!("writer {writer}, position {position}, of {}", id.time())
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            Fault::Altered => "altered",
            Fault::Missing => "missing",
            Fault::Reordered => "reordered",
            Fault::Inserted => "inserted",
            Fault::Truncated => "truncated",
        };
        write!(out, "{fault}: {}", self.place)
    }
}
