//! What `/metrics` shows: counts and times, never a name, an id or a value of
//! anybody. Counting a request takes no lock but a shared one and allocates
//! nothing once its route has been seen.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use axum::http::Method;

use super::exposition::Exposition;
use super::process;
use crate::core::watchlist::InForce;
use crate::metrics::{self, Counter, DeliveryOutcome, Histogram, Refusal};
use crate::store::Depth;

/// The methods that have a name in numbers, log and traces; all others share the last, for a
/// client may call a method as it likes, at any length.
const METHODS: [&str; 8] = [
    "GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "other",
];

/// The lowest status and how many there are from it.
const STATUSES: (u16, usize) = (100, 500);

/// Routes that have numbers of their own: those of the router, which are few.
const MOST_ROUTES: usize = 256;

/// The numbers of one server.
#[derive(Default)]
pub struct Metrics {
    routes: RwLock<HashMap<Box<str>, Arc<Route>>>,
    /// Answers that were given again.
    pub replays: Counter,
}

/// The numbers of one route, by the place of the method.
#[derive(Default)]
struct Route([OnceLock<Box<Numbers>>; METHODS.len()]);

struct Numbers {
    took: Histogram,
    by_status: [AtomicU64; STATUSES.1],
}

/// What others know when the numbers are read.
#[derive(Clone, Copy, Debug)]
pub struct Levels<'a> {
    /// How full the queues are.
    pub queues: Depth,
    /// Data keys that are ready.
    pub data_keys: usize,
    /// The watch lists by which this server screens.
    pub lists: Option<&'a InForce>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Metrics")
    }
}

impl Numbers {
    fn new() -> Box<Self> {
        Box::new(Self {
            // 0.5 ms to 16 s.
            took: Histogram::starting_at(500),
            by_status: [const { AtomicU64::new(0) }; STATUSES.1],
        })
    }
}

/// The method as numbers, log and traces name it.
pub(super) fn method_name(method: &Method) -> &'static str {
    let known = METHODS.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or(METHODS[METHODS.len() - 1])
}

impl Metrics {
    /// Counts a request. `route` is the template, never the path.
    pub fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = self.route(route);
        let known = METHODS.iter().position(|known| *known == method);
        let numbers = route.0[known.unwrap_or(METHODS.len() - 1)].get_or_init(Numbers::new);
        numbers.took.observe_time(took);
        let place = usize::from(status.saturating_sub(STATUSES.0));
        numbers.by_status[place.min(STATUSES.1 - 1)].fetch_add(1, Relaxed);
    }

    fn route(&self, name: &str) -> Arc<Route> {
        let locked = "no code panics while it holds this lock";
        if let Some(known) = self.routes.read().expect(locked).get(name) {
            return Arc::clone(known);
        }
        let mut routes = self.routes.write().expect(locked);
        let name = if routes.len() < MOST_ROUTES {
            name
        } else {
            "-"
        };
        Arc::clone(routes.entry(name.into()).or_default())
    }

    /// The numbers as OpenMetrics text.
    #[must_use]
    pub fn text(&self, levels: Levels<'_>) -> String {
        let mut out = Exposition::default();
        self.write_requests(&mut out);
        write_refusals(&mut out);
        out.counter(
            "oms_idempotent_replays",
            "Answers given again for a known idempotency key",
            self.replays.get(),
        );
        write_store(&mut out, levels);
        write_lists(&mut out, levels.lists);
        write_webhooks(&mut out);
        write_floor(&mut out);
        process::write(&mut out);
        out.finish()
    }

    fn write_requests(&self, out: &mut Exposition) {
        let routes = self
            .routes
            .read()
            .expect("no code panics while it holds this lock");
        let mut routes: Vec<_> = routes.iter().collect();
        routes.sort_by_key(|(name, _)| *name);
        let all = || {
            routes.iter().flat_map(|(route, numbers)| {
                let by_method = METHODS.iter().zip(&numbers.0);
                by_method.filter_map(|(method, cell)| Some((&***route, *method, cell.get()?)))
            })
        };
        out.family(
            "oms_requests",
            "counter",
            "Requests by method, route and status",
        );
        for (route, method, numbers) in all() {
            for (status, count) in (STATUSES.0..).zip(&numbers.by_status) {
                let count = count.load(Relaxed);
                if count > 0 {
                    let labels =
                        format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
                    out.sample("oms_requests_total", &labels, count);
                }
            }
        }
        let name = "oms_request_duration_seconds";
        out.family(
            name,
            "histogram",
            "From head to answer, by method and route",
        );
        for (route, method, numbers) in all() {
            let labels = format!("method=\"{method}\",route=\"{route}\"");
            out.seconds(name, &labels, &numbers.took.seen());
        }
    }
}

fn write_refusals(out: &mut Exposition) {
    let help = "Requests and connections turned away for number or time, by reason";
    out.family("oms_refused", "counter", help);
    for (refusal, reason) in Refusal::ALL {
        let labels = format!("reason=\"{reason}\"");
        out.sample("oms_refused_total", &labels, refusal.count());
    }
}

fn write_store(out: &mut Exposition, levels: Levels<'_>) {
    out.gauge("oms_write_queue", "Writes that wait", levels.queues.writes);
    out.gauge("oms_read_queue", "Reads that wait", levels.queues.reads);
    out.gauge(
        "oms_data_keys_ready",
        "Data keys made ahead of time",
        levels.data_keys,
    );
    let name = "oms_write_batch_size";
    out.family(name, "histogram", "Writes that shared one commit");
    out.plain(name, &metrics::BATCH_SIZE.seen());
    let name = "oms_commit_duration_seconds";
    out.family(name, "histogram", "One commit, which is one fsync");
    out.seconds(name, "", &metrics::COMMIT_TIME.seen());
    let name = "oms_checkpoint_duration_seconds";
    out.family(name, "histogram", "One checkpoint of the write-ahead log");
    out.seconds(name, "", &metrics::CHECKPOINT_TIME.seen());
}

