//! The load generator: keep-alive connections over raw sockets, requests as ready bytes, answers
//! parsed no further than needed. It shares the cores with the server, so it must stay light.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use crate::Result;
use crate::http::{ANSWER_BYTES_MAX, Answer, Head};

/// Longest latency that is told apart, in µs.
const LATENCY_MAX_US: u64 = 60_000_000;
/// A step that hangs this long after its end is given up.
const GRACE: Duration = Duration::from_mins(1);
/// A step that counts requests instead of seconds is given up after this.
const COUNTED_MAX: Duration = Duration::from_mins(50);
/// A connection that fails so often in a row is given up.
const FAILURES_MAX: u32 = 50;
/// How often an open-loop schedule releases what is due.
const PACE: Duration = Duration::from_millis(1);

/// What an answer was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was asked for.
    Good,
    /// Refused for load: 503 or 429.
    Refused,
    /// Anything else.
    Wrong,
}

/// One side of the talk on one connection.
pub trait Talk {
    /// Appends the next request; false when there is nothing left to ask.
    fn ask(&mut self, out: &mut Vec<u8>) -> bool;
    /// Judges its answer.
    fn hear(&mut self, answer: &Answer) -> Verdict;
}

/// How hard to drive.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Whom.
    pub address: SocketAddr,
    /// Connections, all open before the clock starts.
    pub connections: usize,
    /// Generator threads that share them.
    pub threads: usize,
    /// For how long; none means until the talk has nothing left to ask.
    pub seconds: Option<f64>,
    /// Open loop: so many requests a second, whether or not earlier ones were answered.
    pub per_second: Option<f64>,
}

/// What a step brought.
#[derive(Debug)]
pub struct Tally {
    /// Latencies of good answers in µs.
    pub good: Histogram<u64>,
    /// Latencies of refusals in µs.
    pub refused: Histogram<u64>,
    /// Wrong answers.
    pub wrong: u64,
    /// Connections that broke.
    pub broken: u64,
    /// Requests that an open-loop schedule called for.
    pub offered: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// The first wrong answer or broken connection.
    pub complaint: Option<String>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Tally {
    fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)?;
        Ok(Self {
            good: histogram.clone(),
            refused: histogram,
            wrong: 0,
            broken: 0,
            offered: 0,
            statuses: BTreeMap::new(),
            complaint: None,
            elapsed: Duration::ZERO,
        })
    }

    /// Good answers a second.
    pub fn rate(&self) -> f64 {
        self.good.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Wrong answers and broken connections.
    pub fn errors(&self) -> u64 {
        self.wrong + self.broken
    }

    fn note(&mut self, verdict: Verdict, answer: &Answer, latency: Duration) {
        let us = latency.as_micros() as u64;
        *self.statuses.entry(answer.status).or_default() += 1;
        match verdict {
            Verdict::Good => self.good.saturating_record(us),
            Verdict::Refused => self.refused.saturating_record(us),
            Verdict::Wrong => {
                self.wrong += 1;
                self.complaint.get_or_insert_with(|| {
                    let body = &answer.body[..answer.body.len().min(400)];
                    format!("{} {}", answer.status, String::from_utf8_lossy(body))
                });
            }
        }
    }

    fn note_broken(&mut self, error: &io::Error) {
        self.broken += 1;
        self.complaint
            .get_or_insert_with(|| format!("a connection broke: {error}"));
    }

    /// Adds what another load brought at the same time.
    pub fn add(&mut self, other: Self) -> Result<()> {
        self.good.add(other.good)?;
        self.refused.add(other.refused)?;
        self.wrong += other.wrong;
        self.broken += other.broken;
        self.offered += other.offered;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.complaint = self.complaint.take().or(other.complaint);
        self.elapsed = self.elapsed.max(other.elapsed);
        Ok(())
    }
}

/// Drives the server; `talk` makes one side of the talk per connection.
pub fn drive(load: &Load, talk: impl Fn() -> Box<dyn Talk> + Sync) -> Result<Tally> {
    let threads = load.threads.clamp(1, load.connections);
    let barrier = Barrier::new(threads);
    let mut total = Tally::new()?;
    std::thread::scope(|scope| {
        let (barrier, talk) = (&barrier, &talk);
        let share = |index: usize| {
            load.connections / threads + usize::from(index < load.connections % threads)
        };
        let spawn =
            |index| scope.spawn(move || drive_share(load, share(index), threads, barrier, talk));
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        for handle in handles {
            total.add(handle.join().map_err(|_| "a generator thread panicked")??)?;
        }
        Ok(total)
    })
}

