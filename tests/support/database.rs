//! Takes the store away from a running server and gives it back.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::cluster::{Cluster, Session, on_postgres};

/// While this lives, nobody else can write to the store.
pub enum WriteLock {
    /// The write lock of a file.
    File(Connection),
    /// Locks of a session.
    Tables(Session),
}

impl WriteLock {
    /// Takes the write lock of the database under a data folder.
    pub fn take(data: &Path) -> Self {
        if on_postgres() {
            return Self::Tables(Cluster::shared().lock_tables(data));
        }
        let path = data.join("oms.db");
        let connection = Connection::open(path).expect("the database opens");
        connection
            .busy_timeout(Duration::from_secs(30))
            .expect("a timeout can be set");
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .expect("the write lock is to be had");
        Self::File(connection)
    }

    /// Gives it back with nothing changed.
    pub fn release(self) {
        match self {
            Self::File(connection) => connection
                .execute_batch("ROLLBACK")
                .expect("nothing was written"),
            Self::Tables(session) => drop(session),
        }
    }
}
