//! CSV as bodies: the header names the path of each field, an empty cell is an
//! absent field.
//!
//! `residentialAddress.city` stands below an object, `identifyingInformation.0.type`
//! below a list, `metadata.plan` sets one key (whose name may hold more dots).
//! `endorsements` is a list like `basic|usd`, or `[]` for none. A column `metadata` or
//! `identifyingInformation` holds JSON. Cells of `metadata.…` are texts. What an export adds
//! and no body sets is skipped.
//!
//! The header is judged once, before any row: no row is read below one that names no field.

use serde_json::{Map, Value};

use super::spreadsheet::{flag, plain};
use crate::error::{Code, Error, FieldCode, Invalid, Result};
use crate::http::customer_body::{ADDRESS_FIELDS, CUSTOMER_TYPE, DOCUMENT_FIELDS, FIELDS};
use crate::http::fields::nearest;
use crate::http::json::parse_object;

/// A list of names without any. An empty cell is an absent field, which means the default.
pub(super) const NO_NAMES: &str = "[]";

/// Entries of the longest list that a header may name.
const MOST_ENTRIES: usize = 100;

/// Where the cells of each column go.
pub(super) struct Header {
    columns: Vec<Column>,
    has_type: bool,
}

enum Column {
    /// One of an export that no body sets.
    Exported(String),
    Nameless,
    Field(String),
    Flag(String),
    Names(String),
    Json(String),
    Below(String, String),
    Entry(String, usize, String),
}

impl Header {
    /// Reads the header.
    ///
    /// # Errors
    /// With the column that cannot be one.
    pub(super) fn read(record: &csv::StringRecord) -> Result<Self, String> {
        let names: Vec<&str> = record.iter().map(name_of).collect();
        judge(&names)?;
        let columns = names.iter().map(|name| column(name));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            has_type: columns
                .iter()
                .any(|column| matches!(column, Column::Field(name) if name == "type")),
            columns,
        })
    }

    /// The body of one record. `type` is `individual` where no column says it.
    pub(super) fn body(&self, record: &csv::StringRecord) -> Result<Map<String, Value>> {
        let mut body = Map::new();
        if !self.has_type {
            body.insert("type".into(), CUSTOMER_TYPE.into());
        }
        let mut lists: Vec<(&str, Vec<Map<String, Value>>)> = Vec::new();
        let (cells, columns) = (record.len(), self.columns.len());
        let mut more = record.iter().skip(columns);
        if cells < columns || more.any(|cell| !cell.trim().is_empty()) {
            let detail = format!("the row has {cells} cells, the header has {columns}");
            return Err(Error::new(Code::BodyNotJson, detail));
        }
        for (column, cell) in self.columns.iter().zip(record) {
            let whole = plain(cell);
            let cell = whole.trim();
            if cell.is_empty() {
                continue;
            }
            match column {
                Column::Exported(name) => check_exported(name, cell)?,
                Column::Nameless => {
                    let detail = "a cell stands in a column without a name";
                    return Err(Error::new(Code::BodyNotJson, detail));
                }
                Column::Field(name) => {
                    body.insert(name.clone(), cell.into());
                }
                Column::Flag(name) => {
                    body.insert(name.clone(), flag(cell));
                }
                Column::Names(name) if cell == NO_NAMES => {
                    body.insert(name.clone(), Value::Array(Vec::new()));
                }
                Column::Names(name) => {
                    // An export says where each stands.
                    let bare = |name: &str| name.split(':').next().unwrap_or(name).trim().into();
                    let names = cell.split('|').map(bare);
                    body.insert(name.clone(), Value::Array(names.collect()));
                }
                Column::Json(name) => {
                    body.insert(name.clone(), json(name, cell)?);
                }
                Column::Below(name, part) => {
                    let object = body
                        .entry(name.clone())
                        .or_insert_with(|| Map::new().into());
                    if let Value::Object(object) = object {
                        let text = if name == "metadata" { whole } else { cell };
                        object.insert(part.clone(), text.into());
                    }
                }
                Column::Entry(name, place, part) => set(&mut lists, name, *place, part, cell),
            }
        }
        for (name, entries) in lists {
            let entries = entries.into_iter().map(Value::Object).collect();
            body.insert(name.to_owned(), Value::Array(entries));
        }
        Ok(body)
    }
}

