//! What the people who run the platform do with projects, policies and
//! endorsements; the command line calls it today, a console later.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::api_key::Mode;
use super::decision::{Judgement, judge};
use super::endorsement::{EndorsementName, EndorsementSet, EndorsementStatus};
use super::evaluation::{Facts, Known, evaluate};
use super::event::{self, Detail, Event, EventKind, INSTALLATION, Origin};
use super::installation::Installation;
use super::policy::Policy;
use super::project::{Project, Verification};
use super::references::References;
use super::roster::{self, Customer, Draft};
use super::verification::{Settled, run_checks};
use crate::config::Config;
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::id::{CustomerId, VerificationId};
use crate::store::Tx;
use crate::store::customer::{self, Filter};
use crate::store::event as event_rows;
use crate::store::project::{self, ProjectRow};
use crate::store::verification::{self, VerificationRow};

/// Customers read at once.
const BATCH: usize = 500;

/// Verifications that are ordered again in one transaction.
const ORDERS: i64 = 500;

/// An installation with the clock, the policy and the person at the desk.
pub struct Desk {
    /// The opened data folder.
    pub installation: Installation,
    /// Clock and randomness.
    pub context: Context,
    /// The policy of projects without one of their own.
    pub policy: Arc<Policy>,
    /// Who sits there.
    pub origin: Origin,
    /// Whether approvals and rejections want a second person.
    pub two_people: bool,
    config: Config,
}

