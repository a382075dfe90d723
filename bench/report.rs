//! Tables, the goals and the page that keeps them: docs/performance.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use hdrhistogram::Histogram;
use serde_json::json;

use crate::client::Tally;
use crate::machine::Memory;
use crate::{Options, Result, machine};

/// Below this line docs/performance.md belongs to people: profiles, explanations.
const NOTES: &str = "<!-- notes: the benchmark keeps what stands below this line -->";

/// A measured step: one load for one time.
#[derive(Debug)]
pub struct Step {
    /// What was driven, for people.
    pub name: String,
    /// Connections.
    pub connections: usize,
    /// What came back.
    pub tally: Tally,
    /// Processor time a second of the server, 1.0 being one core.
    pub server_cores: f64,
    /// The same of the load generator.
    pub generator_cores: f64,
    /// The server's memory at the end of the step.
    pub memory: Memory,
}

/// A Markdown table under a heading.
#[derive(Debug)]
struct Table {
    title: String,
    note: String,
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// What is known so far.
#[derive(Debug)]
pub struct Report {
    machine: Vec<(&'static str, String)>,
    command: String,
    seed: u64,
    tables: Vec<Table>,
    facts: BTreeMap<String, f64>,
    complaints: Vec<String>,
}

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

/// Issues 2 and 3; `million.*` exists only in a run that stored at least a million customers.
const GOALS: [Goal; 18] = [
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

impl Report {
    /// An empty report of a run on this machine.
    pub fn new(options: &Options, data: &Path) -> Self {
        Self {
            machine: machine::describe(data),
            command: options.command(),
            seed: options.seed,
            tables: Vec::new(),
            facts: BTreeMap::new(),
            complaints: Vec::new(),
        }
    }

    /// Keeps a figure under its name.
    pub fn fact(&mut self, name: impl Into<String>, value: f64) {
        self.facts.insert(name.into(), value);
    }

    /// A figure kept before.
    pub fn known(&self, name: &str) -> Option<f64> {
        self.facts.get(name).copied()
    }

    /// Keeps rate, latencies and errors of a step under `name`.*.
    pub fn step_facts(&mut self, name: &str, step: &Step) {
        self.fact(format!("{name}.rate"), step.tally.rate());
        self.fact(format!("{name}.p50_ms"), ms(&step.tally.good, 0.5));
        self.fact(format!("{name}.p99_ms"), ms(&step.tally.good, 0.99));
        self.fact(format!("{name}.refused"), step.tally.refused.len() as f64);
        self.fact(format!("{name}.errors"), step.tally.errors() as f64);
        self.fact(format!("{name}.server_cores"), step.server_cores);
        self.fact(format!("{name}.generator_cores"), step.generator_cores);
        self.fact(format!("{name}.rss_mib"), step.memory.now_mib);
    }

    /// Adds a table and prints it.
    pub fn table(
        &mut self,
        title: &str,
        note: &str,
        headings: &[&'static str],
        rows: Vec<Vec<String>>,
    ) {
        let table = Table {
            title: title.to_owned(),
            note: note.to_owned(),
            headings: headings.to_vec(),
            rows,
        };
        println!("{table}");
        self.tables.push(table);
    }

    /// Adds the table of steps of one scenario.
    pub fn steps(&mut self, title: &str, note: &str, steps: &[Step]) {
        let row = |step: &Step| {
            vec![
                step.name.clone(),
                step.connections.to_string(),
                thousands(step.tally.rate()),
                decimals(ms(&step.tally.good, 0.5)),
                decimals(ms(&step.tally.good, 0.99)),
                step.tally.refused.len().to_string(),
                step.tally.errors().to_string(),
                decimals(step.server_cores),
                decimals(step.generator_cores),
                format!("{:.0}", step.memory.now_mib),
                format!("{:.0}", step.memory.peak_mib),
            ]
        };
        let headings = [
            "step",
            "connections",
            "per second",
            "p50 ms",
            "p99 ms",
            "refused",
            "errors",
            "server, cores",
            "generator, cores",
            "RSS MiB",
            "peak MiB",
        ];
        self.table(title, note, &headings, steps.iter().map(row).collect());
        for step in steps {
            self.complain(&step.name, &step.tally);
        }
    }

    /// Keeps what went wrong in a step.
    pub fn complain(&mut self, name: &str, tally: &Tally) {
        if tally.errors() > 0 {
            let first = tally.complaint.as_deref().unwrap_or_default();
            let complaint = format!(
                "{name}: {} errors, statuses {:?}, the first: {first}",
                tally.errors(),
                tally.statuses
            );
            eprintln!("{complaint}");
            self.complaints.push(complaint);
        }
    }

    /// Whether every answer was what it had to be.
    pub fn clean(&self) -> bool {
        self.complaints.is_empty()
    }

    /// Adds and prints what the run says about the goals.
    pub fn conclude(&mut self) {
        let rows: Vec<Vec<String>> = GOALS.iter().map(|goal| self.verdict(goal)).collect();
        let note = "Rates against the bare baselines of the same run. A line that was not measured says nothing.";
        self.table("Goals", note, &["goal", "wanted", "measured", ""], rows);
        let rows = [
            (
                "creates ÷ bare batches, plain table",
                "create.64.rate",
                "sqlite.plain.rate",
            ),
            ("creates ÷ bare echo", "create.64.rate", "echo.rate"),
            (
                "creates ÷ bare batches at a million customers",
                "million.create.rate",
                "million.sqlite.rate",
            ),
        ];
        let rows = rows.iter().filter_map(|(text, fact, divisor)| {
            let ratio = self.known(fact)? / self.known(divisor)?;
            Some(vec![(*text).to_owned(), decimals(ratio)])
        });
        let rows: Vec<Vec<String>> = rows.collect();
        if !rows.is_empty() {
            self.table("Other ratios", "", &["ratio", "measured"], rows);
        }
        if !self.complaints.is_empty() {
            println!("Wrong answers:\n{}", self.complaints.join("\n"));
        }
    }

    fn verdict(&self, goal: &Goal) -> Vec<String> {
        let divisor = goal
            .divisor
            .map_or(Some(1.0), |divisor| self.known(divisor));
        let measured = self
            .known(goal.fact)
            .zip(divisor)
            .map(|(value, divisor)| value / divisor);
        let measured = measured.filter(|value| value.is_finite());
        let (wanted, met) = match goal.bound {
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
        vec![goal.text.to_owned(), wanted, measured, verdict.to_owned()]
    }

    /// The figures for programs.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        let machine: BTreeMap<_, _> = self.machine.iter().cloned().collect();
        let text = json!({
            "machine": machine,
            "command": self.command,
            "seed": self.seed,
            "facts": self.facts,
            "errors": self.complaints,
        });
        Ok(fs::write(path, format!("{text:#}\n"))?)
    }

    /// Writes docs/performance.md anew, but for what people wrote below the marker.
    pub fn write_page(&self) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
        let old = fs::read_to_string(&path).unwrap_or_default();
        let notes = old.split_once(NOTES).map_or("\n", |(_, notes)| notes);
        fs::create_dir_all(path.parent().ok_or("docs has no parent")?)?;
        Ok(fs::write(path, format!("{}{NOTES}{notes}", self.page()?))?)
    }

    fn page(&self) -> Result<String> {
        let mut page = String::from(
            "# Performance\n\nMeasured by `bench/`, which starts the release server on a fresh data folder and drives it over\n\
             loopback from the same machine. Written by the command below with `--write`; do not edit above the notes.\n\n",
        );
        writeln!(page, "```sh\n{} --write\n```\n", self.command)?;
        writeln!(page, "| | |\n|---|---|")?;
        for (name, value) in &self.machine {
            writeln!(page, "| {name} | {value} |")?;
        }
        writeln!(page)?;
        if !self.complaints.is_empty() {
            writeln!(
                page,
                "**Some answers were wrong in this run; its figures count for nothing.**\n"
            )?;
        }
        // The goals come last in a run and first on the page.
        let (goals, others): (Vec<_>, Vec<_>) =
            self.tables.iter().partition(|table| table.title == "Goals");
        for table in goals.into_iter().chain(others) {
            writeln!(page, "{table}")?;
        }
        Ok(page)
    }

    /// The head of the printed report.
    pub fn print_head(&self) {
        println!("`{}` (seed {})\n", self.command, self.seed);
        for (name, value) in &self.machine {
            println!("- {name}: {value}");
        }
        println!();
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        if !self.note.is_empty() {
            writeln!(f, "{}\n", self.note)?;
        }
        writeln!(f, "| {} |", self.headings.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.headings.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// A quantile in milliseconds; not a number where nothing was measured.
pub fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    if histogram.is_empty() {
        return f64::NAN;
    }
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

/// `12,345`.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.23`, or a dash for what was not measured.
pub fn decimals(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.2}")
    } else {
        "–".to_owned()
    }
}

fn plain(value: f64) -> String {
    if value >= 1_000.0 {
        return thousands(value);
    }
    let text = format!("{value:.2}");
    text.strip_suffix(".00")
        .map_or_else(|| text.clone(), str::to_owned)
}
