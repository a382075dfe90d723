//! Binds the rows that a version before this one stored: customers are sealed anew together
//! with what stands beside them, projects and API keys get the hash of their row. That happens
//! once, at the first start of this version, which believes the rows as they are; from then on
//! an unbound row is refused.
//!
//! That it has happened says a secret of the key register (`rows`), and the audit log says it
//! as well: without the one, but with the other, nothing is bound again unless a person who
//! has the keys orders it, or an intruder could have older rows believed.

use super::audit;
use super::event::{self, Detail, Event, EventKind, INSTALLATION, Origin};
use super::installation::Installation;
use super::roster::Customer;
use super::{binding, installation};
use crate::error::{Error, Result};
use crate::store::customer::{self, Found, Resealed};
use crate::store::event as event_rows;
use crate::store::{Tx, api_key, customer_version, key_register, project};
use crate::vault::{KEY_LENGTH, is_bound};

/// Rows that are bound in one transaction.
const BATCH: i64 = 500;

/// Whether unbound rows are to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Only where rows were never bound.
    Once,
    /// Also again: whoever orders it knows where the rows come from.
    Given,
}

/// What a store says of its rows having been bound.
struct Said {
    by_register: bool,
    by_log: bool,
}

/// Binds what is to be bound.
///
/// # Errors
/// When the key register has lost that rows were bound, or the store is away.
pub async fn bind(installation: &Installation, trust: Trust) -> Result<()> {
    let said = installation.store.read(|tx| {
        Ok(Said {
            by_register: key_register::secret(tx, installation::ROWS)?.is_some(),
            by_log: event_rows::has(tx, INSTALLATION.as_bytes(), EventKind::RowsBound.name())?,
        })
    });
    let said = said.await?;
    match (said.by_register, said.by_log) {
        _ if trust == Trust::Given => {}
        (true, true) => return Ok(()),
        // A crash came between the two, or the data was restored from before.
        (true, false) => return conclude(installation, [0; 2]).await,
        (false, true) => {
            return Err(Error::internal(
                "the key register does not say any more that rows are bound, but the audit log does: \
                 the register is older than the data, or an intruder altered it. If you know \
                 where it comes from: oms migrate --bind-rows",
            ));
        }
        (false, false) => {}
    }
    let grants = installation.secrets.rows.clone();
    let bind = installation.store.write(move |tx| bind_grants(tx, &grants));
    let grants = bind.await?;
    let customers = bind_customers(installation).await? + bind_versions(installation).await?;
    conclude(installation, [customers, grants]).await
}

/// Projects and API keys, of which there are few.
fn bind_grants(tx: &mut Tx<'_>, rows: &crate::vault::RowKey) -> Result<u64> {
    let mut bound = 0;
    for row in project::all(tx)? {
        if row.mac.is_none() {
            project::stamp(tx, row.number, rows)?;
            bound += 1;
        }
    }
    for stored in api_key::every(tx)? {
        let key = &stored.key;
        if stored.mac.is_none() && key.api_key.starts_with(key.mode.key_prefix()) {
            api_key::stamp(tx, key, rows)?;
            bound += 1;
        }
    }
    Ok(bound)
}

async fn bind_customers(installation: &Installation) -> Result<u64> {
    let (store, mut edge, mut bound) = (&installation.store, (i64::MIN, [0; 16]), 0);
    loop {
        let page = store
            .read(move |tx| customer::after(tx, edge, BATCH))
            .await?;
        let Some((last, _)) = page.last() else {
            return Ok(bound);
        };
        edge = (last.project, *last.id.as_bytes());
        let resealed = page.into_iter().filter_map(|found| {
            let place = (found.0.project, found.0.id);
            Some((place, reseal(installation, found)?))
        });
        let resealed: Vec<_> = resealed.collect();
        if resealed.is_empty() {
            continue;
        }
        bound += resealed.len() as u64;
        let write = store.write(move |tx| {
            let mut resealed = resealed.iter();
            resealed.try_for_each(|(place, change)| customer::reseal(tx, *place, change))
        });
        write.await?;
        tracing::info!(bound, "customers are bound to what their rows say");
    }
}

/// What customers were before they changed.
async fn bind_versions(installation: &Installation) -> Result<u64> {
    let (store, mut edge, mut bound) = (&installation.store, ([0; 16], i64::MIN), 0);
    loop {
        let page = store.read(move |tx| customer_version::behind(tx, edge, BATCH));
        let page = page.await?;
        let Some((last, _)) = page.last() else {
            return Ok(bound);
        };
        edge = *last;
        let resealed = page
            .into_iter()
            .filter_map(|(place, found)| Some((place, reseal(installation, found)?)));
        let resealed: Vec<_> = resealed.collect();
        if resealed.is_empty() {
            continue;
        }
        bound += resealed.len() as u64;
        let write = store.write(move |tx| {
            let mut resealed = resealed.iter();
            resealed.try_for_each(|(place, change)| customer_version::reseal(tx, place, change))
        });
        write.await?;
    }
}

/// The profile of an unbound row, bound; what does not even open is told of and left alone.
fn reseal(installation: &Installation, found: Found) -> Option<Resealed> {
    if is_bound(&found.0.profile) {
        return None;
    }
    let opened = Customer::open_unbound(found, &installation.master);
    let opened = opened.inspect_err(|error| {
        let cause = error.cause().map(ToString::to_string).unwrap_or_default();
        tracing::error!(cause, "a customer is not bound");
    });
    let mut customer = opened.ok().flatten()?;
    let from = customer.row.profile.clone();
    binding::seal_profile(
        &mut customer.row,
        &customer.profile,
        &customer.key,
        &installation.context.random,
    );
    let to = customer.row.profile;
    Some(Resealed { from, to })
}

/// Says in the key register and then in the audit log that every row is bound. Not at once: of a
/// transaction over two files a power cut may leave either, and the register must not be the
/// one that is without.
async fn conclude(installation: &Installation, [customers, grants]: [u64; 2]) -> Result<()> {
    let context = &installation.context;
    let mark = context.random.bytes::<KEY_LENGTH>();
    let ring = &installation.master;
    let wrapped = ring.wrap(installation::ROWS, b"", &mark, &context.random);
    let origin = Origin {
        actor: "migration".into(),
        request_id: audit::run_id(context),
    };
    let detail = Detail {
        to: Some(format!(
            "{customers} customers, {grants} projects and API keys"
        )),
        ..Detail::default()
    };
    let events = [Event {
        kind: EventKind::RowsBound,
        detail,
    }];
    let place = (0, INSTALLATION);
    let event = event::seal(
        &events,
        place,
        &origin,
        &installation.secrets.audit,
        context,
    )?;
    let store = &installation.store;
    let register =
        store.write(move |tx| key_register::insert_secret(tx, installation::ROWS, &wrapped));
    register.await?;
    let log = store.write(move |tx| event_rows::append(tx, &event, false));
    log.await
}
