//! One connection: HTTP/1.1 or HTTP/2, with an end to every way of waiting.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::header::{CONNECTION, EXPECT, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::activity::{Patience, Running, Watched};
use super::body::{BodyLimits, read_body};
use super::limits::Slot;
use super::outgoing::{Outgoing, OutgoingBody, SendPatience};
use super::request_id::Edge;
use super::send_budget::Budget;
use super::server::Peer;
use super::stream::{StreamExecutor, is_answered_by};

/// What every connection of a listener shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub edge: Edge,
    pub body: BodyLimits,
    /// Fields of the longest head.
    pub max_headers: usize,
    pub http: Builder<StreamExecutor>,
    pub patience: Patience,
    pub send_patience: SendPatience,
    /// Bytes of answers of the whole server that may wait for their clients.
    pub send_budget: usize,
}

/// Serves one connection to its end.
pub(super) async fn run(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
    slot: Slot,
) {
    let activity = slot.activity();
    let budget = Budget::of_connection(shared.send_budget);
    let patience = shared.patience;
    let io = TokioIo::new(Watched {
        stream,
        activity: Arc::clone(&activity),
    });
    let service = service_fn(|request: Request<Incoming>| {
        let running = Running::begin(&activity, request.version());
        let outgoing = Outgoing::new(&budget, shared.send_patience);
        let shared = Arc::clone(&shared);
        async move {
            let response = answer(&shared, request, peer, &outgoing).await;
            if running.is_multiplexed() {
                is_answered_by(&outgoing);
            } else {
                running.activity().answers(&outgoing);
            }
            let body = |body| OutgoingBody::new(body, outgoing, running);
            Ok::<_, std::convert::Infallible>(response.map(body))
        }
    });
    let mut connection = pin!(shared.http.serve_connection(io, service));
    let mut check = pin!(sleep_until(activity.first_check(patience)));
    let mut closed = pin!(activity.closed());
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            // It is idle, and another one needs its place.
            () = closed.as_mut() => return,
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            // A sender that is gone means stop as well.
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                if activity.awaits_head() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            () = check.as_mut() => match activity.next_check(patience) {
                Some(at) => check.as_mut().reset(at),
                None => return,
            },
        }
    }
}

async fn answer(
    shared: &Shared,
    request: Request<Incoming>,
    peer: SocketAddr,
    outgoing: &Arc<Outgoing>,
) -> Response {
    // hyper counts those of HTTP/1.1 and answers like this; of HTTP/2 it knows only their bytes.
    if request.headers().len() > shared.max_headers {
        return refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let codings = request.headers().get_all(TRANSFER_ENCODING);
    let chunked = codings.iter().next().is_some();
    let is_chunks = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    // hyper takes off the chunks and leaves any other coding on (RFC 9112 section 6.1).
    if !codings.iter().all(is_chunks) {
        let mut response = refused(StatusCode::NOT_IMPLEMENTED);
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        return response;
    }
    let expecting = request.headers().contains_key(EXPECT);
    let (parts, incoming) = request.into_parts();
    let (body, rest) = Rest::of(incoming);
    let mut request = Request::from_parts(parts, body);
    request.extensions_mut().insert(Peer(peer));
    request.extensions_mut().insert(Arc::clone(outgoing));
    let mut response = shared.edge.answer(request).await;
    // A client that is still sending while hyper ends the connection may never
    // read its answer. One that expects a word before it sends has sent nothing.
    let read = match rest {
        Some(rest) if !rest.is_read() => {
            !expecting && rest.read(response.status(), &shared.body).await
        }
        _ => true,
    };
    // hyper follows the chunks and drops a Content-Length beside them. A proxy
    // that followed the length would take the rest for the next request, so
    // there is no next one (RFC 9112 section 6.1). Nor is there one behind a
    // body that was left unread, and the client must hear of it.
    if chunked || !read {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// A refusal like those of hyper, which have no body.
fn refused(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// What whoever answers leaves of a body.
#[derive(Clone)]
struct Rest(Arc<Mutex<Incoming>>);

impl Rest {
    /// A body, and what will be left of it; `None` where there is none to read.
    fn of(incoming: Incoming) -> (Body, Option<Self>) {
        if incoming.is_end_stream() {
            return (Body::empty(), None);
        }
        let rest = Self(Arc::new(Mutex::new(incoming)));
        (Body::new(rest.clone()), Some(rest))
    }

    fn is_read(&self) -> bool {
        self.is_end_stream()
    }

    /// Reads it to its end within the limits of every body, unless the answer is
    /// that it passed them.
    async fn read(self, answer: StatusCode, limits: &BodyLimits) -> bool {
        let passed = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
        !passed.contains(&answer) && read_body(Body::new(self), limits).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        Pin::new(&mut *self.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}
