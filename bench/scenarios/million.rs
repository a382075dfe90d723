//! The server with many customers: the rate on the way there, everything again with all of them
//! stored, the disk and memory they take, and how long a restart waits.

use std::path::Path;

use super::baseline::{HEADINGS, remove_database, row};
use super::rig::{CONNECTIONS, Length, Rig};
use super::{reads, replay};
use crate::Result;
use crate::machine::{disk_bytes, memory};
use crate::mirror::{BATCH, Mirror, seed_of};
use crate::report::{decimals, thousands};

/// Parts of the way whose rates are shown apart.
const PARTS: u64 = 10;
/// Facts count for the goals only with so many customers.
const GOAL_CUSTOMERS: u64 = 1_000_000;

/// Preloads, measures, restarts.
pub fn measure(rig: &mut Rig) -> Result<()> {
    rig.start_over()?;
    let empty = rig.target()?;
    let wanted = rig.options.customers.max(PARTS);
    let name = if wanted >= GOAL_CUSTOMERS {
        "million"
    } else {
        "many"
    };
    let mut steps = Vec::new();
    // The last part again makes up for what was refused on the way.
    for part in (1..=PARTS).chain([PARTS]) {
        let until = wanted * part / PARTS;
        let missing = until.saturating_sub(rig.customers.count());
        if missing > 0 {
            let step = format!("up to {}", thousands(until as f64));
            steps.push(rig.creates(&empty, &step, CONNECTIONS, Length::Creates(missing))?);
        }
    }
    let stored = thousands(rig.customers.count() as f64);
    rig.report.steps(
        &format!("On the way to {stored} customers"),
        "`POST /customers` at 64 connections.",
        &steps,
    );
    if rig.customers.count() < wanted {
        return Err(format!("only {stored} customers could be created").into());
    }
    weigh(rig, name, &stored)?;
    let target = rig.target()?;
    let step = rig.creates(
        &target,
        "create",
        CONNECTIONS,
        Length::Seconds(rig.options.seconds),
    )?;
    rig.report.step_facts(&format!("{name}.create"), &step);
    let mut steps = vec![step];
    let step = replay::replays(rig, &target)?;
    rig.report.step_facts(&format!("{name}.replay"), &step);
    steps.push(step);
    let step = reads::gets(rig, &target)?;
    rig.report.step_facts(&format!("{name}.get"), &step);
    steps.push(step);
    steps.extend(reads::lists(rig, &target, &format!("{name}.list"))?);
    let peak = steps
        .iter()
        .map(|step| step.memory.peak_mib)
        .fold(0.0, f64::max);
    rig.report.fact(format!("{name}.rss_mib"), peak);
    let note = "After a restart. The memory goal is held against the highest peak of these steps.";
    rig.report
        .steps(&format!("With {stored} customers"), note, &steps);
    batches(rig, name, &stored)
}

/// Disk after a clean stop, time and memory of the restart.
fn weigh(rig: &mut Rig, name: &str, stored: &str) -> Result<()> {
    let before = memory(rig.target()?.pid)?;
    rig.stop()?;
    let bytes = disk_bytes(&rig.data())?;
    let kib = bytes as f64 / 1024.0 / rig.customers.count() as f64;
    let (target, ready) = rig.start()?;
    let after = memory(target.pid)?;
    rig.report.fact(format!("{name}.disk_kib"), kib);
    rig.report
        .fact(format!("{name}.restart_s"), ready.as_secs_f64());
    rig.report
        .fact(format!("{name}.preload_rss_mib"), before.peak_mib);
    let row = vec![
        thousands(bytes as f64 / 1_048_576.0),
        decimals(kib),
        format!("{:.0} / {:.0}", before.now_mib, before.peak_mib),
        decimals(ready.as_secs_f64()),
        format!("{:.0} / {:.0}", after.now_mib, after.peak_mib),
    ];
    let headings = [
        "disk MiB",
        "KiB a customer",
        "RSS / peak MiB after the preload",
        "restart s",
        "RSS / peak MiB after the restart",
    ];
    let note = "Disk as `du` counts it after a clean stop; a restart counts from the start of the process until `/readyz` answers 200.";
    rig.report.table(
        &format!("Weight of {stored} customers"),
        note,
        &headings,
        vec![row],
    );
    Ok(())
}

/// Bare batches onto a copy of the full database.
fn batches(rig: &mut Rig, name: &str, stored: &str) -> Result<()> {
    rig.stop()?;
    let full = rig.data().join("oms.db");
    let mirror = Mirror::read(&full, rig.customers.count())?;
    let copy = rig.scratch("copy.db");
    copy_durably(&full, &copy)?;
    let batches = mirror.insert(
        &copy,
        BATCH,
        rig.options.seconds,
        seed_of(rig.options.seed, 3),
    )?;
    remove_database(&copy)?;
    rig.report.fact(format!("{name}.sqlite.rate"), batches.rate);
    let title = format!("Bare batches onto {stored} customers");
    let rows = vec![row("rows and indexes of the server", &batches)];
    rig.report.table(
        &title,
        "As above, into a copy of the server's full database.",
        &HEADINGS,
        rows,
    );
    Ok(())
}

/// Copies and waits for the disk, so that writing back does not run into the measurement.
fn copy_durably(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to)?;
    Ok(std::fs::File::open(to)?.sync_all()?)
}