/// A name as the header means it.
fn name_of(cell: &str) -> &str {
    plain(cell.trim_start_matches('\u{feff}').trim())
}

/// Refuses a header under which no row would be read rightly, and says what to do.
fn judge(names: &[&str]) -> Result<(), String> {
    let known = |name: &&&str| is_known(name);
    if !names.iter().any(|name| known(&name)) {
        for (separator, called) in [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")] {
            let parts = names.iter().flat_map(|name| name.split(separator));
            if parts.clone().count() > names.len() && parts.map(str::trim).any(is_known) {
                return Err(format!(
                    "the columns are separated by {called}; save the file with commas"
                ));
            }
        }
        // What stands there may be a person, so it is not repeated.
        let hint = names.iter().find_map(|name| nearest(name, &FIELDS));
        let hint = hint.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
        return Err(format!(
            "none of the {} columns is a field{hint}; the first line must name them, like firstName,lastName,email. Known are {}",
            names.len(),
            FIELDS.join(", ")
        ));
    }
    for (place, name) in names.iter().enumerate() {
        if names[..place].contains(name) && !name.is_empty() {
            return Err(format!("the column {name} stands twice"));
        }
        if !name.is_empty() && !is_known(name) {
            let hint = match nearest(name, &FIELDS) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {}", FIELDS.join(", ")),
            };
            return Err(format!("the column {name} is no field; {hint}"));
        }
        let part = |other: &&&str| {
            other
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        if let Some(other) = names.iter().find(part).filter(|_| !name.is_empty()) {
            return Err(format!(
                "the columns {name} and {other} would write over each other; put all of it into one of the two forms"
            ));
        }
    }
    Ok(())
}

/// Whether a body has a field at such a path.
fn is_known(name: &str) -> bool {
    match name.split_once('.') {
        None => FIELDS.contains(&name) || EXPORTED.contains(&name),
        Some(("metadata", key)) => !key.is_empty(),
        Some(("residentialAddress", part)) => ADDRESS_FIELDS.contains(&part),
        Some(("identifyingInformation", rest)) => {
            let part = rest.split_once('.').map_or(rest, |(_, part)| part);
            DOCUMENT_FIELDS.contains(&part)
        }
        Some(_) => false,
    }
}

/// Refuses to bring back a customer who was deactivated.
fn check_exported(name: &str, value: &str) -> Result<()> {
    if name != "status" || value == "active" {
        return Ok(());
    }
    let invalid = Invalid::new(
        FieldCode::ValueInvalid,
        "must be active: who was deactivated is not imported again",
    );
    Err(Error::invalid_fields(vec![invalid.at("/status")]))
}

/// A line of an export as the body of a create: without what answers add, and with the names of
/// the endorsements alone.
pub(super) fn without_answer(mut body: Map<String, Value>) -> Result<Map<String, Value>> {
    if body.get("object").and_then(Value::as_str) != Some("customer") {
        return Ok(body);
    }
    if let Some(status) = body.get("status").and_then(Value::as_str) {
        check_exported("status", status)?;
    }
    body.retain(|name, _| !EXPORTED.contains(&name.as_str()));
    if let Some(Value::Array(endorsements)) = body.get_mut("endorsements") {
        for one in endorsements {
            let name = one.get("name").cloned();
            *one = name.unwrap_or_else(|| one.take());
        }
    }
    Ok(body)
}

/// What an export adds that no body sets.
const EXPORTED: [&str; 7] = [
    "id",
    "object",
    "status",
    "wallets",
    "signedAgreementAt",
    "createdAt",
    "updatedAt",
];

