//! What a process that serves says on standard error and standard output. A reader may hang,
//! and a write to its pipe then never returns: so every line goes into a bounded queue that a
//! thread of its own empties, and no other thread ever writes to these descriptors.
//!
//! A line for which there is no room is dropped and counted. Warnings and errors have a part
//! of the room to themselves. Once there is room again, the log says how many were dropped.
//!
//! `tracing-appender` queues lines as well, but keeps no room for errors, bounds no bytes,
//! says nothing of what it dropped, and cannot be flushed before an abort.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::metrics;

/// Lines that may wait.
const LINES: usize = 16_384;

/// Of those, the ones that only warnings and errors take.
const RESERVED_LINES: usize = 1_024;

/// Bytes that may wait.
const BYTES: usize = 16 << 20;

/// Of those, the ones that only warnings and errors take.
const RESERVED_BYTES: usize = 1 << 20;

/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

/// How long the end of the process waits until what is queued is written.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// What a line is worth when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// One of many.
    Routine,
    /// A warning or an error, or what the process says but once.
    Serious,
}

/// A descriptor behind its queue. The thread ends with the last of what was queued when this
/// is dropped.
pub(crate) struct Output {
    queue: Sender<Entry>,
    waiting: Arc<Waiting>,
}

enum Entry {
    Text(Vec<u8>),
    /// Answered when nothing waits any more.
    Flush(Sender<()>),
}

/// What waits in a queue, and what was dropped for want of room.
#[derive(Default)]
struct Waiting {
    lines: AtomicUsize,
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// Standard error.
pub(crate) fn standard_error() -> &'static Output {
    static STANDARD_ERROR: LazyLock<Output> = LazyLock::new(|| Output::start("log", io::stderr()));
    &STANDARD_ERROR
}

/// Ends the process at once, but for what it said last.
pub(crate) fn abort() -> ! {
    standard_error().flush();
    std::process::abort()
}

impl Output {
    /// Starts the thread. Where the system gives none, everything is dropped.
    pub(crate) fn start(name: &str, out: impl Write + Send + 'static) -> Self {
        let (queue, entries) = unbounded();
        let waiting: Arc<Waiting> = Arc::default();
        let counted = Arc::clone(&waiting);
        // A failure drops the receiver, which every line is then refused by.
        _ = thread::Builder::new()
            .name(name.into())
            .spawn(move || write_entries(&entries, &counted, out));
        Self { queue, waiting }
    }

    /// Takes a line in, or drops and counts it. Never waits.
    pub(crate) fn say(&self, line: Vec<u8>, weight: Weight) {
        let admitted = self.waiting.admit(line.len(), weight);
        if !admitted || self.queue.send(Entry::Text(line)).is_err() {
            self.waiting.dropped.fetch_add(1, Relaxed);
            metrics::LOG_DROPPED.add();
        }
    }

    /// Waits until what is queued is written, but no longer than [`LAST_MOMENT`]; whether it is.
    pub(crate) fn flush(&self) -> bool {
        let (done, written) = bounded(1);
        self.queue.send(Entry::Flush(done)).is_ok() && written.recv_timeout(LAST_MOMENT).is_ok()
    }
}

impl Waiting {
    /// Counts a line in if there is room for it.
    fn admit(&self, length: usize, weight: Weight) -> bool {
        let (most_lines, most_bytes) = match weight {
            Weight::Routine => (LINES - RESERVED_LINES, BYTES - RESERVED_BYTES),
            Weight::Serious => (LINES, BYTES),
        };
        let lines = self.lines.fetch_add(1, Relaxed) + 1;
        let bytes = self.bytes.fetch_add(length, Relaxed) + length;
        let fits = lines <= most_lines && bytes <= most_bytes;
        if !fits {
            self.take(length);
        }
        fits
    }

    /// A line waits no more.
    fn take(&self, length: usize) {
        self.lines.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(length, Relaxed);
    }
}

/// Writes what comes, many lines at once when many wait.
fn write_entries(entries: &Receiver<Entry>, waiting: &Waiting, mut out: impl Write) {
    let mut block = Vec::with_capacity(BLOCK);
    let mut flushes = Vec::new();
    let mut told = 0;
    while let Ok(first) = entries.recv() {
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Text(line) => {
                    waiting.take(line.len());
                    block.extend_from_slice(&line);
                }
                Entry::Flush(done) => flushes.push(done),
            }
            let more = block.len() < BLOCK;
            next = more.then(|| entries.try_recv().ok()).flatten();
        }
        // A descriptor that takes nothing any more is no reason to end.
        _ = out.write_all(&block).and_then(|()| out.flush());
        block.clear();
        let in_all = waiting.dropped.load(Relaxed);
        if in_all > told {
            let dropped = in_all - told;
            tracing::warn!(
                dropped,
                in_all,
                "nobody took the log in time: lines were dropped"
            );
            told = in_all;
        }
        if entries.is_empty() {
            for done in flushes.drain(..) {
                _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A descriptor that takes nothing until its gate is dropped.
    struct Hanging {
        gate: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            _ = self.gate.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn hanging() -> (Output, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (open, gate) = bounded(0);
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let out = Hanging {
            gate,
            written: Arc::clone(&written),
        };
        (Output::start("test", out), open, written)
    }

    #[test]
    fn a_queue_that_is_full_drops_and_counts_and_keeps_room_for_what_is_serious() {
        let (output, open, written) = hanging();
        // The thread takes a block at most before it hangs.
        let line = vec![b'.'; BLOCK];
        for _ in 0..2 * BYTES / BLOCK {
            output.say(line.clone(), Weight::Routine);
        }
        let dropped = output.waiting.dropped.load(Relaxed);
        assert!(dropped > 0, "{dropped}");
        output.say(b"serious".to_vec(), Weight::Serious);
        assert_eq!(output.waiting.dropped.load(Relaxed), dropped);
        assert!(!output.flush(), "nobody has read it");
        drop(open);
        assert!(output.flush(), "it is read");
        let written = written.lock().unwrap();
        assert!(written.ends_with(b"serious"));
        let lines = usize::try_from(dropped).unwrap();
        assert_eq!(written.len(), (2 * BYTES / BLOCK - lines) * BLOCK + 7);
        assert_eq!(output.waiting.bytes.load(Relaxed), 0);
    }

    #[test]
    fn short_lines_have_a_limit_as_well_and_serious_ones_too() {
        let (output, _open, _) = hanging();
        for weight in [Weight::Routine, Weight::Serious] {
            for _ in 0..2 * LINES {
                output.say(vec![b'.'; 100], weight);
            }
            assert!(output.waiting.lines.load(Relaxed) <= LINES);
        }
        assert!(output.waiting.dropped.load(Relaxed) >= 2 * LINES as u64);
    }
}
