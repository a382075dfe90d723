//! What `/metrics` shows: counts and times, never a name, an id or a value of anybody.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::error::{Error, Result};
use crate::store::Depth;

/// The numbers of this process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    write_queue: Gauge,
    read_queue: Gauge,
    /// Answers that were given again.
    pub replays: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        // 0.5 ms to 8 s.
        let durations = Family::new_with_constructor(
            (|| Histogram::new(exponential_buckets(0.000_5, 2.0, 15))) as fn() -> Histogram,
        );
        let requests = Family::default();
        let (write_queue, read_queue) = (Gauge::default(), Gauge::default());
        let replays: Counter<u64, AtomicU64> = Counter::default();
        let mut registry = Registry::with_prefix("oms");
        registry.register(
            "requests",
            "Requests by method, route and status",
            requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "From head to answer, by method and route",
            durations.clone(),
        );
        registry.register("write_queue", "Writes that wait", write_queue.clone());
        registry.register("read_queue", "Reads that wait", read_queue.clone());
        registry.register("idempotent_replays", "Answers given again", replays.clone());
        Self {
            registry,
            requests,
            durations,
            write_queue,
            read_queue,
            replays,
        }
    }
}

impl Metrics {
    /// Counts a request. `route` is the template, never the path.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = RouteLabels {
            method: method.to_owned(),
            route: route.to_owned(),
        };
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        let RouteLabels { method, route } = labels;
        self.requests
            .get_or_create(&RequestLabels {
                method,
                route,
                status,
            })
            .inc();
    }

    /// The numbers as OpenMetrics text.
    ///
    /// # Errors
    /// `internalError` when they cannot be written, which nothing should cause.
    pub fn text(&self, depth: Depth) -> Result<String> {
        self.write_queue
            .set(i64::try_from(depth.writes).unwrap_or(i64::MAX));
        self.read_queue
            .set(i64::try_from(depth.reads).unwrap_or(i64::MAX));
        let mut out = String::new();
        text::encode(&mut out, &self.registry).map_err(Error::internal)?;
        Ok(out)
    }
}
