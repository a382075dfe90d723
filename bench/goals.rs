//! What the project promises about speed, memory and disk, held against the facts of a run.

use crate::report::plain;

/// A promise of the project, in terms of the facts.
struct Goal {
    text: &'static str,
    fact: &'static str,
    divisor: Option<&'static str>,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// `million.*` exists only in a run that stored at least a million customers.
const GOALS: [Goal; 24] = [
    goal(
        "creates/s at 64 connections, first milestone",
        "create.64.rate",
        None,
        Bound::AtLeast(6_000.0),
    ),
    goal(
        "creates/s at 64 connections",
        "create.64.rate",
        None,
        Bound::AtLeast(12_000.0),
    ),
    goal(
        "creates ÷ bare batches of the same rows",
        "create.64.rate",
        Some("sqlite.same.rate"),
        Bound::AtLeast(0.6),
    ),
    goal(
        "p99 of a create at 64 connections, ms",
        "create.64.p99_ms",
        None,
        Bound::AtMost(25.0),
    ),
    goal(
        "p50 of a create at 1 connection ÷ one fsync",
        "create.1.p50_ms",
        Some("fsync.p50_ms"),
        Bound::AtMost(2.0),
    ),
    goal("replays/s", "replay.rate", None, Bound::AtLeast(20_000.0)),
    goal(
        "GET /customers/{id}, /s",
        "get.rate",
        None,
        Bound::AtLeast(25_000.0),
    ),
    goal(
        "lists of 50, first page, /s",
        "list.first.rate",
        None,
        Bound::AtLeast(2_500.0),
    ),
    goal(
        "deep pages ÷ first pages",
        "list.deep.rate",
        Some("list.first.rate"),
        Bound::AtLeast(0.9),
    ),
    goal(
        "goodput at twice the load ÷ peak",
        "overload.goodput",
        Some("create.peak"),
        Bound::AtLeast(0.9),
    ),
    goal(
        "p99 of a refusal (\"at once\": like a create), ms",
        "overload.refused.p99_ms",
        None,
        Bound::AtMost(25.0),
    ),
    goal(
        "GET /customers/{id} while everybody is screened again ÷ otherwise",
        "rescreen.get.ratio",
        None,
        Bound::AtLeast(0.9),
    ),
    goal(
        "creates while everybody is screened again ÷ otherwise",
        "rescreen.create.ratio",
        None,
        Bound::AtLeast(0.9),
    ),
    goal(
        "creates on PostgreSQL ÷ pgbench with the same inserts",
        "postgres.create.64.rate",
        Some("pgbench.rate"),
        Bound::AtLeast(0.8),
    ),
    goal(
        "creates of three servers on one database ÷ of one",
        "postgres.three.rate",
        Some("postgres.create.64.rate"),
        Bound::AtLeast(1.0),
    ),
    goal(
        "GET /customers/{id} on PostgreSQL ÷ embedded",
        "postgres.get.rate",
        Some("get.rate"),
        Bound::AtLeast(0.5),
    ),
    goal(
        "lists on PostgreSQL ÷ embedded",
        "postgres.list.first.rate",
        Some("list.first.rate"),
        Bound::AtLeast(0.5),
    ),
    goal(
        "creates/s at a million customers",
        "million.create.rate",
        None,
        Bound::AtLeast(9_000.0),
    ),
    goal(
        "replays/s at a million customers",
        "million.replay.rate",
        None,
        Bound::AtLeast(20_000.0),
    ),
    goal(
        "GET /customers/{id} at a million, /s",
        "million.get.rate",
        None,
        Bound::AtLeast(25_000.0),
    ),
    goal(
        "lists of 50 at a million, first page, /s",
        "million.list.first.rate",
        None,
        Bound::AtLeast(2_500.0),
    ),
    goal(
        "deep pages ÷ first pages at a million",
        "million.list.deep.rate",
        Some("million.list.first.rate"),
        Bound::AtLeast(0.9),
    ),
    goal(
        "resident memory with a million customers, MiB",
        "million.rss_mib",
        None,
        Bound::AtMost(200.0),
    ),
    goal(
        "disk per customer, KiB",
        "million.disk_kib",
        None,
        Bound::AtMost(2.5),
    ),
];

const fn goal(
    text: &'static str,
    fact: &'static str,
    divisor: Option<&'static str>,
    bound: Bound,
) -> Goal {
    Goal {
        text,
        fact,
        divisor,
        bound,
    }
}

/// One row per goal: text, wanted, measured, verdict; `known` tells the facts.
pub fn verdicts(known: impl Fn(&str) -> Option<f64>) -> Vec<Vec<String>> {
    GOALS.iter().map(|goal| goal.verdict(&known)).collect()
}

impl Goal {
    fn verdict(&self, known: impl Fn(&str) -> Option<f64>) -> Vec<String> {
        let divisor = self.divisor.map_or(Some(1.0), &known);
        let measured = known(self.fact)
            .zip(divisor)
            .map(|(value, divisor)| value / divisor);
        let measured = measured.filter(|value| value.is_finite());
        let (wanted, met) = match self.bound {
            Bound::AtLeast(bound) => (
                format!("≥ {}", plain(bound)),
                measured.map(|value| value >= bound),
            ),
            Bound::AtMost(bound) => (
                format!("≤ {}", plain(bound)),
                measured.map(|value| value <= bound),
            ),
        };
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let measured = measured.map_or_else(|| "–".to_owned(), plain);
        vec![self.text.to_owned(), wanted, measured, verdict.to_owned()]
    }
}
