//! Retries: an earlier key with its body, drawn from all customers, must bring the first answer again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::rig::{CONNECTIONS, Customer, Customers, Rig, Target, customer_id};
use crate::Result;
use crate::client::{Talk, Verdict};
use crate::http::{Answer, find};
use crate::people::Dice;
use crate::report::Step;

/// Rate and latency of replays.
pub fn measure(rig: &mut Rig) -> Result<()> {
    let target = rig.populated()?;
    let step = replays(rig, &target)?;
    rig.report.step_facts("replay", &step);
    let note = "`POST /customers` with the key and the body of an earlier create.";
    rig.report.steps("Replays", note, &[step]);
    Ok(())
}

/// One step of replays.
pub fn replays(rig: &Rig, target: &Target) -> Result<Step> {
    let made = Arc::new(rig.customers.made().clone());
    let turn = AtomicU64::new(rig.options.seed);
    rig.step(target, "replay", CONNECTIONS, || {
        // Every connection draws in an order of its own.
        let seed = turn.fetch_add(1, Ordering::Relaxed);
        Box::new(Replay {
            target: target.clone(),
            customers: Arc::clone(&rig.customers),
            made: Arc::clone(&made),
            dice: Dice::new(seed),
            current: None,
            body: Vec::new(),
        })
    })
}

struct Replay {
    target: Target,
    customers: Arc<Customers>,
    made: Arc<Vec<Customer>>,
    dice: Dice,
    current: Option<Customer>,
    body: Vec<u8>,
}

impl Talk for Replay {
    fn ask(&mut self, out: &mut Vec<u8>) -> bool {
        let customer = self.made[self.dice.below(self.made.len())];
        self.current = Some(customer);
        self.target
            .create(self.customers.people, customer.n, &mut self.body, out);
        true
    }

    fn hear(&mut self, answer: &Answer) -> Verdict {
        let same = customer_id(answer.body) == self.current.map(|customer| customer.id);
        let said = find(
            &answer.head.to_ascii_lowercase(),
            b"idempotent-replayed: true",
        )
        .is_some();
        match answer.status {
            201 if same && said => Verdict::Good,
            // 409: two connections drew the same key at once.
            409 | 429 | 503 => Verdict::Refused,
            _ => Verdict::Wrong,
        }
    }
}
