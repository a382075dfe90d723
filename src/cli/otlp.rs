//! Traces on their way out: OTLP over plain HTTP, in batches, from a bounded
//! queue that drops what a slow collector does not take.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanLimits,
};
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::error::{Error, Result};

/// Spans that may wait to be sent; more are dropped.
const QUEUE: usize = 8192;

/// Spans that are sent together at most.
const BATCH: usize = 512;

/// How often they are sent.
const PERIOD: Duration = Duration::from_secs(1);

/// How long one sending may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of a collector's answer that are read.
const ANSWER_MAX: usize = 64 << 10;

/// The running exporter.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts sending; `None` when no collector is named.
    pub(super) fn start(config: &Config) -> Result<Option<(Self, SdkTracer)>> {
        let Some(endpoint) = &config.otlp_endpoint else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new()?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(PATIENCE)
            .build()
            .map_err(Error::internal)?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(PERIOD)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let share = f64::from(config.otlp_sample_percent) / 100.0;
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
        let resource = Resource::builder_empty()
            .with_service_name("oms")
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(sampler)
            .with_span_limits(SpanLimits::default())
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("oms");
        Ok(Some((Self(provider), tracer)))
    }

    /// Sends what is left.
    pub(super) fn close(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// The client that the exporter sends with. The exporter's thread has no
/// runtime, so this one brings its own, of one thread.
#[derive(Debug)]
struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Option<Runtime>,
}

impl Sender {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            runtime: Some(runtime),
        })
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let runtime = self.runtime.as_ref().ok_or("the exporter has stopped")?;
        runtime
            .spawn(async { tokio::time::timeout(PATIENCE, exchange).await })
            .await??
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // An ordinary drop would block, which is forbidden inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
