//! What a server serves unchanged as long as it runs: compressed once, with an entity tag, so that a
//! browser asks again and is told that nothing changed.

use std::io::Write;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::etag;
use crate::error::{Error, Result};

/// A body in both forms, with the headers of each.
#[derive(Clone, Debug)]
pub struct Asset {
    kind: HeaderValue,
    plain: (Bytes, HeaderValue),
    gzip: (Bytes, HeaderValue),
}

impl Asset {
    /// Takes a body of this media type.
    ///
    /// # Errors
    /// `internalError` when the media type is none, which it always is.
    pub fn new(kind: &str, body: Bytes) -> Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&body).map_err(Error::internal)?;
        let gzip = Bytes::from(encoder.finish().map_err(Error::internal)?);
        let tagged = |body: Bytes| {
            let tag = etag::of(&body);
            (body, tag)
        };
        Ok(Self {
            kind: HeaderValue::from_str(kind).map_err(Error::internal)?,
            plain: tagged(body),
            gzip: tagged(gzip),
        })
    }

    /// The answer to a request with these headers.
    ///
    /// # Errors
    /// `headerInvalid` when `If-None-Match` is no list of tags.
    pub fn answer(&self, headers: &HeaderMap) -> Result<Response> {
        let zipped = takes_gzip(headers);
        let (body, tag) = if zipped { &self.gzip } else { &self.plain };
        let mut answer = if etag::none_match(headers, tag)? {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.kind.clone())], body.clone()).into_response()
        };
        let own = answer.headers_mut();
        own.insert(header::ETAG, tag.clone());
        own.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        // Kept, and asked for again each time: a new version of the server shows at once.
        own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if zipped && answer.status() == StatusCode::OK {
            let gzip = HeaderValue::from_static("gzip");
            answer.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        }
        Ok(answer)
    }
}

/// Whether `Accept-Encoding` names gzip, and not with a weight of zero (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    let items = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    let mut taken = items.filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next()?;
        let named = name.eq_ignore_ascii_case("gzip") || name == "*";
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        named.then_some(weight.is_none_or(|weight| weight > 0.0))
    });
    taken.next().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_given_to_those_who_take_it() {
        let takes = |value| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        for yes in ["gzip", "deflate, GZIP;q=0.5", "br, gzip", "*"] {
            assert!(takes(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip; q=0.0", "identity"] {
            assert!(!takes(no), "{no}");
        }
    }
}