/// How many customers a policy would bring from one status to another.
pub type Moves = BTreeMap<(&'static str, &'static str, &'static str), u64>;

impl Desk {
    /// Opens the data folder for somebody.
    ///
    /// # Errors
    /// As [`Installation::open`], or when the policy file does not stand.
    pub async fn open(config: &Config, context: Context, origin: Origin) -> Result<Self> {
        let installation = Installation::open(config, &context).await?;
        Ok(Self {
            policy: installation.policy(config)?,
            installation,
            context,
            origin,
            two_people: config.review_two_people,
            config: config.clone(),
        })
    }

    async fn references(&self) -> Result<References> {
        References::load(&self.config, &self.installation.store).await
    }

    /// Every project.
    ///
    /// # Errors
    /// When the store is away or a policy does not stand.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        let rows = self.installation.store.read(project::all).await?;
        rows.iter()
            .map(|row| Project::from_row(row, &self.policy, &self.installation.secrets.rows))
            .collect()
    }

    /// The row of a project.
    ///
    /// # Errors
    /// `notFound` when there is none of this name and mode.
    pub async fn project(&self, name: &str, mode: Mode) -> Result<ProjectRow> {
        let rows = self.installation.store.read(project::all).await?;
        rows.into_iter()
            .find(|row| row.name == name && row.mode == mode)
            .ok_or_else(|| Error::internal(format!("there is no {} project {name}", mode.name())))
    }

    /// Sets a project.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn set(
        &self,
        number: i64,
        verification: Option<Verification>,
        policy: Option<String>,
    ) -> Result<()> {
        let now = self.context.now();
        let store = &self.installation.store;
        let secrets = Arc::clone(&self.installation.secrets);
        let event = Event {
            kind: EventKind::ProjectChanged,
            detail: Detail {
                to: verification.map(|verification| verification.name().to_owned()),
                changed: policy.iter().map(|_| "policy".to_owned()).collect(),
                ..Detail::default()
            },
        };
        let place = (number, INSTALLATION);
        let event = event::seal(&[event], place, &self.origin, &secrets.audit, &self.context)?;
        store
            .write(move |tx| {
                project::genuine(tx, number, &secrets.rows)?;
                if let Some(verification) = verification {
                    project::set_verification(tx, number, verification.name())?;
                }
                if let Some(source) = &policy {
                    project::add_policy(tx, number, source, now)?;
                }
                let mac = project::stamp(tx, number, &secrets.rows)?;
                event_rows::append(tx, &event.leaving(&mac), false)
            })
            .await
    }

    /// A customer of whatever project, with the project.
    ///
    /// # Errors
    /// When there is none.
    pub async fn customer(&self, id: &str) -> Result<(Customer, Project)> {
        let missing = || Error::internal(format!("there is no customer {id}"));
        let id = CustomerId::parse(id).ok_or_else(missing)?;
        for project in self.projects().await? {
            let number = project.number;
            let find = move |tx: &mut crate::store::Tx<'_>| customer::find(tx, number, id);
            let Some(found) = self.installation.store.read(find).await? else {
                continue;
            };
            let opened = Customer::open(found, &self.installation.master)?;
            return Ok((opened.ok_or_else(missing)?, project));
        }
        Err(missing())
    }

    /// The customers of a project with an endorsement that a person can act on.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn waiting(
        &self,
        project: &Project,
        status: EndorsementStatus,
        limit: usize,
    ) -> Result<Vec<(Customer, EndorsementName)>> {
        let mut found = Vec::new();
        for name in EndorsementName::ALL {
            let mut filter = everybody(project.number);
            filter.endorsement = Some((name, Some(status)));
            filter.limit = limit.min(BATCH);
            while found.len() < limit {
                let page = filter.clone();
                let read = move |tx: &mut crate::store::Tx<'_>| customer::page(tx, &page);
                let page = self.installation.store.read(read).await?;
                for row in page.rows {
                    if let Some(customer) = Customer::open(row, &self.installation.master)? {
                        found.push((customer, name));
                    }
                }
                let Some(next) = page.next else { break };
                filter.before = next;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The verification by the provider that a customer waits for, if there is one.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn verification(&self, customer: &Customer) -> Result<Option<VerificationRow>> {
        let review = customer.review.as_ref();
        let Some(id) = review.and_then(|review| review.verification) else {
            return Ok(None);
        };
        let find = move |tx: &mut crate::store::Tx<'_>| verification::find(tx, id);
        self.installation.store.read(find).await
    }

    /// Has the provider asked again, from the first attempt, about everybody of a project
    /// whom it could not be asked about, each with its note in the audit log; gives their
    /// number.
    ///
    /// # Errors
    /// When the store is away; what was asked by then stays so.
    pub async fn ask_again(&self, project: &Project) -> Result<usize> {
        let (store, number) = (&self.installation.store, project.number);
        let (mut behind, mut asked) = (VerificationId::from_bytes([0; 16]), 0);
        loop {
            let page = move |tx: &mut Tx<'_>| verification::given_up(tx, number, behind, ORDERS);
            let page = store.read(page).await?;
            let Some((last, _)) = page.last() else {
                return Ok(asked);
            };
            behind = *last;
            let notes = page.into_iter().map(|(id, customer)| {
                let event = [Event::of_customer(EventKind::VerificationAskedAgain, &[])];
                let (key, context) = (&self.installation.secrets.audit, &self.context);
                let place = (number, customer);
                Ok((id, event::seal(&event, place, &self.origin, key, context)?))
            });
            let (notes, now) = (notes.collect::<Result<Vec<_>>>()?, self.context.now());
            let write = store.write(move |tx| {
                let mut count = 0;
                for (id, note) in &notes {
                    if verification::ask_again(tx, *id, now)? {
                        event_rows::append(tx, note, false)?;
                        count += 1;
                    }
                }
                Ok(count)
            });
            asked += write.await?;
        }
    }

    /// Carries out a decision about a version of a customer that was looked at.
    ///
    /// # Errors
    /// `preconditionFailed` when somebody else was faster; those of [`judge`].
    pub async fn judge(
        &self,
        id: &str,
        judgement: &Judgement,
        version: Option<i64>,
    ) -> Result<Draft> {
        let (customer, project) = self.customer(id).await?;
        if version.is_some_and(|version| version != customer.row.version) {
            return Err(stale(customer.row.version));
        }
        let context = project.clock(&self.context);
        let references = self.references().await?;
        let by = (&project, &references);
        let draft = judge(&customer, judgement, by, &self.origin, &context)?;
        self.write(&draft).await?;
        Ok(draft)
    }

    /// Notes in the customer's history that somebody looked at personal data, and why.
    ///
    /// # Errors
    /// `preconditionFailed` when the customer is being changed.
    pub async fn note_view(&self, customer: &Customer, reason: &str) -> Result<()> {
        let mut note = Event::of_customer(EventKind::CustomerOpened, &[]);
        note.detail.reason = Some(reason.to_owned());
        let settled = Settled::unmoved(customer.row.endorsements, customer.review.clone());
        let draft = roster::endorse(customer, settled, Some(note), &self.origin, &self.context)?;
        self.write(&draft).await
    }

    async fn write(&self, draft: &Draft) -> Result<()> {
        if self.installation.store.write(draft.writer()).await? {
            return Ok(());
        }
        Err(stale(draft.row().version))
    }

    /// How many customers another policy would move, and how; and how many there are.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn diff(&self, project: &Project, policy: &Policy) -> Result<(u64, Moves)> {
        let (mut seen, mut moves) = (0, Moves::new());
        let today = project.clock(&self.context).now().date();
        let references = self.references().await?;
        let mut filter = everybody(project.number);
        loop {
            let page = filter.clone();
            let read = move |tx: &mut crate::store::Tx<'_>| customer::page(tx, &page);
            let page = self.installation.store.read(read).await?;
            for row in page.rows {
                let Some(customer) = Customer::open(row, &self.installation.master)? else {
                    continue;
                };
                seen += 1;
                count_moves(&customer, (policy, &references), today, &mut moves)?;
            }
            let Some(next) = page.next else { break };
            filter.before = next;
        }
        Ok((seen, moves))
    }
}

fn count_moves(
    customer: &Customer,
    (policy, references): (&Policy, &References),
    today: jiff::civil::Date,
    moves: &mut Moves,
) -> Result<()> {
    let identity = customer.open_identity()?;
    let signed = customer.row.signed_at.is_some();
    let present = customer.row.endorsements;
    let requested: EndorsementSet = EndorsementName::ALL
        .into_iter()
        .filter(|name| present[*name as usize].is_some())
        .collect();
    let open = customer
        .review
        .as_ref()
        .map_or(&[][..], |review| &review.hits);
    let person = (&customer.profile, &identity);
    let known = Known {
        facts: Facts::of(&customer.profile, &identity, signed),
        checks: &run_checks(person, policy, references, open, today),
        decisions: customer
            .review
            .as_ref()
            .map_or(&[], |review| &review.decisions),
        present,
        requested,
    };
    let outcomes = evaluate(policy, &known);
    for (name, outcome) in EndorsementName::ALL.into_iter().zip(outcomes) {
        let (Some(from), Some(outcome)) = (present[name as usize], outcome) else {
            continue;
        };
        if from != outcome.status {
            let key = (name.name(), from.name(), outcome.status.name());
            *moves.entry(key).or_default() += 1;
        }
    }
    Ok(())
}

const fn everybody(project: i64) -> Filter {
    Filter {
        project,
        before: [0xff; 16],
        from: [0; 16],
        created_after: None,
        created_before: None,
        status: None,
        endorsement: None,
        hashes: None,
        limit: BATCH,
    }
}

fn stale(version: i64) -> Error {
    let detail = format!(
        "somebody else changed the customer, who is at version {version} or later; look again"
    );
    Error::new(Code::PreconditionFailed, detail)
}
