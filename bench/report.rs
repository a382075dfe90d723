//! Tables, the goals and the page that keeps them: docs/performance.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use hdrhistogram::Histogram;
use serde_json::json;

use crate::client::Tally;
use crate::machine::Memory;
use crate::{Options, Result, goals, machine};

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

    /// Keeps why a scenario could not be measured.
    pub fn fail(&mut self, name: &str, error: &dyn std::error::Error) {
        eprintln!("{name} failed: {error}");
        self.complaints.push(format!("{name} failed: {error}"));
    }

    /// Whether every answer was what it had to be.
    pub fn clean(&self) -> bool {
        self.complaints.is_empty()
    }

    /// Adds and prints what the run says about the goals.
    pub fn conclude(&mut self) {
        let rows: Vec<Vec<String>> = goals::verdicts(|name| self.known(name));
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
            println!("What went wrong:\n{}", self.complaints.join("\n"));
        }
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
                "**Something went wrong in this run ({} complaints), so its figures count for nothing.**\n",
                self.complaints.len()
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

/// As many digits as are needed, two decimals at most.
pub fn plain(value: f64) -> String {
    if value >= 1_000.0 {
        return thousands(value);
    }
    let text = format!("{value:.2}");
    text.strip_suffix(".00")
        .map_or_else(|| text.clone(), str::to_owned)
}
