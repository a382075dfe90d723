//! What the kernel tells about this machine and about a process: read from /proc, so Linux only.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::Result;

/// Ticks a second in /proc/PID/stat: `USER_HZ` is 100 wherever Linux runs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time, user and system, that all threads of a process have used.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold blanks; after it come state (3), …, utime (14), stime (15).
    let (_, after) = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
    };
    let used = ticks(11)
        .zip(ticks(12))
        .ok_or("no times in /proc/PID/stat")?;
    Ok((used.0 + used.1) / TICKS_PER_SECOND)
}

/// Resident memory of a process in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Now (`VmRSS`).
    pub now_mib: f64,
    /// The most since the process began (`VmHWM`).
    pub peak_mib: f64,
}

/// Resident memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0)
    };
    let now_mib = mib("VmRSS:").ok_or("no VmRSS in /proc/PID/status")?;
    let peak_mib = mib("VmHWM:").ok_or("no VmHWM in /proc/PID/status")?;
    Ok(Memory { now_mib, peak_mib })
}

/// How many files this process, and so its child, may have open.
pub fn open_files_limit() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(1024)
}

/// Bytes that a folder takes on the disk, as `du` counts them.
pub fn disk_bytes(path: &Path) -> Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            bytes += disk_bytes(&entry?.path())?;
        }
    }
    Ok(bytes)
}

/// The lines that say where and when figures were taken.
pub fn describe(data: &Path) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    vec![
        (
            "Cores",
            format!("{cores}, shared by the server and the load generator"),
        ),
        ("Processor", field("/proc/cpuinfo", "model name")),
        ("Memory", field("/proc/meminfo", "MemTotal")),
        ("Kernel", line_of("/proc/sys/kernel/osrelease")),
        ("Load before", line_of("/proc/loadavg")),
        ("File system", file_system(data)),
        ("SQLite", rusqlite::version().to_owned()),
        (
            "Date",
            jiff::Timestamp::now()
                .strftime("%Y-%m-%d %H:%M UTC")
                .to_string(),
        ),
        ("Commit", commit()),
    ]
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(
        || "unknown".to_owned(),
        |(_, value)| value.trim().to_owned(),
    )
}

/// Type of the file system that holds `path`: the longest mount point above it.
pub fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut best = (0, "unknown");
    for line in mounts.lines() {
        let point = line.split(' ').nth(4).unwrap_or_default();
        let kind = line
            .split_once(" - ")
            .and_then(|(_, rest)| rest.split(' ').next());
        if path.starts_with(point) && point.len() >= best.0 {
            best = (point.len(), kind.unwrap_or("unknown"));
        }
    }
    best.1.to_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        output
            .ok()
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=12", "HEAD"]).filter(|hash| !hash.is_empty());
    // What this program itself writes does not make the tree another one.
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs/performance.md"]);
    let dirty = if changes.is_none_or(|changes| changes.is_empty()) {
        ""
    } else {
        ", with changes"
    };
    hash.map_or_else(|| "unknown".to_owned(), |hash| hash + dirty)
}
