//! Reads: one customer, first and deep pages of the list, look-up by email.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::rig::{CONNECTIONS, Customer, Customers, Rig, Target, customer_id};
use crate::Result;
use crate::client::{Talk, Verdict};
use crate::http::{Answer, once};
use crate::people::Dice;
use crate::report::Step;

/// The walk that looks for deep pages ends after this.
const WALK_MAX: Duration = Duration::from_secs(30);
/// Customers on a page.
const PAGE: usize = 50;

/// GET /customers/{id} of random customers.
pub fn get(rig: &mut Rig) -> Result<()> {
    let target = rig.populated()?;
    let step = gets(rig, &target)?;
    rig.report.step_facts("get", &step);
    rig.report.steps(
        "One customer",
        "`GET /customers/{id}`, ids drawn from all customers.",
        &[step],
    );
    Ok(())
}

/// First and deep pages.
pub fn list(rig: &mut Rig) -> Result<()> {
    let target = rig.populated()?;
    let steps = lists(rig, &target, "list")?;
    let note = "`GET /customers?limit=50`; a deep page is one of the deeper half of those that a walk along the cursors found.";
    rig.report.steps("Lists", note, &steps);
    Ok(())
}

/// GET /customers?email=… of random customers.
pub fn filter(rig: &mut Rig) -> Result<()> {
    let target = rig.populated()?;
    let step = known(rig, &target, "filter", Ask::Email)?;
    rig.report.step_facts("filter", &step);
    rig.report.steps(
        "Look-up by email",
        "`GET /customers?email=…`, each with one customer to find.",
        &[step],
    );
    Ok(())
}

/// One step of GET /customers/{id}.
pub fn gets(rig: &Rig, target: &Target) -> Result<Step> {
    known(rig, target, "get", Ask::Id)
}

/// A step of first pages and one of deep pages; keeps their facts under `name`.
pub fn lists(rig: &mut Rig, target: &Target, name: &str) -> Result<Vec<Step>> {
    let first = rig.step(target, "first page", CONNECTIONS, || {
        Box::new(Pages::new(target, &Arc::default(), 0))
    })?;
    rig.report.step_facts(&format!("{name}.first"), &first);
    let mut steps = vec![first];
    let cursors = walk(target)?;
    if cursors.is_empty() {
        return Ok(steps);
    }
    let (from, until) = (cursors.len() / 2, cursors.len());
    let deep: Arc<Vec<String>> = Arc::new(cursors[from..].to_vec());
    let title = format!(
        "deep, {} to {} customers down",
        (from + 1) * PAGE,
        until * PAGE
    );
    let turn = AtomicU64::new(rig.options.seed);
    let step = rig.step(target, &title, CONNECTIONS, || {
        let seed = turn.fetch_add(1, Ordering::Relaxed);
        Box::new(Pages::new(target, &deep, seed))
    })?;
    rig.report.step_facts(&format!("{name}.deep"), &step);
    steps.push(step);
    Ok(steps)
}

/// The cursors of all pages, one after the other, as far as time allows.
fn walk(target: &Target) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        has_more: bool,
        cursor: Option<String>,
    }
    let start = Instant::now();
    let mut cursors: Vec<String> = Vec::new();
    while start.elapsed() < WALK_MAX {
        let mut request = Vec::new();
        ask_page(target, cursors.last().map(String::as_str), &mut request);
        let (status, body) = once(target.address, &request)?;
        if status != 200 {
            return Err(format!(
                "GET /customers: {status} {}",
                String::from_utf8_lossy(&body)
            )
            .into());
        }
        match serde_json::from_slice(&body)? {
            Page {
                has_more: true,
                cursor: Some(cursor),
            } => cursors.push(cursor),
            _ => break,
        }
    }
    Ok(cursors)
}

fn ask_page(target: &Target, cursor: Option<&str>, out: &mut Vec<u8>) {
    match cursor {
        None => target.get(format_args!("/customers?limit={PAGE}"), out),
        Some(cursor) => target.get(
            format_args!("/customers?limit={PAGE}&cursor={}", escape(cursor)),
            out,
        ),
    }
}

/// A query value with everything escaped that is not plainly harmless.
fn escape(value: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = value.bytes().map(|byte| {
        if harmless(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    escaped.collect()
}

/// Asks for pages: the first, or any of the given cursors.
struct Pages {
    target: Target,
    cursors: Arc<Vec<String>>,
    dice: Dice,
}

impl Pages {
    fn new(target: &Target, cursors: &Arc<Vec<String>>, seed: u64) -> Self {
        Self {
            target: target.clone(),
            cursors: Arc::clone(cursors),
            dice: Dice::new(seed),
        }
    }
}

impl Talk for Pages {
    fn ask(&mut self, out: &mut Vec<u8>) -> bool {
        let count = self.cursors.len();
        let cursor = if count == 0 {
            None
        } else {
            Some(self.cursors[self.dice.below(count)].as_str())
        };
        ask_page(&self.target, cursor, out);
        true
    }

    fn hear(&mut self, answer: &Answer) -> Verdict {
        judge(answer, customer_id(answer.body).is_some())
    }
}

#[derive(Clone, Copy)]
enum Ask {
    Id,
    Email,
}

/// One step of questions after known customers.
fn known(rig: &Rig, target: &Target, name: &str, ask: Ask) -> Result<Step> {
    let made = Arc::new(rig.customers.made().clone());
    let turn = AtomicU64::new(rig.options.seed);
    rig.step(target, name, CONNECTIONS, || {
        let seed = turn.fetch_add(1, Ordering::Relaxed);
        Box::new(Known {
            target: target.clone(),
            customers: Arc::clone(&rig.customers),
            made: Arc::clone(&made),
            dice: Dice::new(seed),
            ask,
            current: None,
            email: Vec::new(),
        })
    })
}

/// Asks for customers that exist, and expects just them.
struct Known {
    target: Target,
    customers: Arc<Customers>,
    made: Arc<Vec<Customer>>,
    dice: Dice,
    ask: Ask,
    current: Option<Customer>,
    email: Vec<u8>,
}

impl Talk for Known {
    fn ask(&mut self, out: &mut Vec<u8>) -> bool {
        let customer = self.made[self.dice.below(self.made.len())];
        self.current = Some(customer);
        match self.ask {
            Ask::Id => {
                let id = std::str::from_utf8(&customer.id).unwrap_or_default();
                self.target.get(format_args!("/customers/{id}"), out);
            }
            Ask::Email => {
                self.email.clear();
                self.customers.people.email(customer.n, &mut self.email);
                let email = std::str::from_utf8(&self.email).unwrap_or_default();
                self.target
                    .get(format_args!("/customers?email={}", escape(email)), out);
            }
        }
        true
    }

    fn hear(&mut self, answer: &Answer) -> Verdict {
        judge(
            answer,
            customer_id(answer.body) == self.current.map(|customer| customer.id),
        )
    }
}

fn judge(answer: &Answer, right: bool) -> Verdict {
    match answer.status {
        200 if right => Verdict::Good,
        429 | 503 => Verdict::Refused,
        _ => Verdict::Wrong,
    }
}
