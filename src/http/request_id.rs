//! The outermost layer of every listener: request id, deadline, panics, error
//! bodies, security headers, one log line.
//!
//! It never logs a body, a query string, a name or a key; the path only as the
//! template of its route.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::time::Instant;
use tower::Service;
use tracing::Instrument as _;

use super::client_address::ClientAddress;
use super::error::{Failure, plain_refusal, render};
use super::limits::{network, octets};
use super::metrics::{Metrics, method_name};
use super::rate::{self, RateLimit, Standing};
use super::server::Peer;
use super::trace;
use crate::config::{Config, TrustedProxies};
use crate::context::Context;
use crate::error::{Code, Error};
use crate::id;
use crate::metrics::Refusal;

/// The header that carries the request id both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the limits of a call are.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Where they stand.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Characters of the longest request id that is taken from a client.
const REQUEST_ID_MAX: usize = 128;

/// The id of a request, an extension of every request: ours, or the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    fn new(headers: &HeaderMap, context: &Context) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(theirs) if is_sane(theirs.as_bytes()) => Self(theirs.clone()),
            _ => Self::fresh(context),
        }
    }

    /// A new id of our own.
    #[must_use]
    pub fn fresh(context: &Context) -> Self {
        let text = id::RequestId::from_bytes(context.new_id()).to_string();
        let value = HeaderValue::from_maybe_shared(Bytes::from(text));
        Self(value.expect("an id is visible ASCII"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0
            .to_str()
            .expect("both makers take visible ASCII only")
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(byte))
}

/// What whoever authenticates a request tells the outermost layer: an extension
/// of every request.
#[derive(Clone, Debug, Default)]
pub struct RequestLabel(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    project: OnceLock<i64>,
    rate: OnceLock<Standing>,
}

impl RequestLabel {
    /// Notes the project, for the log; the first word counts.
    pub fn set(&self, project: i64) {
        _ = self.0.project.set(project);
    }

    /// Notes where the caller's rate limit stands, for the headers.
    pub fn note_rate(&self, standing: Standing) {
        _ = self.0.rate.set(standing);
    }
}

/// A router behind the outermost layer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Edge(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    router: Router,
    context: Context,
    metrics: Arc<Metrics>,
    error_type_base: String,
    request_timeout: Duration,
    proxies: TrustedProxies,
    address_limit: Option<Arc<RateLimit>>,
}

impl Edge {
    /// Puts the layer around a finished router, perhaps with a limit of what an address may send.
    #[must_use]
    pub fn new(
        router: Router,
        context: Context,
        config: &Config,
        metrics: Arc<Metrics>,
        address_limit: Option<Arc<RateLimit>>,
    ) -> Self {
        Self(Arc::new(Parts {
            router: router.layer(tower::layer::layer_fn(|inner| RouteName { inner })),
            context,
            metrics,
            error_type_base: config.error_type_base.clone(),
            request_timeout: config.request_timeout,
            proxies: config.trusted_proxies.clone(),
            address_limit,
        }))
    }

    /// The proxies that are believed.
    pub(super) fn proxies(&self) -> &TrustedProxies {
        &self.0.proxies
    }

    /// Answers one request, whatever happens.
    pub async fn answer(&self, mut request: Request) -> Response {
        let started = Instant::now();
        let id = RequestId::new(request.headers(), &self.0.context);
        let method = method_name(request.method());
        let label = RequestLabel::default();
        request.extensions_mut().insert(id.clone());
        request.extensions_mut().insert(label.clone());
        let client = self.client_of(&request);
        request.extensions_mut().insert(client);
        let standing = self.address_standing(&request, client);
        let span = trace::begin(request.headers(), method, id.as_str());
        let mut response = match refusal(&request, standing) {
            Some(error) => error.into_response(),
            None => self.route(request).instrument(span.clone()).await,
        };
        self.finish(&mut response, &id);
        add_rate_headers(&mut response, label.0.rate.get().copied(), standing);
        let took = started.elapsed();
        let route = response.extensions().get::<Route>();
        let route = route.map_or("-", |route| route.0.as_str());
        let status = response.status().as_u16();
        self.0.metrics.request(method, route, status, took);
        trace::end(&span, method, route, status);
        if tracing::event_enabled!(target: "oms::access", tracing::Level::INFO) {
            tracing::info!(
                target: "oms::access",
                request_id = id.as_str(),
                method,
                route,
                project = label.0.project.get(),
                status,
                duration_ms = took.as_secs_f64() * 1000.0,
            );
        }
        response
    }

    /// Who sends a request; what came over no connection comes from nowhere.
    fn client_of(&self, request: &Request) -> ClientAddress {
        let peer = request.extensions().get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        ClientAddress::of(peer, request.headers(), &self.0.proxies)
    }

    /// Takes one from what the address may send. Probes of a load balancer come
    /// from one address, too, and are free.
    fn address_standing(&self, request: &Request, client: ClientAddress) -> Option<Standing> {
        let limit = self.0.address_limit.as_ref()?;
        let free = matches!(request.uri().path(), "/healthz" | "/readyz");
        let now = self.0.context.steady_now();
        (!free).then(|| limit.take(&octets(network(client.0)), now))
    }

