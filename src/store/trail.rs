//! The spans of one job, for traces: how long it stood in the queue, ran, and
//! waited for its commit. They carry no data. Where nobody traces, each is one
//! look at a flag.

use tracing::{Level, Span};

/// The target of every span that is exported, and of nothing else.
pub const TARGET: &str = "oms::trace";

/// Where a job stands.
#[derive(Debug)]
pub(super) struct Trail {
    name: &'static str,
    whole: Span,
    stage: Span,
}

impl Trail {
    /// The job was queued by whoever runs now. `name` is `read` or `write`.
    pub(super) fn begin(name: &'static str) -> Self {
        if !tracing::span_enabled!(target: TARGET, Level::INFO) {
            return Self {
                name,
                whole: Span::none(),
                stage: Span::none(),
            };
        }
        let whole = tracing::info_span!(target: TARGET, "transaction", otel.name = name);
        let stage = tracing::info_span!(target: TARGET, parent: &whole, "queue");
        Self { name, whole, stage }
    }

    /// Its turn has come.
    pub(super) fn runs(&mut self) {
        if !self.whole.is_none() {
            self.stage = tracing::info_span!(target: TARGET, parent: &self.whole, "run");
        }
    }

    /// It has run; a write waits for the rest of its batch and the disk.
    pub(super) fn has_run(&mut self) {
        if self.whole.is_none() || self.name == "read" {
            self.stage = Span::none();
        } else {
            self.stage = tracing::info_span!(target: TARGET, parent: &self.whole, "commit");
        }
    }
}
