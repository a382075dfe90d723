//! Asks the verification provider about the customers whose turn it is: claims an attempt
//! with a lease, opens the customer, sends one signed request, notes what became of it.
//!
//! Killed anywhere, the claim ends and the customer is asked about again, under the same id.
//! What was opened goes to the provider only, never into a log or an error.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::context::{Context, Random, Time};
use crate::core::event::{self, Origin};
use crate::core::provider::{self, Provider, Subject};
use crate::core::roster::Customer;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::http::app::App;
use crate::http::verification::SIGNATURE_HEADERS;
use crate::metrics;
use crate::outbound::{Limits, Outbound, Request, Resolver};
use crate::store::customer::{self, Found};
use crate::store::event as event_rows;
use crate::store::verification::{self, Attempt, VerificationRow};

/// How often somebody is looked for.
const PERIOD: Duration = Duration::from_millis(500);

/// Requests to the provider at a time.
const AT_ONCE: i64 = 16;

/// A lease in times of `verification_timeout`: the attempt has ended long before.
const LEASE: u32 = 3;

/// The growth of the waits between attempts.
const GROWTH: i64 = 3;

/// The longest wait, before it is jittered: six hours.
const LONGEST_WAIT_MS: i64 = 6 * 3600 * 1000;

/// Asks about everybody whose time has come, until it is dropped; without a provider nobody.
///
/// # Errors
/// When the authorities of the settings cannot be used.
pub fn ask_provider(app: App) -> Result<impl Future<Output = ()> + Send> {
    let provider = app.provider.clone();
    let asking = provider.map(|provider| {
        let client = client(&app)?;
        Ok(Arc::new(Asking { provider, client }))
    });
    let asking: Option<Arc<Asking>> = asking.transpose()?;
    Ok(async move {
        let Some(asking) = asking else { return };
        let mut ticks = tokio::time::interval(PERIOD);
        loop {
            ticks.tick().await;
            while ask_due(&app, &asking).await {}
        }
    })
}

/// The provider, and what goes there.
struct Asking {
    provider: Provider,
    client: Outbound,
}

fn client(app: &App) -> Result<Outbound> {
    let limits = Limits {
        connect: app.config.verification_timeout,
        total: app.config.verification_timeout,
    };
    let authorities = app.config.outbound_ca_file.as_deref();
    Outbound::with(authorities, Resolver::System, limits)
}

/// Asks about a few of those whose time has come; whether there may be more of them, and
/// nothing speaks against going on.
async fn ask_due(app: &App, asking: &Arc<Asking>) -> bool {
    let due = read_due(app).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "whom to ask the verification provider about could not be read");
        Vec::new()
    });
    let mut sound = !due.is_empty();
    let mut running = JoinSet::new();
    for (row, found) in due {
        let (app, asking) = (app.clone(), Arc::clone(asking));
        running.spawn(async move { ask(&app, &asking, row, found).await });
    }
    while let Some(done) = running.join_next().await {
        if let Err(error) = done.map_err(Error::internal).flatten() {
            tracing::warn!(%error, "an attempt at the verification provider could not be noted");
            sound = false;
        }
    }
    sound
}

/// Those whose time has come, with their customers.
async fn read_due(app: &App) -> Result<Vec<(VerificationRow, Option<Found>)>> {
    let now = app.context.settled_now();
    let latest = now.plus_seconds(longest_wait_s(&app.config));
    let due = app.installation.store.read(move |tx| {
        let due = verification::due(tx, (now, latest), AT_ONCE)?;
        let with_customer = |row: VerificationRow| {
            let found = customer::find(tx, row.project, row.customer)?;
            Ok((row, found))
        };
        due.into_iter().map(with_customer).collect()
    });
    due.await
}

/// One attempt about one customer.
async fn ask(app: &App, asking: &Asking, row: VerificationRow, found: Option<Found>) -> Result<()> {
    let store = &app.installation.store;
    let opened = found.map(|found| Customer::open(found, &app.installation.master));
    let customer = match opened.transpose().map(Option::flatten) {
        Ok(Some(customer)) if provider::is_awaited(row.id, &customer) => Ok(customer),
        Ok(_) => {
            return store
                .write(move |tx| verification::supersede(tx, row.id))
                .await;
        }
        Err(error) => Err(error),
    };
    let attempt = Attempt {
        id: row.id,
        number: row.attempts + 1,
    };
    let most = i64::from(app.config.verification_attempts);
    if row.attempts >= most {
        let trouble = row.trouble.unwrap_or_else(|| match row.accepted_at {
            Some(at) => format!("the provider took the request at {at} and gave no result"),
            None => "the attempts did not end".to_owned(),
        });
        let last = Attempt {
            number: row.attempts,
            ..attempt
        };
        return store
            .write(move |tx| verification::give_up(tx, last, &trouble))
            .await;
    }
    if !claim(app, &row, attempt).await? {
        return Ok(());
    }
    failpoint::reach("verification.claimed");
    let sent = match customer {
        Ok(customer) => send(app, asking, &row, &customer).await,
        Err(error) => Err(error),
    };
    failpoint::reach("verification.sent");
    note(app, attempt, sent).await
}

