//! Entity tags (RFC 9110, section 8.8): a hash of the representation itself, so
//! that two answers have one tag exactly when they are the same bytes.

use aws_lc_rs::digest;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Code, Error, Result};

/// The strong tag of a body.
#[must_use]
pub fn of(body: &[u8]) -> HeaderValue {
    let hash = digest::digest(&digest::SHA256, body);
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    HeaderValue::from_str(&tag).expect("base64 in quotes is visible ASCII")
}

/// Whether `If-None-Match` names the tag, so that 304 is the answer.
///
/// # Errors
/// `headerInvalid` when it is no list of tags.
pub fn none_match(headers: &HeaderMap, tag: &HeaderValue) -> Result<bool> {
    listed(headers, &header::IF_NONE_MATCH, tag, true)
}

/// Refuses unless `If-Match` is absent or names the tag.
///
/// # Errors
/// `preconditionFailed`; `headerInvalid` when it is no list of tags.
pub fn check_match(headers: &HeaderMap, tag: &HeaderValue) -> Result<()> {
    let absent = !headers.contains_key(header::IF_MATCH);
    if absent || listed(headers, &header::IF_MATCH, tag, false)? {
        return Ok(());
    }
    Err(Error::new(
        Code::PreconditionFailed,
        "If-Match names another version than the present one",
    ))
}

/// Whether a list of tags holds this one; `If-None-Match` also takes it when marked weak.
fn listed(
    headers: &HeaderMap,
    name: &header::HeaderName,
    tag: &HeaderValue,
    weak: bool,
) -> Result<bool> {
    let malformed = || {
        let detail = format!("{name} must be * or a list of entity tags in double quotes");
        Error::new(Code::HeaderInvalid, detail)
    };
    let mut found = false;
    for list in headers.get_all(name) {
        let list = list.to_str().map_err(|_| malformed())?;
        for item in list.split(',').map(str::trim) {
            let plain = item.strip_prefix("W/").unwrap_or(item);
            let quoted = plain.len() >= 2 && plain.starts_with('"') && plain.ends_with('"');
            if item != "*" && !quoted {
                return Err(malformed());
            }
            let item = if weak { plain } else { item };
            found |= item == "*" || tag == item;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stars_and_weak_tags_match_as_the_rfc_says() {
        let tag = of(b"body");
        let text = tag.to_str().unwrap();
        let with = |name, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            headers
        };
        let weak = format!("W/{text}");
        for (value, none_matches, matches) in [
            (text, true, true),
            ("*", true, true),
            ("\"other\"", false, false),
            (&format!("\"other\", {text}"), true, true),
            (&weak, true, false),
        ] {
            assert_eq!(
                none_match(&with(header::IF_NONE_MATCH, value), &tag).unwrap(),
                none_matches,
                "{value}"
            );
            assert_eq!(
                check_match(&with(header::IF_MATCH, value), &tag).is_ok(),
                matches,
                "{value}"
            );
        }
        for malformed in ["", "no-quotes", "\"open", "a, *"] {
            let refused = none_match(&with(header::IF_NONE_MATCH, malformed), &tag).unwrap_err();
            assert_eq!(refused.code(), Code::HeaderInvalid, "{malformed}");
        }
        assert!(check_match(&HeaderMap::new(), &tag).is_ok());
        assert_ne!(of(b"a"), of(b"b"));
    }
}
