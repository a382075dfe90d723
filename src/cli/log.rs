//! The log on standard error, and the traces beside it.
//!
//! A request must never wait for whoever reads the log. Its line goes into a
//! bounded queue that a thread empties, and is dropped and counted when the
//! queue is full. Warnings and errors are few and matter more: they are written
//! at once, so that they are there even when the process ends with them.

use std::io::{self, IsTerminal, Write};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tracing::Metadata;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use super::otlp::Traces;
use crate::config::{Config, LogFormat};
use crate::error::{Error, Result};
use crate::metrics;
use crate::store::TRACE_TARGET;

/// Lines that may wait to be written.
const LINES: usize = 16_384;

/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

/// The running log; what is queued is written when it is closed.
pub(super) struct Log {
    lines: Sender<Line>,
    thread: Option<JoinHandle<()>>,
    traces: Option<Traces>,
}

enum Line {
    Text(Vec<u8>),
    /// The last.
    End,
}

impl Log {
    /// Starts the log, and the traces when they are asked for.
    pub(super) fn start(config: &Config) -> Result<Self> {
        let (lines, queue) = bounded(LINES);
        let thread = thread::Builder::new()
            .name("log".into())
            .spawn(move || write_lines(&queue))
            .map_err(Error::internal)?;
        let (traces, spans) = match Traces::start(config)? {
            Some((traces, tracer)) => {
                let layer = tracing_opentelemetry::layer()
                    .with_tracer(tracer)
                    .with_location(false)
                    .with_threads(false)
                    .with_target(false)
                    .with_filter(filter_fn(|about| about.target() == TRACE_TARGET));
                (Some(traces), Some(layer))
            }
            None => (None, None),
        };
        let subscriber = Registry::default()
            .with(spans)
            .with(line_layer(config, Lines(lines.clone())));
        // Somebody else's subscriber is as good: then the server runs inside a test.
        drop(subscriber.try_init());
        Ok(Self {
            lines,
            thread: Some(thread),
            traces,
        })
    }

    /// Writes what is queued and sends the last traces.
    pub(super) fn close(mut self) {
        if let Some(traces) = self.traces.take() {
            traces.close();
        }
        if let Some(thread) = self.thread.take()
            && self.lines.send(Line::End).is_ok()
        {
            let _ = thread.join();
        }
    }
}

fn line_layer<S>(config: &Config, lines: Lines) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let level = config.log_level;
    let wanted = filter_fn(move |about: &Metadata<'_>| *about.level() <= level && !about.is_span())
        .with_max_level_hint(level);
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    if json {
        let layer = fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false);
        layer.with_writer(lines).with_filter(wanted).boxed()
    } else {
        let layer = fmt::layer().with_ansi(io::stderr().is_terminal());
        layer.with_writer(lines).with_filter(wanted).boxed()
    }
}

/// Writes until the last line, many at once when many wait.
fn write_lines(queue: &Receiver<Line>) {
    let mut block = Vec::with_capacity(BLOCK);
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        let mut last = false;
        while let Some(line) = next {
            match line {
                Line::Text(text) => block.extend_from_slice(&text),
                Line::End => last = true,
            }
            next = (!last && block.len() < BLOCK)
                .then(|| queue.try_recv().ok())
                .flatten();
        }
        // A log that nobody takes is no reason to end.
        let _ = io::stderr().lock().write_all(&block);
        block.clear();
        if last {
            return;
        }
    }
}

/// Makes the writer of each line.
struct Lines(Sender<Line>);

/// One line on its way.
enum OneLine<'a> {
    AtOnce,
    Queued(&'a Sender<Line>),
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = OneLine<'a>;

    fn make_writer(&'a self) -> OneLine<'a> {
        OneLine::Queued(&self.0)
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> OneLine<'a> {
        if *about.level() <= tracing::Level::WARN {
            OneLine::AtOnce
        } else {
            OneLine::Queued(&self.0)
        }
    }
}

impl Write for OneLine<'_> {
    /// The subscriber writes each line as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::AtOnce => io::stderr().lock().write_all(line)?,
            Self::Queued(lines) => {
                if let Err(TrySendError::Full(_)) = lines.try_send(Line::Text(line.to_vec())) {
                    metrics::LOG_DROPPED.add();
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_never_blocks() {
        let (lines, queue) = bounded(1);
        let before = metrics::LOG_DROPPED.get();
        let maker = Lines(lines);
        for _ in 0..3 {
            maker.make_writer().write_all(b"a line\n").unwrap();
        }
        assert_eq!(metrics::LOG_DROPPED.get(), before + 2);
        assert_eq!(queue.len(), 1);
    }
}
