//! Takes the store away from a running server and gives it back.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

/// While this lives, nobody else can write to the store.
pub struct WriteLock(Connection);

impl WriteLock {
    /// Takes the write lock of the database under a data folder.
    pub fn take(data: &Path) -> Self {
        let path = data.join("oms.db");
        let connection = Connection::open(path).expect("the database opens");
        connection
            .busy_timeout(Duration::from_secs(30))
            .expect("a timeout can be set");
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .expect("the write lock is to be had");
        Self(connection)
    }

    /// Gives it back with nothing changed.
    pub fn release(self) {
        self.0
            .execute_batch("ROLLBACK")
            .expect("nothing was written");
    }
}
