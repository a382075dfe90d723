//! What this machine can do at best: an fsync, an HTTP answer that stores nothing, bare batched inserts.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;
use rusqlite::{Connection, params};

use super::rig::{CONNECTIONS, Customers, Rig, Target};
use crate::Result;
use crate::client::{Talk, Verdict};
use crate::http::Answer;
use crate::mirror::{BATCH, Batches, Mirror, durable, seed_of};
use crate::people::Dice;
use crate::report::{decimals, ms, thousands};
use crate::server::Server;

/// Bytes of one write.
const BLOCK: usize = 4096;
/// Blocks of the file, all there before the clock starts, as in a write-ahead log that has been reset.
const BLOCKS: u64 = 4096;

/// One write and fdatasync after the other.
pub fn fsync(rig: &mut Rig) -> Result<()> {
    let path = rig.scratch("fsync");
    let file = File::create(&path)?;
    let mut block = [0; BLOCK];
    let mut dice = Dice::new(rig.options.seed);
    for index in 0..BLOCKS {
        file.write_all_at(&block, index * BLOCK as u64)?;
    }
    file.sync_all()?;
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let start = Instant::now();
    for index in (0..BLOCKS).cycle() {
        if start.elapsed().as_secs_f64() >= rig.options.seconds {
            break;
        }
        dice.fill(&mut block);
        let begun = Instant::now();
        file.write_all_at(&block, index * BLOCK as u64)?;
        file.sync_data()?;
        latencies.saturating_record(begun.elapsed().as_micros() as u64);
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    drop(file);
    std::fs::remove_file(&path)?;
    let (p50, p99) = (ms(&latencies, 0.5), ms(&latencies, 0.99));
    rig.report.fact("fsync.p50_ms", p50);
    rig.report.fact("fsync.p99_ms", p99);
    let row = vec![thousands(rate), format!("{p50:.3}"), format!("{p99:.3}")];
    let note = "Overwriting 4 KiB and fdatasync on the disk of the data, one after the other.";
    rig.report.table(
        "One fsync",
        note,
        &["per second", "p50 ms", "p99 ms"],
        vec![row],
    );
    Ok(())
}

/// The body of a create through a bare axum server in a process of its own.
pub fn echo(rig: &mut Rig) -> Result<()> {
    let server = Server::start_echo()?;
    // As long as a real token, since the headers are read and parsed, too.
    let target = Target::new(&server, &"t".repeat(500));
    let customers = Arc::new(Customers::new(rig.options.seed));
    let mut steps = Vec::new();
    for (fact, connections) in [("echo.1", 1), ("echo", CONNECTIONS)] {
        let step = rig.step(&target, "echo", connections, || {
            Box::new(Echo {
                target: target.clone(),
                customers: Arc::clone(&customers),
                body: Vec::new(),
            })
        })?;
        rig.report.step_facts(fact, &step);
        steps.push(step);
    }
    let note = "The create's request, read as JSON and answered back by axum with two worker threads; nothing stored.";
    rig.report.steps("Bare echo", note, &steps);
    Ok(())
}

struct Echo {
    target: Target,
    customers: Arc<Customers>,
    body: Vec<u8>,
}

impl Talk for Echo {
    fn ask(&mut self, out: &mut Vec<u8>) -> bool {
        let n = self
            .customers
            .next
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.target
            .create(self.customers.people, n, &mut self.body, out);
        true
    }

    fn hear(&mut self, answer: &Answer) -> Verdict {
        if answer.status == 201 && answer.body.len() == self.body.len() {
            Verdict::Good
        } else {
            Verdict::Wrong
        }
    }
}

/// Bare batches of the server's own rows and of the plain two.
pub fn sqlite(rig: &mut Rig) -> Result<()> {
    // Real rows to look at; how they came about does not matter here.
    rig.populated()?;
    rig.stop()?;
    let mirror = Mirror::read(&rig.data().join("oms.db"), rig.customers.count())?;
    let (seconds, seed) = (rig.options.seconds, rig.options.seed);
    let path = rig.scratch("mirror.db");
    let same = mirror.insert(&path, BATCH, seconds, seed_of(seed, 1))?;
    remove_database(&path)?;
    let alone = mirror.insert(&path, 1, seconds, seed_of(seed, 4))?;
    remove_database(&path)?;
    let path = rig.scratch("plain.db");
    let plain = plain(&path, seconds, seed_of(seed, 2))?;
    remove_database(&path)?;
    rig.report.fact("sqlite.same.rate", same.rate);
    rig.report.fact("sqlite.plain.rate", plain.rate);
    rig.report.fact("sqlite.alone.p50_ms", alone.p50_ms);
    let rows = vec![
        row("rows and indexes of the server", &same),
        row("the same, one create a commit", &alone),
        row(
            "plain: a customer row by rising id, an idempotency row of 1 KiB by random key",
            &plain,
        ),
    ];
    let note = format!(
        "Without HTTP, `synchronous=FULL` in WAL mode, {BATCH} creates a commit where nothing else is said, into an empty file. Rows a create leaves: {}.",
        mirror.describe()
    );
    rig.report
        .table("Bare batches in SQLite", &note, &HEADINGS, rows);
    Ok(())
}

/// Headings of the rows that `row` makes.
pub const HEADINGS: [&str; 5] = [
    "rows",
    "creates/s",
    "p50 of a commit, ms",
    "rows a create",
    "bytes a create",
];

/// One line about a run of batches.
pub fn row(name: &str, batches: &Batches) -> Vec<String> {
    vec![
        name.to_owned(),
        thousands(batches.rate),
        format!("{:.3}", batches.p50_ms),
        decimals(batches.rows),
        thousands(batches.bytes),
    ]
}

/// Removes a database with its write-ahead log.
pub fn remove_database(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        if Path::new(&name).exists() {
            std::fs::remove_file(name)?;
        }
    }
    Ok(())
}

/// The plain variant: 600 bytes under an id in order of time, and 1 KiB with a unique index on a random key.
fn plain(path: &Path, seconds: f64, seed: u64) -> Result<Batches> {
    let db = Connection::open(path)?;
    durable(&db)?;
    db.execute_batch(
        "CREATE TABLE customer (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
         CREATE TABLE idempotency (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, answer BLOB NOT NULL);",
    )?;
    let mut customer = db.prepare("INSERT INTO customer (id, body) VALUES (?1, ?2)")?;
    let mut idempotency = db.prepare("INSERT INTO idempotency (key, answer) VALUES (?1, ?2)")?;
    let mut dice = Dice::new(seed);
    let (mut id, mut body, mut key, mut answer) = ([0; 16], [0; 600], [0; 32], [0; 992]);
    let mut creates = 0;
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        let begun = Instant::now();
        db.execute_batch("BEGIN IMMEDIATE")?;
        for number in creates..creates + BATCH {
            for bytes in [&mut id[..], &mut body, &mut key, &mut answer] {
                dice.fill(bytes);
            }
            id[..8].copy_from_slice(&number.to_be_bytes());
            customer.execute(params![id, body])?;
            idempotency.execute(params![key, answer])?;
        }
        db.execute_batch("COMMIT")?;
        times.saturating_record(begun.elapsed().as_micros() as u64);
        creates += BATCH;
    }
    let rate = creates as f64 / start.elapsed().as_secs_f64();
    let bytes = (id.len() + body.len() + key.len() + answer.len()) as f64;
    Ok(Batches {
        rate,
        rows: 2.0,
        bytes,
        p50_ms: ms(&times, 0.5),
    })
}
