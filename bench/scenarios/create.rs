//! Durable creates: every request a new person and a new key.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::rig::{Customer, Customers, Length, Rig, Target, customer_id};
use crate::Result;
use crate::client::{Talk, Verdict};
use crate::http::Answer;

/// From one caller alone to more than a group commit takes at once.
const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

/// Rate and latency at each number of connections.
pub fn measure(rig: &mut Rig) -> Result<()> {
    let target = rig.target()?;
    let mut steps = Vec::new();
    for connections in CONNECTIONS {
        let step = rig.creates(
            &target,
            "create",
            connections,
            Length::Seconds(rig.options.seconds),
        )?;
        rig.report
            .step_facts(&format!("create.{connections}"), &step);
        steps.push(step);
    }
    let peak = steps
        .iter()
        .map(|step| step.tally.rate())
        .fold(0.0, f64::max);
    rig.report.fact("create.peak", peak);
    let note = format!(
        "`POST /customers`, bodies of about {} bytes, one fresh person each.",
        body_bytes(&rig.customers)
    );
    rig.report.steps("Creates", &note, &steps);
    Ok(())
}

fn body_bytes(customers: &Customers) -> usize {
    let mut body = Vec::new();
    customers.people.body(0, &mut body);
    body.len()
}

/// Creates one customer after the other.
pub struct Create {
    target: Target,
    customers: Arc<Customers>,
    limit: u64,
    current: u64,
    body: Vec<u8>,
}

impl Create {
    /// Creates until customer number `limit` was asked for.
    pub fn new(target: &Target, customers: &Arc<Customers>, limit: u64) -> Self {
        let (target, customers) = (target.clone(), Arc::clone(customers));
        Self {
            target,
            customers,
            limit,
            current: 0,
            body: Vec::with_capacity(1024),
        }
    }
}

impl Talk for Create {
    fn ask(&mut self, out: &mut Vec<u8>) -> bool {
        self.current = self.customers.next.fetch_add(1, Ordering::Relaxed);
        if self.current >= self.limit {
            // Another talk on the same customers goes on where this one ended.
            self.customers.next.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.target
            .create(self.customers.people, self.current, &mut self.body, out);
        true
    }

    fn hear(&mut self, answer: &Answer) -> Verdict {
        match (answer.status, customer_id(answer.body)) {
            (201, Some(id)) => {
                self.customers.made().push(Customer {
                    n: self.current,
                    id,
                });
                Verdict::Good
            }
            (429 | 503, _) => Verdict::Refused,
            _ => Verdict::Wrong,
        }
    }
}