fn column(name: &str) -> Result<Column, String> {
    if name.is_empty() {
        return Ok(Column::Nameless);
    }
    if EXPORTED.contains(&name) {
        return Ok(Column::Exported(name.into()));
    }
    Ok(match name.split_once('.') {
        None => match name {
            "signedAgreement" => Column::Flag(name.into()),
            "endorsements" => Column::Names(name.into()),
            "metadata" | "identifyingInformation" => Column::Json(name.into()),
            _ => Column::Field(name.into()),
        },
        Some(("identifyingInformation", rest)) => {
            let (place, part) = rest
                .split_once('.')
                .and_then(|(place, part)| Some((place.parse().ok()?, part)))
                .filter(|(place, _)| *place < MOST_ENTRIES)
                .ok_or_else(|| {
                    format!("the column {name} should be like identifyingInformation.0.type")
                })?;
            Column::Entry("identifyingInformation".into(), place, part.into())
        }
        Some((name, part)) => Column::Below(name.into(), part.into()),
    })
}

fn json(name: &str, cell: &str) -> Result<Value> {
    // The one reader that refuses repeated names reads objects.
    let wrapped = format!("{{\"cell\":{cell}}}");
    parse_object(wrapped.as_bytes())
        .ok()
        .and_then(|mut object| object.remove("cell"))
        .ok_or_else(|| {
            let invalid = Invalid::new(FieldCode::TypeInvalid, "must be JSON");
            Error::invalid_fields(vec![invalid.at(format!("/{name}"))])
        })
}

/// Puts a cell into an entry of a list. Entries without any cell before it stand as
/// empty objects, so that the pointers of errors name the columns.
fn set<'a>(
    lists: &mut Vec<(&'a str, Vec<Map<String, Value>>)>,
    name: &'a str,
    place: usize,
    part: &str,
    cell: &str,
) {
    let known = lists.iter().position(|(other, _)| *other == name);
    let at = known.unwrap_or_else(|| {
        lists.push((name, Vec::new()));
        lists.len() - 1
    });
    let entries = &mut lists[at].1;
    if entries.len() <= place {
        entries.resize_with(place + 1, Map::new);
    }
    entries[place].insert(part.to_owned(), cell.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(header: &[&str], cells: &[&str]) -> Value {
        let header = Header::read(&header.to_vec().into()).unwrap();
        Value::Object(header.body(&cells.to_vec().into()).unwrap())
    }

    #[test]
    fn a_header_of_paths_makes_a_body() {
        let made = body(
            &[
                "firstName",
                "email",
                "signedAgreement",
                "residentialAddress.city",
                "identifyingInformation.0.type",
                "identifyingInformation.0.number",
                "metadata.plan.x",
                "endorsements",
            ],
            &["Ada", "", "true", "Paris", "ssn", "1", "gold", "basic|usd"],
        );
        let wanted = json!({
            "type": "individual", "firstName": "Ada", "signedAgreement": true, "residentialAddress": {"city": "Paris"},
            "identifyingInformation": [{"type": "ssn", "number": "1"}], "metadata": {"plan.x": "gold"},
            "endorsements": ["basic", "usd"],
        });
        assert_eq!(made, wanted);
        assert_eq!(
            body(&["endorsements"], &[" [] "]),
            json!({"type": "individual", "endorsements": []})
        );
        assert_eq!(
            body(&["type", "metadata"], &["x", "{\"a\":1}"]),
            json!({"type": "x", "metadata": {"a": 1}})
        );
    }

    #[test]
    fn a_header_that_cannot_be_is_refused() {
        for bad in [
            &["email", "email"][..],
            &["a", "b"],
            &["email", "nonsense"],
            &["firstName;lastName;email"],
            &["Ada", "Lovelace", "ada@example.com"],
            &["metadata.plan", "metadata"],
            &["metadata", "metadata.plan"],
            &["residentialAddress", "residentialAddress.city"],
            &["identifyingInformation", "identifyingInformation.0.type"],
            &[""],
            &["identifyingInformation.x.type"],
            &["identifyingInformation.100.type"],
        ] {
            assert!(Header::read(&bad.to_vec().into()).is_err(), "{bad:?}");
        }
    }
}
