//! Compares rows with what the log says of them: a customer, an API key or a project that is not
//! as its last event left it was put back, altered or taken away outside of oms.

use std::collections::HashMap;

use super::PAGE;
use super::verify::{Fault, Finding};
use crate::core::event::{self, INSTALLATION};
use crate::core::installation::Installation;
use crate::core::roster::Customer;
use crate::error::Result;
use crate::id::CustomerId;
use crate::store::customer::{self, CustomerRow};
use crate::store::event::{self as event_rows, LinkedRow};
use crate::store::{Tx, api_key, project};
use crate::vault::{KeyRing, Secrets, tag};

/// Whether a customer's row is another one than its last event left. Of a customer who did not
/// change since rows are bound no event says anything.
///
/// # Errors
/// When the store is away.
pub fn is_put_back(tx: &mut Tx<'_>, row: &CustomerRow) -> Result<bool> {
    let left = event_rows::last_state(tx, row.id.as_bytes())?;
    Ok(left.is_some_and(|left| left != tag(&row.profile)))
}

/// The projects and API keys whose rows are not as they were stored, in words.
///
/// # Errors
/// When the store is away.
pub fn altered_grants(tx: &mut Tx<'_>, secrets: &Secrets) -> Result<Vec<String>> {
    let projects = project::all(tx)?.into_iter();
    let altered = projects.filter(|row| !row.is_genuine(&secrets.rows));
    let mut found: Vec<_> = altered.map(|row| project_named(row.number)).collect();
    let keys = api_key::every(tx)?.into_iter();
    let altered = keys.filter(|stored| !stored.is_genuine(&secrets.rows));
    found.extend(altered.map(|stored| key_named(&stored.key.api_key)));
    Ok(found)
}

/// The customers of a page of the log whose rows are gone although they were made.
///
/// # Errors
/// When the store is away.
pub fn missing(tx: &mut Tx<'_>, page: &[LinkedRow]) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for LinkedRow { row, .. } in page {
        let is_new = row.sequence == 1 && row.state.is_some();
        if is_new
            && row.resource != *INSTALLATION.as_bytes()
            && !customer::exists(tx, row.project, &row.resource)?
        {
            let id = CustomerId::from_bytes(row.resource);
            found.push(finding(Fault::Missing, format!("customer {id}")));
        }
    }
    Ok(found)
}

/// What the log last said of projects and API keys.
#[derive(Clone, Default)]
pub struct Grants {
    /// The state of each, by what it is called.
    states: HashMap<String, Vec<u8>>,
}

impl Grants {
    /// Takes in a row of the log; they come in the order of a chain, and what several chains say
    /// of one is told apart by the time of the rows.
    pub fn note(&mut self, linked: &LinkedRow, secrets: &Secrets) {
        let row = &linked.row;
        let Some(state) = &row.state else { return };
        if row.resource != *INSTALLATION.as_bytes() {
            return;
        }
        // What does not open was altered, which the chain tells.
        let Ok(events) = event::open(row, &secrets.audit) else {
            return;
        };
        for event in events {
            let name = match event.detail.subject {
                Some(api_key) => key_named(&api_key),
                None => project_named(row.project),
            };
            let state = [&row.sequence.to_be_bytes()[..], state].concat();
            let known = self.states.entry(name).or_default();
            if *known < state {
                *known = state;
            }
        }
    }

    /// What is not as the log left it, beside what is not even as it was stored.
    ///
    /// # Errors
    /// When the store is away.
    pub fn compare(mut self, tx: &mut Tx<'_>, secrets: &Secrets) -> Result<Vec<Finding>> {
        let altered = altered_grants(tx, secrets)?;
        let keys = api_key::every(tx)?.into_iter();
        let keys = keys.map(|stored| (key_named(&stored.key.api_key), stored.mac));
        let projects = project::all(tx)?.into_iter();
        let projects = projects.map(|row| (project_named(row.number), row.mac));
        let mut found: Vec<_> = altered.iter().map(|name| not_as_left(name)).collect();
        for (name, mac) in keys.chain(projects) {
            let left = self.states.remove(&name);
            let is_other = left.is_some_and(|left| left[8..] != *tag(&mac.unwrap_or_default()));
            if is_other && !altered.contains(&name) {
                found.push(not_as_left(&name));
            }
        }
        let gone = self.states.into_keys();
        found.extend(gone.map(|name| finding(Fault::Missing, name)));
        Ok(found)
    }
}

/// Looks at every customer.
///
/// # Errors
/// When the store is away.
pub async fn compare_customers(installation: &Installation) -> Result<Vec<Finding>> {
    let (mut edge, mut found) = ((i64::MIN, [0; 16]), Vec::new());
    loop {
        let ring = std::sync::Arc::clone(&installation.master);
        let page = installation.store.read(move |tx| {
            let page = customer::after(tx, edge, PAGE)?;
            let last = page
                .last()
                .map(|(row, _)| (row.project, *row.id.as_bytes()));
            let mut found = Vec::new();
            for one in page {
                found.extend(look_at(tx, one, &ring)?);
            }
            Ok((last, found))
        });
        let (last, wrong) = page.await?;
        found.extend(wrong);
        let Some(last) = last else { return Ok(found) };
        edge = last;
    }
}

fn look_at(tx: &mut Tx<'_>, found: customer::Found, ring: &KeyRing) -> Result<Option<Finding>> {
    let name = format!("customer {}", found.0.id);
    if is_put_back(tx, &found.0)? || Customer::open(found, ring).is_err() {
        return Ok(Some(not_as_left(&name)));
    }
    Ok(None)
}

fn not_as_left(name: &str) -> Finding {
    finding(
        Fault::Altered,
        format!("{name}, whose row is not as its last event left it"),
    )
}

const fn finding(fault: Fault, place: String) -> Finding {
    Finding { fault, place }
}

fn key_named(api_key: &str) -> String {
    format!("API key {api_key}")
}

fn project_named(number: i64) -> String {
    format!("project {number}")
}
