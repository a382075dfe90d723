//! The accept loop of a listener, and its graceful stop.
//!
//! A connection over the caps takes the place of one that is idle (`limits.rs`); where all are busy, it
//! gets a short 503 and is closed. A head that hyper
//! cannot parse gets hyper's empty 400, 414 or 431 and is closed: there is no
//! request yet that could have an id.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::activity::Patience;
use super::body::BodyLimits;
use super::connection::{self, Shared};
use super::limits::{Connections, Slot};
use super::outgoing::SendPatience;
use super::request_id::{Edge, too_many_connections};
use super::stream::StreamExecutor;
use crate::config::Config;

/// Streams that a client may reset before they were accepted, and streams that
/// we may reset for its errors, before its connection ends (rapid reset).
const HTTP2_RESETS_MAX: usize = 32;

/// Bytes of answers that may wait for the client on one HTTP/2 stream.
const HTTP2_SEND_BUFFER_BYTES: usize = 256 << 10;

/// Pause between HTTP/2 pings, and how long the answer may take.
const HTTP2_PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// The headers that hyper takes without a heap allocation per request.
const HYPER_MAX_HEADERS: usize = 100;

/// The pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// How often it is said that none can be accepted.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Who sent the request: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// How large, how many and how slow; see the settings of the same names.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Bytes of the largest request head.
    pub max_header_bytes: usize,
    /// Headers of the largest request head.
    pub max_headers: usize,
    /// Open connections.
    pub max_connections: usize,
    /// Open connections of one address.
    pub max_connections_per_address: usize,
    /// Concurrent streams of one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// How large and how slow a body may be.
    pub body: BodyLimits,
    /// From the first byte of a head to its end.
    pub header_read_timeout: Duration,
    /// Between two requests of one connection.
    pub idle_timeout: Duration,
    /// How slowly an answer may be taken.
    send_patience: SendPatience,
    /// Bytes of answers that may wait for their clients.
    pub send_budget: usize,
    /// How long running requests may take when the server stops.
    pub shutdown_grace: Duration,
}

impl From<&Config> for ServerLimits {
    fn from(config: &Config) -> Self {
        Self {
            body: BodyLimits::from(config),
            max_header_bytes: config.max_header_bytes,
            max_headers: config.max_headers,
            max_connections: config.max_connections,
            max_connections_per_address: config.max_connections_per_address,
            max_streams_per_connection: config.max_streams_per_connection,
            header_read_timeout: config.header_read_timeout,
            idle_timeout: config.idle_timeout,
            send_patience: SendPatience::from(config),
            send_budget: config.answer_budget_bytes,
            shutdown_grace: config.shutdown_grace,
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were cut because their grace was over.
    pub cut: usize,
}

/// Serves a listener until `stop` holds `true` or its sender is gone, then lets
/// running requests finish within the grace.
pub async fn serve(
    listener: TcpListener,
    edge: Edge,
    limits: ServerLimits,
    mut stop: watch::Receiver<bool>,
) -> Stopped {
    let connections = Connections::new(
        limits.max_connections,
        limits.max_connections_per_address,
        edge.proxies().clone(),
    );
    let mut told = None;
    let shared = Arc::new(Shared {
        http: protocol(&limits),
        edge,
        body: limits.body,
        max_headers: limits.max_headers,
        patience: Patience {
            head: limits.header_read_timeout,
            idle: limits.idle_timeout,
        },
        send_patience: limits.send_patience,
        send_budget: limits.send_budget,
    });
    let stop_of_connections = stop.clone();
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match admit(&connections, peer.ip()).await {
                Some(slot) => {
                    let stop = stop_of_connections.clone();
                    start(&mut open, &shared, stream, peer, stop, slot);
                    connections.settled().await;
                }
                None => turn_away(stream, &shared.edge),
            },
            Err(error) => back_off(&error, &connections, &mut told).await,
        }
    }
    drop(listener);
    finish(open, limits.shutdown_grace).await
}

/// A place for one more connection; `None` when all others are busy.
async fn admit(connections: &Arc<Connections>, address: IpAddr) -> Option<Slot> {
    if let Some(slot) = connections.admit(address) {
        return Some(slot);
    }
    // Those that came with it may not have been looked at yet, and be silent.
    tokio::task::yield_now().await;
    connections.admit(address)
}

fn start(
    open: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
    slot: Slot,
) {
    // Small answers must not wait for more to send; where the option fails the
    // connection is dead already and says so itself.
    _ = stream.set_nodelay(true);
    open.spawn(connection::run(
        Arc::clone(shared),
        stream,
        peer,
        stop,
        slot,
    ));
}

/// Waits for the connections and cuts those that take too long.
async fn finish(mut open: JoinSet<()>, grace: Duration) -> Stopped {
    let all = async { while open.join_next().await.is_some() {} };
    let in_time = timeout(grace, all).await.is_ok();
    let cut = if in_time { 0 } else { open.len() };
    if cut > 0 {
        tracing::warn!(cut, "connections did not end in time");
    }
    open.shutdown().await;
    Stopped { cut }
}

fn protocol(limits: &ServerLimits) -> Builder<StreamExecutor> {
    let mut http = Builder::new(StreamExecutor);
    http.http1()
        .timer(TokioTimer::new())
        // The connection's own timer does it, see the module `connection`.
        .header_read_timeout(None)
        .max_buf_size(limits.max_header_bytes.max(8192));
    if limits.max_headers != HYPER_MAX_HEADERS {
        http.http1().max_headers(limits.max_headers);
    }
    let header_bytes = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams_per_connection)
        .max_pending_accept_reset_streams(HTTP2_RESETS_MAX)
        .max_local_error_reset_streams(HTTP2_RESETS_MAX)
        .max_header_list_size(header_bytes)
        .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES)
        .keep_alive_interval(HTTP2_PING.0)
        .keep_alive_timeout(HTTP2_PING.1);
    http
}

/// One try to say 503; a fresh socket has room for it, and a peer that does not
/// read it must not hold us up.
fn turn_away(stream: TcpStream, edge: &Edge) {
    if let Ok(mut stream) = stream.into_std() {
        _ = stream.write(&too_many_connections(edge));
    }
}

/// An accept fails for one peer that is gone already, or for want of something
/// that comes back when connections end. Neither ends the loop.
async fn back_off(error: &std::io::Error, connections: &Connections, told: &mut Option<Instant>) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        return;
    }
    if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
        *told = Some(Instant::now());
        tracing::warn!(%error, "cannot accept connections");
    }
    connections.make_room();
    sleep(ACCEPT_BACKOFF).await;
}
