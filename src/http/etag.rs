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

/// Refuses a change unless `If-Match` is absent or names the tag, and `If-None-Match` is absent
/// or does not.
///
/// # Errors
/// `preconditionFailed`; `headerInvalid` when one is no list of tags.
pub fn check_change(headers: &HeaderMap, tag: &HeaderValue) -> Result<()> {
    check_match(headers, tag)?;
    if headers.contains_key(header::IF_NONE_MATCH) && none_match(headers, tag)? {
        return Err(Error::new(
            Code::PreconditionFailed,
            "If-None-Match names the present version",
        ));
    }
    Ok(())
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
    let (mut found, mut any) = (false, false);
    let values: Vec<_> = headers.get_all(name).iter().collect();
    if values.is_empty() {
        return Ok(false);
    }
    if let [star] = values[..]
        && star.as_bytes().trim_ascii() == b"*"
    {
        return Ok(true);
    }
    for list in values {
        for (is_weak, listed) in tags(list.as_bytes()).ok_or_else(malformed)? {
            any = true;
            found |= (weak || !is_weak) && tag.as_bytes() == listed;
        }
    }
    if any { Ok(found) } else { Err(malformed()) }
}

/// The tags of a list, in their quotes, and whether each is weak; `None` when it is no list of
/// tags. A comma within quotes is part of the tag, and elements may be empty (RFC 9110, sections
/// 8.8.3 and 5.6.1.2).
fn tags(mut list: &[u8]) -> Option<Vec<(bool, &[u8])>> {
    let mut tags = Vec::new();
    loop {
        while let [b' ' | b'\t' | b',', rest @ ..] = list {
            list = rest;
        }
        if list.is_empty() {
            return Some(tags);
        }
        let weak = list.starts_with(b"W/");
        let opaque = &list[if weak { 2 } else { 0 }..];
        let inner = opaque.strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| *byte == b'"')?;
        tags.push((weak, &opaque[..end + 2]));
        list = inner[end + 1..].trim_ascii_start();
        if !list.is_empty() && !list.starts_with(b",") {
            return None;
        }
    }
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
            (&format!("\"a,b\", {text}"), true, true),
            (&format!(", ,\"a\" ,, {text} ,"), true, true),
            (&format!("\"\",W/\"x,\",{text}"), true, true),
            ("\"a,b\"", false, false),
            ("\"\u{e9}\"", false, false),
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
        for malformed in [
            "",
            "no-quotes",
            "\"open",
            "a, *",
            "*, \"a\"",
            ",",
            "\"a\" \"b\"",
            "w/\"a\"",
        ] {
            let refused = none_match(&with(header::IF_NONE_MATCH, malformed), &tag).unwrap_err();
            assert_eq!(refused.code(), Code::HeaderInvalid, "{malformed}");
        }
        assert!(check_match(&HeaderMap::new(), &tag).is_ok());
        assert!(check_change(&HeaderMap::new(), &tag).is_ok());
        assert!(!none_match(&HeaderMap::new(), &tag).unwrap());
        assert_ne!(of(b"a"), of(b"b"));
    }
}
