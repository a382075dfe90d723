//! Runs each target over its seeds and over mutations of them, for `OMS_FUZZ_SECONDS` (1 when
//! nothing is said) each. `OMS_FUZZ_SEED` repeats a run. What falls is kept in a file, which
//! becomes a seed: then it is run for ever.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::mutation::Choices;
use super::{TARGETS, Target, edge};
use crate::context::Random;

/// No input may take longer, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the process may have taken at most, in KiB, with everything that runs beside.
const MOST_MEMORY_KIB: u64 = 2 << 20;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The seeds of a target, by their names.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/seeds").join(target.name);
    let entries = fs::read_dir(&folder).expect("a folder of seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    let read = |path: PathBuf| fs::read(path).expect("a file");
    paths.into_iter().map(read).collect()
}

/// Runs one input; a panic is kept in a file and goes on.
fn run(target: &Target, input: &[u8], name: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let folder = root().join("target/fuzz-findings");
        let path = folder.join(format!("{}-{name}", target.name));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(&path, input).expect("a file");
        eprintln!("{} fell over {}", target.name, path.display());
        std::panic::resume_unwind(panic);
    }
}

/// The most memory that the process ever had, in KiB.
fn peak_memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn survive(name: &str) {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    let target = found.expect("a target of this name");
    let length = Duration::from_secs(number("OMS_FUZZ_SECONDS").unwrap_or(1));
    let seed =
        number("OMS_FUZZ_SEED").unwrap_or_else(|| u64::from_be_bytes(Random::System.bytes()));
    println!("{name}: OMS_FUZZ_SEED={seed}");
    let inputs = Arc::new(AtomicU64::new(0));
    let (sender, ended) = channel::<()>();
    let counted = Arc::clone(&inputs);
    let worker = thread::spawn(move || {
        let seeds = seeds(&target);
        for (place, input) in seeds.iter().enumerate() {
            run(&target, input, &format!("seed-{place}"));
        }
        let started = Instant::now();
        while started.elapsed() < length {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            let input = Choices::new(seed, number).mutate(&seeds);
            run(&target, &input, &format!("{seed}-{number}"));
        }
        drop(sender);
    });
    let mut last = (u64::MAX, Instant::now());
    while ended.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
        let number = inputs.load(Ordering::Relaxed);
        if number != last.0 {
            last = (number, Instant::now());
        }
        let waited = last.1.elapsed();
        assert!(
            waited < PATIENCE,
            "{name}: input {number} of {seed} does not end"
        );
    }
    worker.join().expect("the target survives");
    let number = inputs.load(Ordering::Relaxed);
    println!("{name}: {number} inputs, and all seeds");
    assert!(number > 0);
    let memory = peak_memory_kib();
    assert!(memory < MOST_MEMORY_KIB, "{name}: {memory} KiB");
}

#[test]
fn json_bodies_of_any_bytes() {
    survive("json_body");
}

#[test]
fn requests_cursors_and_tokens_of_any_bytes() {
    // One after the other, because they share a store.
    for name in ["request", "cursor", "token"] {
        survive(name);
    }
    fs::remove_dir_all(edge::folder()).expect("it was made");
}

#[test]
fn files_of_customers_of_any_bytes() {
    survive("csv_import");
}

#[test]
fn sanctions_lists_of_any_bytes() {
    survive("watch_list");
}

#[test]
fn policies_of_any_bytes() {
    survive("policy");
}

#[test]
fn database_servers_that_say_any_bytes() {
    survive("postgres");
}

#[test]
fn every_target_has_its_program() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("a manifest");
    for target in TARGETS {
        let name = target.name;
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(program).expect("a program");
        assert!(text.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn a_number_makes_the_same_input_again() {
    let seeds = [b"one".to_vec(), b"another".to_vec()];
    let input = |number| Choices::new(7, number).mutate(&seeds);
    assert!((0..50).all(|number| input(number) == input(number)));
    let mut all: Vec<_> = (0..50).map(input).collect();
    all.sort();
    all.dedup();
    assert!(all.len() > 40);
}
