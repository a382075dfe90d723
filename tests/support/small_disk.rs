//! A disk of a few mebibytes: a tmpfs, which only root may mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a mebibyte.
pub const MIB: usize = 1 << 20;

/// What was mounted, until it is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts so many mebibytes in the place of a folder; `None`, and a word about it, where that
    /// is not allowed.
    pub fn mount(folder: &Path, mib: usize) -> Option<Self> {
        let size = format!("size={mib}m,mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "oms-test"])
            .arg(folder)
            .output();
        if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("NOT RUN: no tmpfs can be mounted here, which needs root: {mounted:?}");
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    /// Takes room away: what lies there is of no use to anybody.
    pub fn ballast(&self, bytes: usize) {
        fs::write(self.0.join("ballast"), vec![1; bytes]).expect("there is room");
    }

    /// Takes all the room that is left.
    pub fn take_the_rest(&self) {
        let mut bytes = 64 * MIB;
        for number in 0.. {
            let path = self.0.join(format!("rest-{number}"));
            if fs::write(&path, vec![1; bytes]).is_err() {
                // A part of it was written, and stays.
                if bytes == 4096 {
                    return;
                }
                bytes = (bytes / 4).max(4096);
            }
        }
    }

    /// Gives all of it back.
    pub fn make_room(&self) {
        for entry in fs::read_dir(&self.0).expect("it can be listed") {
            let path = entry.expect("in order").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if name.starts_with("rest-") || name == "ballast" {
                fs::remove_file(&path).expect("it is there");
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
