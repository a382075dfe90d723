//! Sends the parcels of a batch, some at once, those of one resource one after the other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::Order;
use super::gather::Parcel;
use super::lane::AWAY_AFTER;
use crate::core::delivery::{self, Attempt, GONE};
use crate::http::app::App;
use crate::metrics::{self, DeliveryOutcome};
use crate::outbound::{Failure, Request};
use crate::store::delivery::DeliveryRow;

/// A receiver that takes so long for one answer is slow.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// After so long a batch begins nothing more, so that what it did is recorded.
const LONGEST_BATCH: Duration = Duration::from_secs(5);

/// What came of a batch.
#[derive(Default)]
pub(super) struct Sent {
    /// The deliveries after their attempts.
    pub rows: Vec<DeliveryRow>,
    /// The first place that was not sent.
    pub unsent: Option<i64>,
    /// Whether the receiver took anything.
    pub taken: bool,
    /// Whether anything failed.
    pub failed: bool,
    /// Failures in a row at the end.
    pub failures: u32,
    /// Whether the receiver said that it is gone.
    pub gone: bool,
    /// The longest attempt.
    pub slowest: Duration,
}

impl Sent {
    /// This parcel stays as it is; what is new is not passed over.
    fn leave(&mut self, parcel: &Parcel) {
        self.unsent = self.unsent.into_iter().chain(parcel.place).min();
    }
}

struct Shared {
    app: App,
    order: Order,
    chains: Mutex<VecDeque<Vec<Parcel>>>,
    failures: AtomicU32,
    gone: AtomicBool,
    end: Instant,
}

impl Shared {
    /// Whether nothing more is to be begun.
    fn is_over(&self) -> bool {
        self.failures.load(Ordering::SeqCst) >= AWAY_AFTER
            || self.gone.load(Ordering::SeqCst)
            || self.order.stop.load(Ordering::SeqCst)
            || Instant::now() >= self.end
    }
}

/// Sends all of it, or stops when the receiver is away, the webhook is not wanted any more,
/// or it takes too long. What was begun is brought to its end.
pub(super) async fn send(app: App, order: Order, parcels: Vec<Parcel>) -> Sent {
    let workers = order.parallel;
    let shared = Arc::new(Shared {
        failures: AtomicU32::new(order.failures),
        gone: AtomicBool::new(false),
        end: Instant::now() + LONGEST_BATCH,
        chains: Mutex::new(chains(parcels)),
        app,
        order,
    });
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(work(Arc::clone(&shared)));
    }
    let mut all = Sent::default();
    while let Some(done) = tasks.join_next().await {
        let Ok(sent) = done else {
            // Nobody knows what it sent: none of what is new is passed over.
            all.unsent = Some(0);
            continue;
        };
        all.rows.extend(sent.rows);
        all.taken |= sent.taken;
        all.failed |= sent.failed;
        all.slowest = all.slowest.max(sent.slowest);
        all.unsent = all.unsent.into_iter().chain(sent.unsent).min();
    }
    for parcel in lock(&shared.chains).iter().flatten() {
        all.leave(parcel);
    }
    all.failures = shared.failures.load(Ordering::SeqCst);
    all.gone = shared.gone.load(Ordering::SeqCst);
    all
}

/// Parcels by resource, in their order.
fn chains(parcels: Vec<Parcel>) -> VecDeque<Vec<Parcel>> {
    let mut places: HashMap<[u8; 16], usize> = HashMap::new();
    let mut chains: VecDeque<Vec<Parcel>> = VecDeque::new();
    for parcel in parcels {
        let place = *places.entry(parcel.resource).or_insert(chains.len());
        match chains.get_mut(place) {
            Some(chain) => chain.push(parcel),
            None => chains.push_back(vec![parcel]),
        }
    }
    chains
}

async fn work(shared: Arc<Shared>) -> Sent {
    let mut sent = Sent::default();
    while !shared.is_over() {
        let Some(chain) = lock(&shared.chains).pop_front() else {
            break;
        };
        send_chain(&shared, chain, &mut sent).await;
    }
    sent
}

/// One resource: when an event is not taken, those after it wait with it.
async fn send_chain(shared: &Shared, chain: Vec<Parcel>, sent: &mut Sent) {
    let context = &shared.app.context;
    let mut held = None;
    for parcel in chain {
        if held.is_some() {
            sent.rows.push(DeliveryRow {
                next_at: held,
                ..parcel.row
            });
            continue;
        }
        if shared.is_over() {
            sent.leave(&parcel);
            continue;
        }
        let began = Instant::now();
        let attempt = attempt(shared, &parcel).await;
        sent.slowest = sent.slowest.max(began.elapsed());
        if attempt.is_success() {
            shared.failures.store(0, Ordering::SeqCst);
            sent.taken = true;
        } else {
            shared.failures.fetch_add(1, Ordering::SeqCst);
            sent.failed = true;
        }
        if attempt == Attempt::Answered(GONE) {
            shared.gone.store(true, Ordering::SeqCst);
        }
        let row = delivery::after(&parcel.row, &attempt, context);
        held = row.next_at;
        sent.rows.push(row);
    }
}

async fn attempt(shared: &Shared, parcel: &Parcel) -> Attempt {
    let webhook = &shared.order.webhook;
    let signature = webhook.sign(parcel.row.id, &parcel.body, &shared.app.context);
    let request = match Request::signed(&webhook.url, signature, parcel.body.clone()) {
        Ok(request) => request.from_ourselves(),
        Err(error) => return Attempt::Failed(error.to_string()),
    };
    let began = Instant::now();
    let outbound = shared.app.outbound.of_project(webhook.row.project);
    let outcome = outbound.send(&request, shared.order.reach).await;
    metrics::DELIVERY_TIME.observe_time(began.elapsed());
    let attempt = match &outcome {
        Ok(answer) => Attempt::Answered(answer.status),
        Err(failure) => Attempt::Failed(failure.to_string()),
    };
    match outcome {
        Ok(_) if attempt.is_success() => DeliveryOutcome::Delivered,
        Ok(_) => DeliveryOutcome::Refused,
        Err(failure) => match failure.cause() {
            Failure::NotAllowed(_) => DeliveryOutcome::OutOfReach,
            Failure::TimedOut => DeliveryOutcome::TimedOut,
            _ => DeliveryOutcome::Unreachable,
        },
    }
    .add();
    attempt
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no code panics while it holds this lock")
}
