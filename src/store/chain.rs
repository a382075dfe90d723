//! The chain of one writer of the audit log: where it stands, and how a row is linked.
//!
//! The head travels by value: a transaction begins with the writer's head, a closure that
//! is rolled back leaves the one before it, and only a commit publishes the new one. When
//! nobody knows whether a commit took place, the writer begins another chain.

use crate::context::Random;
use crate::vault::{ChainKey, LINK_LENGTH};

/// Where a writer's chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The writer.
    pub writer: i64,
    /// The position of its last row; 0 before the first.
    pub position: i64,
    /// The hash of its last row.
    pub hash: [u8; LINK_LENGTH],
}

/// What a writer links its rows with.
#[derive(Debug)]
pub(super) struct Audit {
    pub key: ChainKey,
}

impl Audit {
    /// The head of a chain that nobody began before: its writer is drawn from 2^63, so that
    /// no two connections, of whichever server, ever share one.
    pub(super) fn fresh(&self) -> Head {
        let writer = i64::from_be_bytes(Random::System.bytes()) & i64::MAX;
        Head::begin(writer, &self.key)
    }
}

impl Head {
    /// The head of a chain without rows: its hash follows from the writer.
    #[must_use]
    pub fn begin(writer: i64, key: &ChainKey) -> Self {
        let mut link = key.link(&[0; LINK_LENGTH]);
        link.bytes(b"writer").int(writer);
        Self {
            writer,
            position: 0,
            hash: link.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::config::Config;
    use crate::error::{Error, Result};
    use crate::store::event::{self, EventRow};
    use crate::store::{Store, Tx};
    use crate::vault::{KEY_LENGTH, Secrets};

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn key() -> ChainKey {
        Secrets::derive(&[7; KEY_LENGTH]).chain
    }

    fn open(name: &str) -> (Folder, Store) {
        let folder = format!("oms-chain-{name}-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(folder));
        let _ = std::fs::remove_dir_all(&folder.0);
        Store::create_folder(&folder.0).unwrap();
        let store = Store::open(&Config::for_data(&folder.0)).unwrap();
        store.begin_audit(key());
        (folder, store)
    }

    fn append(tx: &mut Tx<'_>, number: u8) -> Result<()> {
        let row = EventRow {
            id: [number; 16],
            happened_at: None,
            project: 1,
            resource: [1; 16],
            sequence: 0,
            count: 1,
            kinds: "kind".into(),
            actor: "actor".into(),
            request_id: "request".into(),
            data_key: 0,
            detail: vec![number],
            state: None,
        };
        event::append(tx, &row, false)
    }

    /// What a job of a batch does besides appending.
    #[derive(Clone, Copy, PartialEq)]
    enum Job {
        Stays,
        Fails,
        /// Succeeds, but makes the commit of the whole batch fail.
        Breaks,
    }

    /// Runs jobs in one batch, two events each, and gives whether each stayed.
    async fn batch(store: &Store, first: u8, jobs: &[Job]) -> Vec<bool> {
        // While this one runs, the others gather behind it.
        let (runs, running) = mpsc::channel::<()>();
        let (queued, all_queued) = mpsc::channel::<()>();
        let all_queued = Mutex::new(all_queued);
        let holding = store.clone();
        let holding = tokio::spawn(async move {
            let hold = holding.write(move |_| {
                let _ = runs.send(());
                let _ = all_queued.lock().unwrap().recv();
                Ok(())
            });
            hold.await
        });
        while running.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        let mut waiting = Vec::new();
        for (number, job) in (first..).step_by(2).zip(jobs.iter().copied()) {
            let store = store.clone();
            waiting.push(tokio::spawn(async move {
                let work = store.write(move |tx| {
                    append(tx, number)?;
                    append(tx, number + 1)?;
                    match job {
                        Job::Stays => Ok(()),
                        Job::Fails => Err(Error::internal("on purpose")),
                        Job::Breaks => tx.execute("INSERT INTO children VALUES (1)", &[]).map(drop),
                    }
                });
                work.await.is_ok()
            }));
        }
        while store.depth().writes < jobs.len() {
            tokio::task::yield_now().await;
        }
        drop(queued);
        holding.await.unwrap().unwrap();
        let mut stayed = Vec::new();
        for job in waiting {
            stayed.push(job.await.unwrap());
        }
        stayed
    }

    /// Follows every chain from its beginning; gives the rows' numbers and how many chains.
    async fn verified(store: &Store) -> (Vec<u8>, usize) {
        let rows = store
            .read(|tx| event::behind(tx, event::Edge::START, 1000))
            .await
            .unwrap();
        let key = key();
        let mut heads: HashMap<i64, Head> = HashMap::new();
        for linked in &rows {
            let writer = linked.head.writer;
            let before = heads
                .remove(&writer)
                .unwrap_or_else(|| Head::begin(writer, &key));
            assert_eq!(linked.head.position, before.position + 1);
            assert_eq!(linked.head.hash, linked.row.link(&key, &before));
            heads.insert(writer, linked.head);
        }
        (rows.iter().map(|row| row.row.id[0]).collect(), heads.len())
    }

    #[tokio::test]
    async fn closures_rolled_back_within_a_batch_leave_a_chain_without_gaps() {
        use Job::{Fails, Stays};
        let (_folder, store) = open("rolled-back");
        let stayed = batch(&store, 10, &[Fails, Stays, Fails, Fails, Stays, Fails]).await;
        assert_eq!(stayed, [false, true, false, false, true, false]);
        assert_eq!(batch(&store, 30, &[Stays, Fails]).await, [true, false]);
        let numbers = vec![12, 13, 18, 19, 30, 31];
        assert_eq!(verified(&store).await, (numbers, 1));
        store.close();
    }

    #[tokio::test]
    async fn a_batch_that_is_not_committed_is_followed_by_a_new_chain() {
        use Job::{Breaks, Fails, Stays};
        let (_folder, store) = open("not-committed");
        let tables = store.write(|tx| {
            tx.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)", &[])?;
            let children = "CREATE TABLE children
                (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)";
            tx.execute(children, &[]).map(drop)
        });
        tables.await.unwrap();
        // The first one fails before any row was written, the second after some.
        for (first, chains) in [(10, 0), (50, 1)] {
            assert_eq!(
                batch(&store, first, &[Stays, Breaks, Fails]).await,
                [false; 3]
            );
            assert_eq!(verified(&store).await.1, chains);
            let after = batch(&store, first + 20, &[Fails, Stays]).await;
            assert_eq!(after, [false, true]);
        }
        assert_eq!(verified(&store).await, (vec![32, 33, 72, 73], 2));
        store.close();
    }
}
