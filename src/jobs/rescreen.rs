//! Screens every customer again when another watch list came in force or one was removed: by one
//! process of several, in small steps, from where it was left, behind all requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::context::Time;
use crate::core::audit::run_id;
use crate::core::event::Origin;
use crate::core::project::{Project, Verification};
use crate::core::references::References;
use crate::core::rescreening::rescreen;
use crate::core::roster::{Customer, Draft};
use crate::error::{Code, Error, Result};
use crate::http::app::App;
use crate::metrics;
use crate::store::customer::{self, Found, Place};
use crate::store::rescreening::{self, Stale};
use crate::store::{Tx, watchlist};

/// How often it is looked whether there is something to do.
const PERIOD: Duration = Duration::from_secs(1);

/// How long after an import the work begins: by then servers write customers by the new
/// list, which they look for every three seconds. It only saves work: whoever is written by
/// the old one afterwards is noted, and screened again by [`catch_up`].
const SETTLED_S: i64 = 10;

/// Customers that are looked at in one step.
const BATCH: i64 = 64;

/// How often a customer is looked at who is being changed meanwhile.
const ATTEMPTS: usize = 5;

/// Rest after a step, as many times as long as it took: without requests that wait
/// for the store, and with some.
const REST_IDLE: u32 = 1;
const REST_BUSY: u32 = 4;

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// The lowest priority that a thread can have.
const NICE: i32 = 19;

/// Screens again whenever there is another list, until it is dropped.
pub async fn rescreen_forever(app: App) {
    let mut ticks = tokio::time::interval(PERIOD);
    let mut done = None;
    loop {
        ticks.tick().await;
        let references = app.references();
        let version = references.list_version();
        let looked = if version.is_some() && version == done {
            catch_up(&app, references).await.map(|()| true)
        } else {
            look(&app, references).await
        };
        match looked {
            Ok(true) => done = version,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "customers are not screened again yet; it goes on");
            }
        }
    }
}

/// Screens those again whom some server wrote by a list that was in force no longer. Several
/// processes may do so at once: the second finds nothing new.
async fn catch_up(app: &App, references: Arc<References>) -> Result<()> {
    let Some(version) = references.list_version() else {
        return Ok(());
    };
    let store = &app.installation.store;
    let read = move |tx: &mut Tx<'_>| match watchlist::version(tx)? {
        Some(newest) if newest == version => rescreening::stale(tx, BATCH),
        _ => Ok(Vec::new()),
    };
    let noted = store.read(read).await?;
    if noted.is_empty() {
        return Ok(());
    }
    let work = Work::new(app, references, version);
    let done = tokio::task::spawn_blocking(move || work.catch_up(noted)).await;
    done.unwrap_or_else(|error| Err(Error::internal(error)))
}

/// Does what there is to do; `true` when everybody is screened by this list.
async fn look(app: &App, references: Arc<References>) -> Result<bool> {
    let Some(version) = references.list_version() else {
        return Ok(true);
    };
    let store = &app.installation.store;
    let read = store.read(move |tx| Ok((watchlist::newest(tx)?, rescreening::find(tx, version)?)));
    let (newest, known) = read.await?;
    if known.is_some_and(|known| known.finished_at.is_some()) {
        return Ok(true);
    }
    let ripe = |step: &watchlist::Step| {
        let since_s = app.context.now().as_seconds() - step.since.as_seconds();
        // One that is to come was imported by a clock that was ahead.
        step.version == version && !(0..SETTLED_S).contains(&since_s)
    };
    if !newest.as_ref().is_some_and(ripe) {
        return Ok(false);
    }
    let (told, done) = oneshot::channel();
    let work = Work::new(app, references, version);
    // A thread of its own, because a priority that was lowered stays low.
    std::thread::Builder::new()
        .name("rescreen".into())
        .spawn(move || {
            if let Err(error) = rustix::process::nice(NICE) {
                tracing::debug!(%error, "screening again keeps the priority of requests");
            }
            metrics::RESCREENING.rise();
            let done = work.run();
            metrics::RESCREENING.fall();
            _ = told.send(done);
        })
        .map_err(Error::internal)?;
    done.await
        .unwrap_or_else(|_| Err(Error::internal("screening again ended in the middle")))
}

/// One process at work on one list.
struct Work {
    app: App,
    runtime: Handle,
    references: Arc<References>,
    version: i64,
    origin: Origin,
}

impl Work {
    fn new(app: &App, references: Arc<References>, version: i64) -> Self {
        Self {
            app: app.clone(),
            runtime: Handle::current(),
            references,
            version,
            origin: Origin {
                actor: format!("watchlist:{version}"),
                request_id: run_id(&app.context),
            },
        }
    }