fn write_lists(out: &mut Exposition, lists: Option<&InForce>) {
    let lists = lists.map_or(&[][..], |lists| &lists.lists);
    let name = "oms_watchlist_entries";
    out.family(name, "gauge", "Entries of each watch list in force");
    for (list, _) in lists {
        out.sample(name, &format!("list=\"{}\"", list.name), list.entries());
    }
    let name = "oms_watchlist_date_timestamp_seconds";
    out.family(name, "gauge", "The day of which each watch list is");
    for (list, _) in lists {
        out.sample(name, &format!("list=\"{}\"", list.name), list.dated_s());
    }
}

fn write_webhooks(out: &mut Exposition) {
    let help = "Attempts to deliver to a webhook, by outcome";
    out.family("oms_webhook_attempts", "counter", help);
    for (outcome, word) in DeliveryOutcome::ALL {
        let labels = format!("outcome=\"{word}\"");
        out.sample("oms_webhook_attempts_total", &labels, outcome.count());
    }
    let name = "oms_webhook_attempt_duration_seconds";
    out.family(name, "histogram", "One attempt, whatever came of it");
    out.seconds(name, "", &metrics::DELIVERY_TIME.seen());
    for (name, help, level) in [
        (
            "oms_webhooks_behind",
            "Webhooks of this process that were not told everything yet",
            &metrics::WEBHOOKS_BEHIND,
        ),
        (
            "oms_webhook_lag_seconds",
            "Age of the oldest event that one of them was not told yet",
            &metrics::WEBHOOK_LAG_S,
        ),
        (
            "oms_webhook_retries_waiting",
            "Deliveries of the store that wait for another attempt",
            &metrics::RETRIES_WAITING,
        ),
    ] {
        out.gauge(name, help, level.get());
    }
    out.counter(
        "oms_webhooks_disabled",
        "Webhooks disabled because their receivers fail",
        metrics::WEBHOOKS_DISABLED.get(),
    );
}

fn write_floor(out: &mut Exposition) {
    for (name, help, counter) in [
        (
            "oms_sealed_values",
            "Values that were sealed",
            &metrics::SEALED,
        ),
        (
            "oms_opened_values",
            "Values that were opened",
            &metrics::OPENED,
        ),
        (
            "oms_tokens_verified",
            "Tokens whose signature was checked",
            &metrics::TOKENS_VERIFIED,
        ),
        (
            "oms_tokens_remembered",
            "Tokens that had been checked before",
            &metrics::TOKENS_REMEMBERED,
        ),
        (
            "oms_log_lines_dropped",
            "Log lines dropped because the log was too slow",
            &metrics::LOG_DROPPED,
        ),
        (
            "oms_answers_cut",
            "Answers given up because their clients did not take them in time",
            &metrics::ANSWERS_CUT,
        ),
        (
            "oms_provider_asked",
            "Requests that the verification provider took",
            &metrics::PROVIDER_ASKED,
        ),
        (
            "oms_provider_failed",
            "Requests that the verification provider did not take",
            &metrics::PROVIDER_FAILED,
        ),
        (
            "oms_rescreened_customers",
            "Customers screened again by a new watch list",
            &metrics::RESCREENED,
        ),
        (
            "oms_rescreened_customers_changed",
            "Customers who got another standing by that",
            &metrics::RESCREENED_ANEW,
        ),
        (
            "oms_rescreened_customers_passed_over",
            "Customers who could not be screened again, because their rows do not open",
            &metrics::RESCREENING_PASSED_OVER,
        ),
    ] {
        out.counter(name, help, counter.get());
    }
    let open = metrics::CONNECTIONS.get();
    out.gauge(
        "oms_open_connections",
        "Open connections, on all listeners",
        open,
    );
    out.gauge(
        "oms_rescreening",
        "Whether customers are being screened again by this process",
        metrics::RESCREENING.get(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_method_route_and_status() {
        let metrics = Metrics::default();
        let took = Duration::from_micros(700);
        for status in [200, 200, 404, 999] {
            metrics.request("GET", "/x/{id}", status, took);
        }
        metrics.request("BREW", "-", 405, took);
        let text = metrics.text(Levels {
            queues: Depth::default(),
            data_keys: 3,
            lists: None,
        });
        for line in [
            "oms_requests_total{method=\"GET\",route=\"/x/{id}\",status=\"200\"} 2",
            "oms_requests_total{method=\"GET\",route=\"/x/{id}\",status=\"599\"} 1",
            "oms_requests_total{method=\"other\",route=\"-\",status=\"405\"} 1",
            "oms_request_duration_seconds_bucket{method=\"GET\",route=\"/x/{id}\",le=\"0.0005\"} 0",
            "oms_request_duration_seconds_bucket{method=\"GET\",route=\"/x/{id}\",le=\"0.001\"} 4",
            "oms_request_duration_seconds_count{method=\"GET\",route=\"/x/{id}\"} 4",
            "oms_request_duration_seconds_sum{method=\"GET\",route=\"/x/{id}\"} 0.0028",
            "oms_data_keys_ready 3",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "no {line} in {text}"
            );
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn routes_without_end_share_one_line() {
        let metrics = Metrics::default();
        for count in 0..MOST_ROUTES * 2 {
            metrics.request("GET", &format!("/{count}"), 200, Duration::ZERO);
        }
        assert!(metrics.routes.read().unwrap().len() <= MOST_ROUTES + 1);
    }
}
