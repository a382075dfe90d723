//! What the operating system knows of this process, for `/metrics`: memory,
//! processor time, start, open files. Where there is no `/proc`, it is left out.

use std::fs;

use super::exposition::Exposition;

/// The length of a tick in `/proc`, which Linux fixes for programs.
const TICKS_PER_S: f64 = 100.0;

/// Writes what is known.
pub(super) fn write(out: &mut Exposition) {
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    out.family("oms_build_info", "gauge", "The version that runs");
    out.sample("oms_build_info", &version, 1);
    if let Some(bytes) = resident_bytes() {
        let help = "Memory that is resident";
        out.gauge("process_resident_memory_bytes", help, bytes);
    }
    if let Some(times) = times() {
        let help = "Processor time, user and system";
        out.counter("process_cpu_seconds", help, times.cpu_s);
        let help = "When the process began, in seconds since 1970";
        out.gauge("process_start_time_seconds", help, times.started_at_s);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        out.gauge("process_open_fds", "Open file descriptors", files.count());
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

struct Times {
    cpu_s: f64,
    started_at_s: f64,
}

fn times() -> Option<Times> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, the second field, ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    let field =
        |number: usize| -> Option<f64> { rest.split_whitespace().nth(number - 3)?.parse().ok() };
    let (user, system, started) = (field(14)?, field(15)?, field(22)?);
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let booted: f64 = booted.trim().parse().ok()?;
    Some(Times {
        cpu_s: (user + system) / TICKS_PER_S,
        started_at_s: booted + started / TICKS_PER_S,
    })
}