/// One generator thread with its share of the connections.
fn drive_share(
    load: &Load,
    connections: usize,
    threads: usize,
    barrier: &Barrier,
    talk: &(impl Fn() -> Box<dyn Talk> + Sync),
) -> Result<Tally> {
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    let address = load.address;
    local.block_on(&runtime, async {
        let mut opened = Vec::with_capacity(connections);
        for _ in 0..connections {
            opened.push(Connection::open(address).await);
        }
        barrier.wait();
        let start = Instant::now();
        let until = load
            .seconds
            .map(|seconds| start + Duration::from_secs_f64(seconds));
        let pace = load
            .per_second
            .map(|rate| (rate / threads as f64, Rc::new(Semaphore::new(0))));
        let mut tasks = Vec::with_capacity(connections + 1);
        if let (Some((rate, gate)), Some(until)) = (&pace, until) {
            let (rate, gate, tally) = (*rate, Rc::clone(gate), Rc::clone(&tally));
            tasks.push(tokio::task::spawn_local(async move {
                tally.borrow_mut().offered = release(rate, &gate, start, until).await;
            }));
        }
        for connection in opened {
            let gate = pace.as_ref().map(|(_, gate)| Rc::clone(gate));
            let side = Side {
                address,
                until,
                gate,
                tally: Rc::clone(&tally),
            };
            tasks.push(tokio::task::spawn_local(side.converse(connection, talk())));
        }
        let all = async {
            for task in tasks {
                task.await?;
            }
            Ok(())
        };
        let most = load.seconds.map_or(COUNTED_MAX, |seconds| {
            Duration::from_secs_f64(seconds) + GRACE
        });
        let outcome: Result<()> = tokio::time::timeout(most, all)
            .await
            .unwrap_or_else(|_| Err("the server stopped answering".into()));
        tally.borrow_mut().elapsed = start.elapsed();
        outcome
    })?;
    drop(local);
    let tally = Rc::into_inner(tally).ok_or("a connection outlived its step")?;
    Ok(tally.into_inner())
}

/// Releases permits by the schedule and tells how many it released.
async fn release(rate: f64, gate: &Semaphore, start: Instant, until: Instant) -> u64 {
    let mut released = 0;
    while Instant::now() < until {
        tokio::time::sleep(PACE).await;
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        gate.add_permits((due - released) as usize);
        released = due;
    }
    gate.close();
    released
}

/// What a connection's task works with.
struct Side {
    address: SocketAddr,
    until: Option<Instant>,
    gate: Option<Rc<Semaphore>>,
    tally: Rc<RefCell<Tally>>,
}

impl Side {
    /// Asks and hears until the time is up or there is nothing left to ask.
    async fn converse(self, mut connection: io::Result<Connection>, mut talk: Box<dyn Talk>) {
        let mut request = Vec::with_capacity(2048);
        let mut failures = 0;
        loop {
            if let Some(gate) = &self.gate {
                let Ok(permit) = gate.acquire().await else {
                    return;
                };
                permit.forget();
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            request.clear();
            if !talk.ask(&mut request) {
                return;
            }
            let start = Instant::now();
            let exchange = match &mut connection {
                Ok(open) => open.exchange(&request).await,
                Err(error) => Err(io::Error::new(
                    error.kind(),
                    format!("cannot connect: {error}"),
                )),
            };
            match exchange {
                Ok((answer, reusable)) => {
                    let latency = start.elapsed();
                    let verdict = talk.hear(&answer);
                    self.tally.borrow_mut().note(verdict, &answer, latency);
                    failures = 0;
                    if !reusable {
                        connection = Connection::open(self.address).await;
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.tally.borrow_mut().note_broken(&error);
                    if failures == FAILURES_MAX {
                        return;
                    }
                    tokio::time::sleep(10 * PACE).await;
                    connection = Connection::open(self.address).await;
                }
            }
        }
    }
}

/// One keep-alive connection with its input buffer.
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            input: vec![0; 8 << 10],
        })
    }

    /// Sends one request and reads its answer; also whether the connection may be used again.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<(Answer<'_>, bool)> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            if filled == self.input.len() {
                grow(&mut self.input)?;
            }
            let read = self.stream.read(&mut self.input[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if let Some(head) = Head::parse(&self.input[..filled])?
                && filled >= head.answer_bytes()
            {
                return Ok((head.answer(&self.input), head.reusable));
            }
        }
    }
}

fn grow(input: &mut Vec<u8>) -> io::Result<()> {
    if input.len() >= ANSWER_BYTES_MAX {
        return Err(io::Error::other("an answer over 8 MiB"));
    }
    input.resize(input.len() * 2, 0);
    Ok(())
}
