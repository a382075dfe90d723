//! The query strings of the smaller calls: a few parameters, each at most once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::app::App;
use crate::context::Time;
use crate::error::{Code, Error, Result};
use crate::vault::Place;

/// Entries on a page when nothing is said.
const DEFAULT_LIMIT: usize = 50;

/// Entries on the largest page.
const LARGEST_LIMIT: usize = 100;

/// Reads the parameters of these names.
///
/// # Errors
/// `queryInvalid`, naming the parameter that is unknown or stands twice.
pub fn read<const N: usize>(query: Option<&str>, names: [&str; N]) -> Result<[Option<String>; N]> {
    let mut found = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let Some(place) = names.iter().position(|known| *known == name) else {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            let known = names.join(", ");
            return Err(refuse(&shown, &format!("is unknown; there are {known}")));
        };
        if found[place].replace(value.into_owned()).is_some() {
            return Err(refuse(&name, "stands more than once"));
        }
    }
    Ok(found)
}

/// How many entries a page has.
///
/// # Errors
/// `queryInvalid` unless it is a number from 1 to 100.
pub fn limit(text: Option<&str>) -> Result<usize> {
    let Some(text) = text else {
        return Ok(DEFAULT_LIMIT);
    };
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=LARGEST_LIMIT).contains(limit))
        .ok_or_else(|| refuse("limit", "must be a number from 1 to 100"))
}

/// The error of a parameter.
#[must_use]
pub fn refuse(name: &str, what: &str) -> Error {
    Error::new(
        Code::QueryInvalid,
        format!("the query parameter {name} {what}"),
    )
}

/// A moment as a parameter.
///
/// # Errors
/// `queryInvalid` unless it is RFC 3339.
pub fn moment(name: &str, value: &str) -> Result<Time> {
    Time::parse(value).ok_or_else(|| refuse(name, "must be a moment like 2026-01-31T12:00:00Z"))
}

/// A position, sealed for the list that it belongs to: opaque, and of no use with another.
#[must_use]
pub fn seal_cursor(app: &App, place: Place<'_>, position: &[u8]) -> String {
    let cursor = &app.installation.secrets.cursor;
    URL_SAFE_NO_PAD.encode(cursor.seal(place, position, &app.context.random))
}

/// The position of a cursor.
///
/// # Errors
/// `queryInvalid` when it is forged, altered, or of another list.
pub fn open_cursor<const N: usize>(app: &App, place: Place<'_>, text: &str) -> Result<[u8; N]> {
    let opened = URL_SAFE_NO_PAD.decode(text).ok().and_then(|sealed| {
        let position = app.installation.secrets.cursor.open(place, &sealed).ok()?;
        position.as_slice().try_into().ok()
    });
    opened.ok_or_else(|| {
        refuse(
            "cursor",
            "must be one that a page with the same filters gave",
        )
    })
}