    /// Runs the handler within its deadline, and survives its panic.
    async fn route(&self, request: Request) -> Response {
        let mut router = self.0.router.clone();
        let handler = async move { router.call(request).await };
        let caught = catch_panic(handler);
        match tokio::time::timeout(self.0.request_timeout, caught).await {
            Ok(Some(Ok(response))) => response,
            Ok(None) => Error::internal("a handler panicked").into_response(),
            Err(_) => {
                Refusal::Deadline.add();
                Error::unavailable(
                    "the request took too long; it may still take effect, so retry it with the same key",
                    1,
                )
                .into_response()
            }
        }
    }

    /// Writes what every response carries.
    fn finish(&self, response: &mut Response, id: &RequestId) {
        if let Some(failure) = response.extensions_mut().remove::<Failure>() {
            self.fail(response, failure.error(), id);
        } else if let Some(error) = plain_refusal(response) {
            self.fail(response, &error, id);
        }
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, id.0.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let own_choice = [
            (CACHE_CONTROL, "no-store"),
            (
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ];
        for (name, value) in own_choice {
            headers
                .entry(name)
                .or_insert(HeaderValue::from_static(value));
        }
    }

    /// The one place where the cause of an error is logged.
    fn fail(&self, response: &mut Response, error: &Error, id: &RequestId) {
        if let Some(cause) = error.cause() {
            let code = error.code().name();
            tracing::error!(
                request_id = id.as_str(),
                code,
                cause = chain(cause),
                "failed"
            );
        }
        if matches!(error.code(), Code::BodyTooLarge | Code::RequestTimeout) {
            Refusal::Body.add();
        }
        render(response, error, &self.0.error_type_base, id.as_str());
    }
}

/// Why a request goes no further than here, if it does not.
fn refusal(request: &Request, standing: Option<Standing>) -> Option<Error> {
    if let Some(refused) = standing.and_then(|standing| standing.refusal()) {
        Refusal::AddressRate.add();
        return Some(refused);
    }
    if !has_host(request) {
        let detail = "an HTTP/1.1 request carries one Host header";
        return Some(Error::new(Code::HeaderInvalid, detail));
    }
    let sound = is_utf8_path(request.uri().path());
    (!sound).then(|| Error::new(Code::NotFound, "the path is not UTF-8"))
}

/// RFC 9112 section 3.2: exactly one, from HTTP/1.1 on; HTTP/2 has its own way.
fn has_host(request: &Request) -> bool {
    request.version() != Version::HTTP_11 || request.headers().get_all(HOST).iter().count() == 1
}

fn add_rate_headers(response: &mut Response, key: Option<Standing>, address: Option<Standing>) {
    let both: Vec<_> = key.into_iter().chain(address).collect();
    if let Some((policy, limit)) = rate::headers(&both) {
        response.headers_mut().insert(RATE_LIMIT_POLICY, policy);
        response.headers_mut().insert(RATE_LIMIT, limit);
    }
}

/// A cause with its causes.
fn chain(cause: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(cause), |cause| cause.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

/// Whether the path is UTF-8 once its escapes are read; a path that is not
/// names nothing.
fn is_utf8_path(path: &str) -> bool {
    if !path.contains('%') {
        return true;
    }
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| after.split_at_checked(2))
            .flatten();
        let byte = escaped.and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = byte.unwrap_or((*first, after));
        plain.push(byte);
        rest = after;
    }
    str::from_utf8(&plain).is_ok()
}

/// Runs a future; `None` when it panicked, which the panic hook has reported.
async fn catch_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx: &mut TaskContext<'_>| {
        // After a panic the future is never polled again, only dropped.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// The template of the route that answered, in the extensions of the response.
#[derive(Clone, Debug)]
struct Route(MatchedPath);

/// Carries the template of the route outwards, where the router's own
/// extensions of the request are gone.
#[derive(Clone, Debug)]
struct RouteName<S> {
    inner: S,
}

impl<S> Service<Request> for RouteName<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            if let Some(route) = route {
                response.extensions_mut().insert(Route(route));
            }
            Ok(response)
        })
    }
}

/// The short answer to a connection that is one too many.
pub(super) fn too_many_connections(edge: &Edge) -> Vec<u8> {
    Refusal::Connections.add();
    let error = Error::unavailable("too many connections", 1);
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let id = RequestId::fresh(&edge.0.context);
    let body = super::error::problem(&error, &edge.0.error_type_base, id.as_str());
    let mut response = Response::new(Body::empty());
    render(&mut response, &error, &edge.0.error_type_base, id.as_str());
    edge.finish(&mut response, &id);
    let mut answer = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in response.headers() {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    let length = body.len();
    answer.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").into_bytes());
    answer.extend(body);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken() {
        assert!(is_sane(b"req_1.A:b-c"));
        for bad in [&b""[..], b"a b", b"a\"b", b"\xff", &[b'a'; 129]] {
            assert!(!is_sane(bad), "{bad:?}");
        }
        assert!(is_sane(&[b'a'; 128]));
    }

    #[test]
    fn escapes_that_are_no_utf8_are_found() {
        for (path, sound) in [
            ("/a", true),
            ("/%c3%a4", true),
            ("/%ff", false),
            ("/%c3", false),
            ("/%zz", true),
            ("/%", true),
        ] {
            assert_eq!(is_utf8_path(path), sound, "{path}");
        }
    }
}
