//! Takes the store away from a running server and gives it back.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::folder::files_under;

const MAGIC: &[u8] = b"SQLite format 3\0";

/// While this lives, nobody else can write to the store.
pub struct WriteLock(Connection);

impl WriteLock {
    /// Takes the write lock of the database under a data folder.
    pub fn take(data: &Path) -> Self {
        let mut databases: Vec<_> = files_under(data)
            .into_iter()
            .filter(|(_, bytes)| bytes.starts_with(MAGIC))
            .map(|(path, _)| path)
            .collect();
        assert_eq!(databases.len(), 1, "one database: {databases:?}");
        let path = databases.remove(0);
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
