//! The log on standard error, and the traces beside it. Every line, also that of a panic, goes
//! through the queue of `output.rs`: nothing waits for the reader of the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;

use serde_json::json;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use super::otlp::Traces;
use crate::config::{Config, LogFormat};
use crate::error::Result;
use crate::output::{self, Weight};
use crate::store::TRACE_TARGET;

/// Bytes of the longest line. Of a longer one, which no caller should be able to cause, the
/// beginning is shown.
const LONGEST_LINE: usize = 32 << 10;

/// Bytes of what is shown of a line that is too long.
const BEGINNING: usize = 2 << 10;

/// The running log. When it is dropped, what is queued is written and the last traces are sent.
pub(super) struct Log {
    traces: Option<Traces>,
}

impl Log {
    /// Starts the log, and the traces when they are asked for.
    pub(super) fn start(config: &Config) -> Result<Self> {
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
        let subscriber = Registry::default().with(spans).with(line_layer(config));
        // Somebody else's subscriber is as good: then the server runs inside a test.
        drop(subscriber.try_init());
        std::panic::set_hook(Box::new(tell_of_panic));
        Ok(Self { traces })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            traces.close();
        }
        output::standard_error().flush();
    }
}

/// The hook of the standard library would write to standard error itself.
fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        thread = thread.name(),
        place = panic.location().map(tracing::field::display),
        cause = panic.payload_as_str(),
        backtrace = backtrace.map(tracing::field::display),
        "a thread panicked"
    );
}

fn line_layer<S>(config: &Config) -> Box<dyn Layer<S> + Send + Sync>
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
        let layer = layer.with_writer(Form::Json).log_internal_errors(false);
        layer.with_filter(wanted).boxed()
    } else {
        let layer = fmt::layer().with_ansi(io::stderr().is_terminal());
        let layer = layer.with_writer(Form::Text).log_internal_errors(false);
        layer.with_filter(wanted).boxed()
    }
}

/// How a line is written.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Text,
}

/// One line on its way to the queue.
struct Line {
    form: Form,
    weight: Weight,
}

impl MakeWriter<'_> for Form {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line {
            form: *self,
            weight: Weight::Routine,
        }
    }

    fn make_writer_for(&self, about: &Metadata<'_>) -> Line {
        let weight = if *about.level() <= Level::WARN {
            Weight::Serious
        } else {
            Weight::Routine
        };
        Line {
            form: *self,
            weight,
        }
    }
}

impl Write for Line {
    /// The subscriber writes each line as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        output::standard_error().say(self.form.bound(line), self.weight);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Form {
    /// The line as it may stand in the log: bounded, and one line.
    fn bound(self, line: &[u8]) -> Vec<u8> {
        let whole = line.strip_suffix(b"\n").unwrap_or(line);
        let too_long = whole.len() > LONGEST_LINE;
        // JSON escapes what would end a line.
        let one_line = matches!(self, Self::Json) || !whole.contains(&b'\n');
        if !too_long && one_line {
            return line.to_vec();
        }
        let shown = if too_long { &whole[..BEGINNING] } else { whole };
        let shown = String::from_utf8_lossy(shown);
        let message = "a line was too long for the log";
        let mut text = match self {
            Self::Json => {
                json!({"message": message, "bytes": whole.len(), "begins": shown}).to_string()
            }
            Self::Text if too_long => {
                let begins = shown.replace('\n', "\\n");
                format!("{begins}… ({message}: {} bytes)", whole.len())
            }
            Self::Text => shown.replace('\n', "\\n"),
        };
        text.push('\n');
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_never_longer_than_it_may_be() {
        let long = format!("{{\"cause\":\"{}\"}}\n", "ä\"".repeat(LONGEST_LINE));
        let bound = Form::Json.bound(long.as_bytes());
        assert!(bound.len() < LONGEST_LINE, "{}", bound.len());
        let line: serde_json::Value = serde_json::from_slice(&bound).unwrap();
        assert_eq!(line["bytes"], long.len() - 1);
        assert!(bound.ends_with(b"\n"));
        let text = "a\nb".repeat(LONGEST_LINE);
        for (line, begins) in [(text.as_str(), "a\\nba"), ("a\nb\n", "a\\nb\n")] {
            let bound = String::from_utf8(Form::Text.bound(line.as_bytes())).unwrap();
            assert!(bound.starts_with(begins), "{bound}");
            assert_eq!(bound.matches('\n').count(), 1, "{bound}");
            assert!(bound.len() < LONGEST_LINE, "{}", bound.len());
        }
        for short in ["{}\n", "no end"] {
            assert_eq!(Form::Json.bound(short.as_bytes()), short.as_bytes());
        }
    }
}
