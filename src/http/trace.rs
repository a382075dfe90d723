//! The span of one request, for traces: method, route, status and request id,
//! never a path, a query, a header or anything of a body. A caller's
//! `traceparent` is honoured. Where nobody traces, it is one look at a flag.

use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::store::TRACE_TARGET;

/// Characters of the longest `tracestate` that is passed on: what the standard asks for.
const TRACE_STATE_MAX: usize = 512;

/// Begins the span of a request.
pub(super) fn begin(headers: &HeaderMap, method: &str, request_id: &str) -> Span {
    if !tracing::span_enabled!(target: TRACE_TARGET, Level::INFO) {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: TRACE_TARGET,
        parent: None,
        "request",
        otel.name = method,
        otel.kind = "server",
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        request_id,
    );
    if headers.contains_key("traceparent") {
        let theirs = TraceContextPropagator::new().extract(&Headers(headers));
        // It fails only where no exporter listens, and then nobody misses it.
        _ = span.set_parent(theirs);
    }
    span
}

/// Notes what became of the request.
pub(super) fn end(span: &Span, method: &str, route: &str, status: u16) {
    if span.is_none() {
        return;
    }
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    let context = span.context();
    context.span().update_name(format!("{method} {route}"));
    if status >= 500 {
        context.span().set_status(Status::error(""));
    }
}

/// The headers as the propagator reads them: only those of a trace are given out.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self
            .0
            .get(key)
            .filter(|value| value.len() <= TRACE_STATE_MAX);
        value.and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
