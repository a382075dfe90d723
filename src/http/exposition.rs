//! The text that Prometheus reads (OpenMetrics 1.0). Labels are ours alone:
//! route templates, methods and fixed words, so nothing needs escaping.

use std::fmt::{Display, Write as _};

use crate::metrics::Seen;

/// Microseconds of a second.
const MICROS: f64 = 1e6;

/// The text as far as it is written.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins a family of samples.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        _ = writeln!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    }

    /// One sample; `labels` without its braces, empty for none.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// A counter that stands alone; its sample gets the ending `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(&format!("{name}_total"), "", value);
    }

    /// A gauge that stands alone.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// A histogram of microseconds, shown in seconds.
    pub(super) fn seconds(&mut self, name: &str, labels: &str, seen: &Seen) {
        self.histogram(name, labels, seen, MICROS);
    }

    /// A histogram of plain numbers.
    pub(super) fn plain(&mut self, name: &str, seen: &Seen) {
        self.histogram(name, "", seen, 1.0);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum beyond 2^53 microseconds may lose its last digit"
    )]
    fn histogram(&mut self, name: &str, labels: &str, seen: &Seen, unit: f64) {
        let bucket = format!("{name}_bucket");
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in seen.cumulative {
            let bound = bound as f64 / unit;
            self.sample(&bucket, &format!("{labels}{comma}le=\"{bound:?}\""), count);
        }
        self.sample(&bucket, &format!("{labels}{comma}le=\"+Inf\""), seen.count);
        self.sample(&format!("{name}_sum"), labels, seen.sum as f64 / unit);
        self.sample(&format!("{name}_count"), labels, seen.count);
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}