    /// Screens customers who are noted, and takes their notes away.
    fn catch_up(&self, noted: Vec<Stale>) -> Result<()> {
        let store = &self.app.installation.store;
        let projects = self.runtime.block_on(self.app.projects())?;
        for stale in noted {
            let Stale {
                project: number,
                customer: id,
                ..
            } = stale;
            let find = store.read(move |tx| customer::find(tx, number, id));
            let found = self.runtime.block_on(find)?;
            let project = projects.iter().find(|project| project.number == number);
            match (found, project) {
                (Some(found), Some(project)) => self.look_at(found, project)?,
                (None, _) => {}
                // Made since.
                (Some(_), None) => continue,
            }
            let forget = store.write(move |tx| rescreening::forget_stale(tx, stale));
            self.runtime.block_on(forget)?;
            metrics::RESCREENED.add();
        }
        Ok(())
    }

    /// Goes on from where it was left; `true` when it came to the end.
    fn run(&self) -> Result<bool> {
        let (version, process, now) = (self.version, self.app.process, self.now());
        let store = &self.app.installation.store;
        let claim = store.write(move |tx| rescreening::claim(tx, version, process, now));
        let Some(left) = self.runtime.block_on(claim)? else {
            return Ok(false);
        };
        for project in self.runtime.block_on(self.app.projects())? {
            if project.verification != Verification::Policy || project.number < left.place.0 {
                continue;
            }
            let mut place = (project.number, [0; 16]);
            place = place.max(left.place);
            while let Some(next) = self.step(&project, place)? {
                if next == place {
                    return Ok(false);
                }
                place = next;
            }
        }
        let now = self.now();
        let finish = store.write(move |tx| rescreening::finish(tx, version, process, now));
        self.runtime.block_on(finish)
    }

    /// Looks at the next few customers: the place behind them, the same place when
    /// the work is somebody else's now, `None` when there are no more.
    fn step(&self, project: &Project, place: Place) -> Result<Option<Place>> {
        let store = &self.app.installation.store;
        if self.app.references().list_version() != Some(self.version) {
            return Ok(Some(place));
        }
        if store.is_overloaded() {
            self.rest(LONGEST_REST);
        }
        let began = Instant::now();
        let page = store.read(move |tx| customer::page_upwards(tx, place.0, &place.1, BATCH));
        let page = self.runtime.block_on(page)?;
        let Some((last, _)) = page.last() else {
            return Ok(None);
        };
        let next = (place.0, *last.id.as_bytes());
        let count = page.len();
        for found in page {
            self.look_at(found, project)?;
            metrics::RESCREENED.add();
        }
        let (version, process) = (self.version, self.app.process);
        let more = i64::try_from(count).map_err(Error::internal)?;
        let advance =
            store.write(move |tx| rescreening::advance(tx, version, (&next, more), process));
        let ours = self.runtime.block_on(advance)?;
        let depth = store.depth();
        let rest = if depth.reads + depth.writes > 0 {
            REST_BUSY
        } else {
            REST_IDLE
        };
        self.rest((began.elapsed() * rest).min(LONGEST_REST));
        Ok(Some(if ours { next } else { place }))
    }

    /// Writes what is new of one customer, as the customer is by then.
    fn look_at(&self, found: Found, project: &Project) -> Result<()> {
        let (number, id) = (found.0.project, found.0.id);
        let store = &self.app.installation.store;
        let mut found = Some(found);
        for _ in 0..ATTEMPTS {
            let Some(row) = found.take() else {
                return Ok(());
            };
            let draft = match self.judge(row, project) {
                Ok(Some(draft)) => draft,
                Ok(None) => return Ok(()),
                Err(error) if error.code() == Code::ServiceUnavailable => return Err(error),
                // A row that was altered must not keep everybody else from being screened.
                Err(error) => {
                    let cause = error.cause().map(ToString::to_string).unwrap_or_default();
                    tracing::error!(%id, cause, "a customer does not open and is not screened again");
                    metrics::RESCREENING_PASSED_OVER.add();
                    return Ok(());
                }
            };
            let (version, process, write) = (self.version, self.app.process, draft.writer());
            let written = store.write(move |tx| {
                if !write(tx)? {
                    return Ok(false);
                }
                if !rescreening::count_change(tx, version, process)? {
                    return Err(Error::internal("another process screens again now"));
                }
                Ok(true)
            });
            if self.runtime.block_on(written)? {
                metrics::RESCREENED_ANEW.add();
                return Ok(());
            }
            found = self
                .runtime
                .block_on(store.read(move |tx| customer::find(tx, number, id)))?;
        }
        Err(Error::unavailable(
            "a customer is being changed all the time",
            1,
        ))
    }

    /// What is new of a customer; `None` when nothing is.
    fn judge(&self, found: Found, project: &Project) -> Result<Option<Draft>> {
        let Some(customer) = Customer::open(found, &self.app.installation.master)? else {
            return Ok(None);
        };
        let (references, context) = (&self.references, &self.app.context);
        rescreen(&customer, project, references, &self.origin, context)
    }

    fn rest(&self, time: Duration) {
        // Made within the runtime, whose clock it is.
        self.runtime
            .block_on(async { tokio::time::sleep(time).await });
    }

    fn now(&self) -> Time {
        self.app.context.now()
    }
}