/// Takes the attempt, and writes into the audit log that the customer is opened for it.
async fn claim(app: &App, row: &VerificationRow, attempt: Attempt) -> Result<bool> {
    let installation = &app.installation;
    let origin = Origin {
        actor: "verification job".to_owned(),
        request_id: row.id.to_string(),
    };
    let events = [provider::opening(row.id)];
    let place = (row.project, row.customer);
    let key = &installation.secrets.audit;
    let event = event::seal(&events, place, &origin, key, &app.context)?;
    let lease_s = (app.config.verification_timeout * LEASE).as_secs();
    let lease_s = i64::try_from(lease_s).unwrap_or(i64::MAX);
    let ends = app.context.settled_now().plus_seconds(lease_s);
    let process = app.process;
    let claim = installation.store.write(move |tx| {
        let claimed = verification::claim(tx, attempt, (process, ends))?;
        if claimed {
            event_rows::append(tx, &event, false)?;
        }
        Ok(claimed)
    });
    claim.await
}

/// Opens the customer and sends the request.
async fn send(
    app: &App,
    asking: &Asking,
    row: &VerificationRow,
    customer: &Customer,
) -> Result<()> {
    let provider = &asking.provider;
    let project = app.project_numbered(row.project).await?;
    let project = project.ok_or_else(|| Error::internal("a verification has no project"))?;
    let review = customer.review.as_ref();
    let endorsements = review.map(|review| review.awaiting_provider(&customer.row.endorsements));
    let version = &app.config.api_versions[0];
    let subject = Subject {
        id: row.id,
        requested_at: row.requested_at,
        customer: row.customer,
        project: &project,
        endorsements: endorsements.unwrap_or_default(),
        result_path: &format!("/{version}/verifications/{}/result", row.id),
    };
    let identity = customer.open_identity()?;
    let body = provider::request(&subject, &customer.profile, &identity);
    let request = signed(provider, &row.id.to_string(), app.context.now(), body)?;
    let answer = asking.client.send(&request, provider.reach).await;
    // What else it says is not looked at: it may repeat what it was sent.
    match answer.map(|answer| answer.status) {
        Ok(200..=299) => Ok(()),
        Ok(status) => Err(Error::internal(format!("the provider answered {status}"))),
        Err(failure) => Err(Error::internal(failure.to_string())),
    }
}

/// Notes what became of an attempt.
async fn note(app: &App, attempt: Attempt, sent: Result<()>) -> Result<()> {
    let (config, now) = (&app.config, app.context.settled_now());
    let store = &app.installation.store;
    let Err(error) = sent else {
        metrics::PROVIDER_ASKED.add();
        let seconds = i64::try_from(config.verification_answer.as_secs()).unwrap_or(i64::MAX);
        let again = now.plus_seconds(seconds);
        let accepted_at = app.context.now();
        return store
            .write(move |tx| verification::accepted(tx, attempt, accepted_at, again))
            .await;
    };
    metrics::PROVIDER_FAILED.add();
    let trouble = error
        .cause()
        .map_or_else(|| error.detail().to_owned(), ToString::to_string);
    tracing::warn!(
        verification = %attempt.id,
        attempt = attempt.number,
        trouble,
        "the verification provider did not take a request"
    );
    if attempt.number >= i64::from(config.verification_attempts) {
        return store
            .write(move |tx| verification::give_up(tx, attempt, &trouble))
            .await;
    }
    let again = next_attempt(config.verification_retry, attempt.number, now, &app.context);
    store
        .write(move |tx| verification::failed(tx, attempt, &trouble, again))
        .await
}

/// When to try again after so many attempts: the waits grow, and no two are the same.
fn next_attempt(first: Duration, attempts: i64, now: Time, context: &Context) -> Time {
    let first_ms = i64::try_from(first.as_millis()).unwrap_or(i64::MAX);
    let grown = (1..attempts).fold(first_ms, |wait, _| wait.saturating_mul(GROWTH));
    let wait = grown.min(LONGEST_WAIT_MS);
    Time::from_millis(now.as_millis() + jitter(wait, &context.random))
}

/// Seconds that nothing here is planned ahead by more than.
fn longest_wait_s(config: &Config) -> i64 {
    let longest = config
        .verification_answer
        .max(config.verification_timeout * LEASE);
    let longest_s = i64::try_from(longest.as_secs()).unwrap_or(i64::MAX);
    longest_s.max(LONGEST_WAIT_MS * 5 / 4000).saturating_add(1)
}

/// Between three quarters and five quarters of a wait.
fn jitter(wait: i64, random: &Random) -> i64 {
    let share = i64::from(u16::from_be_bytes(random.bytes()));
    wait * 3 / 4 + wait / 2 * share / i64::from(u16::MAX)
}

/// A signed request. Its body is wiped when it was sent.
fn signed<'a>(
    provider: &'a Provider,
    id: &str,
    now: Time,
    body: Zeroizing<Vec<u8>>,
) -> Result<Request<'a>> {
    let signature = provider.keys.sign(id, now, &body);
    let values = [id.to_owned(), now.as_seconds().to_string(), signature];
    let signature = SIGNATURE_HEADERS.into_iter().zip(values);
    let request = Request::signed(&provider.url, signature, Bytes::from_owner(body))?;
    Ok(request.from_ourselves())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Clock;

    #[test]
    fn waits_grow_to_their_limit_and_are_jittered() {
        let now = Time::from_millis(0);
        let context = Context::new(Clock::Manual(Arc::default()), Random::seeded(1));
        let mut expected = 10_000;
        for attempts in 1..20 {
            let at = next_attempt(Duration::from_secs(10), attempts, now, &context).as_millis();
            assert!(
                (expected * 3 / 4..=expected * 5 / 4).contains(&at),
                "{attempts}: {at}"
            );
            expected = (expected * GROWTH).min(LONGEST_WAIT_MS);
        }
    }
}
