//! Reading a body within limits: size, time, and a minimum rate.
//!
//! Nothing of a body that is declared too large is read.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::error::{Code, Error, Result};

/// How large and how slow a body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of the largest body.
    pub max_bytes: usize,
    /// The time in which every body must have arrived.
    pub timeout: Duration,
    /// A body has a third of the time to begin with, and a second more for
    /// every so many bytes that arrived.
    pub min_bytes_per_s: u32,
}

impl From<&Config> for BodyLimits {
    fn from(config: &Config) -> Self {
        Self {
            max_bytes: config.max_body_bytes,
            timeout: config.body_read_timeout,
            min_bytes_per_s: config.body_min_bytes_per_s,
        }
    }
}

impl BodyLimits {
    /// How long a body may take of which so many bytes have arrived.
    fn time_for(&self, received: usize) -> Duration {
        let bytes = u32::try_from(received).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / self.min_bytes_per_s.max(1);
        self.timeout.min(self.timeout / 3 + earned)
    }
}

/// Reads a whole body: 413 when it is too large, 408 when it is too slow, 400
/// when it ends before its end or its chunks are malformed.
pub async fn read_body(mut body: Body, limits: &BodyLimits) -> Result<Bytes> {
    // The lower bound is Content-Length where there is one, and 0 otherwise.
    if body.size_hint().lower() > limits.max_bytes as u64 {
        return Err(too_large(limits));
    }
    let started = Instant::now();
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut received = 0;
    loop {
        let deadline = started + limits.time_for(received);
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(broken()),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        received += data.len();
        if received > limits.max_bytes {
            return Err(too_large(limits));
        }
        // Nearly every body is one frame, which then needs no copy.
        if first.is_empty() && joined.is_empty() {
            first = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut first));
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

fn too_large(limits: &BodyLimits) -> Error {
    let most = limits.max_bytes;
    Error::new(
        Code::BodyTooLarge,
        format!("a body has at most {most} bytes"),
    )
}

fn too_slow() -> Error {
    Error::new(
        Code::RequestTimeout,
        "the body did not arrive in time; nothing was done",
    )
}

fn broken() -> Error {
    Error::new(
        Code::BodyNotJson,
        "the body broke off or its chunks are malformed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        max_bytes: 8,
        timeout: Duration::from_secs(15),
        min_bytes_per_s: 512,
    };

    #[test]
    fn bytes_buy_time_up_to_the_whole() {
        assert_eq!(LIMITS.time_for(0), Duration::from_secs(5));
        assert_eq!(LIMITS.time_for(1024), Duration::from_secs(7));
        assert_eq!(LIMITS.time_for(usize::MAX), Duration::from_secs(15));
    }

    #[tokio::test]
    async fn the_limit_is_the_last_size_that_passes() {
        let read = async |text: &'static str| read_body(Body::from(text), &LIMITS).await;
        assert_eq!(read("12345678").await.unwrap(), "12345678");
        assert_eq!(read("").await.unwrap(), "");
        assert_eq!(
            read("123456789").await.unwrap_err().code(),
            Code::BodyTooLarge
        );
    }
}
