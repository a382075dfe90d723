//! What a request brings beside its path: the JSON object of its body, and no query.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header, request::Parts};
use serde_json::{Map, Value};

use super::app::App;
use super::body::{BodyLimits, read_body};
use super::json::parse_object;
use crate::error::{Code, Error, Result};

/// A body that is declared as JSON and is one object.
pub struct JsonBody(pub Map<String, Value>);

impl FromRequest<App> for JsonBody {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        check_json(request.headers())?;
        let body = read_body(request.into_body(), &BodyLimits::from(&app.config)).await?;
        parse_object(&body).map(Self)
    }
}

/// Refuses a body that is not declared as JSON.
pub(super) fn check_json(headers: &HeaderMap) -> Result<()> {
    check_encoding(headers)?;
    if is_json(headers) {
        return Ok(());
    }
    let detail = "send the body with Content-Type: application/json";
    Err(Error::new(Code::UnsupportedMediaType, detail))
}

/// Refuses a body that is compressed.
fn check_encoding(headers: &HeaderMap) -> Result<()> {
    let plain = |value: &axum::http::HeaderValue| {
        let value = value.as_bytes().trim_ascii();
        value.is_empty() || value.eq_ignore_ascii_case(b"identity")
    };
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let detail = "send the body as it is, without Content-Encoding";
    Err(Error::new(Code::UnsupportedMediaType, detail))
}

/// No query string: a parameter that nobody reads is a mistake, and says so.
pub struct NoQuery;

impl FromRequestParts<App> for NoQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        match form_urlencoded::parse(query.as_bytes()).next() {
            None => Ok(Self),
            Some((name, _)) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                let detail = format!("this call takes no query parameter, so also not {name}");
                Err(Error::new(Code::QueryInvalid, detail))
            }
        }
    }
}

/// Instructions (RFC 6902), not the object itself.
const JSON_PATCH: &str = "application/json-patch+json";

/// One `application/json` or `application/…+json`, in UTF-8 if a charset is named.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let value = value.to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let json =
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    json && kind != JSON_PATCH
        && parts
            .filter_map(|part| part.strip_prefix("charset="))
            .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_json() {
        let declared = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/merge-patch+json",
        ] {
            assert!(declared(good), "{good}");
        }
        for bad in [
            JSON_PATCH,
            "text/plain",
            "application/json; charset=latin1",
            "json",
            "",
        ] {
            assert!(!declared(bad), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
        let mut twice = HeaderMap::new();
        twice.append(header::CONTENT_TYPE, "application/json".parse().unwrap());
        twice.append(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        assert!(!is_json(&twice));
    }
}
