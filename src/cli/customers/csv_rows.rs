//! CSV as bodies: the header names the path of each field, an empty cell is an
//! absent field.
//!
//! `residentialAddress.city` stands below an object, `identifyingInformation.0.type`
//! below a list, `metadata.plan` sets one key (whose name may hold more dots).
//! `endorsements` is a list like `basic|usd`. A column `metadata` or
//! `identifyingInformation` holds JSON. Cells of `metadata.…` are texts.

use serde_json::{Map, Value};

use crate::error::{Error, FieldCode, Invalid, Result};
use crate::http::customer_body::CUSTOMER_TYPE;
use crate::http::json::parse_object;

/// Entries of the longest list that a header may name.
const MOST_ENTRIES: usize = 100;

/// Where the cells of each column go.
pub(super) struct Header {
    columns: Vec<Column>,
    has_type: bool,
}

enum Column {
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
        let mut columns: Vec<Column> = Vec::with_capacity(record.len());
        for (place, name) in record.iter().enumerate() {
            let name = name.trim();
            if name.is_empty() {
                return Err(format!("column {} has no name", place + 1));
            }
            if record.iter().take(place).any(|other| other.trim() == name) {
                return Err(format!("the column {name} stands twice"));
            }
            columns.push(column(name)?);
        }
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
        for (column, cell) in self.columns.iter().zip(record) {
            if cell.is_empty() {
                continue;
            }
            match column {
                Column::Field(name) => {
                    body.insert(name.clone(), cell.into());
                }
                Column::Flag(name) => {
                    body.insert(name.clone(), flag(cell));
                }
                Column::Names(name) => {
                    let names = cell.split('|').map(|name| name.trim().into());
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
                        object.insert(part.clone(), cell.into());
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

fn column(name: &str) -> Result<Column, String> {
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

fn flag(cell: &str) -> Value {
    match cell {
        "true" => true.into(),
        "false" => false.into(),
        // Refused where the field is read, with its pointer.
        other => other.into(),
    }
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
            body(&["type", "metadata"], &["x", "{\"a\":1}"]),
            json!({"type": "x", "metadata": {"a": 1}})
        );
    }

    #[test]
    fn a_header_that_cannot_be_is_refused() {
        for bad in [
            &["a", "a"][..],
            &["a", ""],
            &["identifyingInformation.x.type"],
            &["identifyingInformation.100.type"],
        ] {
            assert!(Header::read(&bad.to_vec().into()).is_err(), "{bad:?}");
        }
    }
}
