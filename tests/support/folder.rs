//! A folder that is gone when the test is over.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Bytes that must be free in memory, so that what a test needs is little of it.
const ROOM_IN_MEMORY: u64 = 1 << 30;

/// A folder of its own, removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder.
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// The same in memory where there is room, for what a test makes often and never syncs.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let free = rustix::fs::statvfs(memory).map(|disk| disk.f_bavail * disk.f_frsize);
        if free.is_ok_and(|free| free >= ROOM_IN_MEMORY) {
            return Self::below(memory);
        }
        Self::new()
    }

    fn below(base: &Path) -> Self {
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("oms-test-{}-{count}", std::process::id());
        let path = base.join(name);
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Every file under a folder with its bytes.
pub fn files_under(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be listed") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                files.push((path, bytes));
            }
        }
    }
    files
}
