//! Twice the load that the server can carry, by a schedule that waits for no answer: what still gets
//! through, and how fast the rest is refused.

use super::create::Create;
use super::rig::{CONNECTIONS, Length, Rig, observe};
use crate::Result;
use crate::client::Load;
use crate::machine::open_files_limit;
use crate::report::{decimals, ms, thousands};

/// Connections: so many that most requests find one free when they are due.
const CONNECTIONS_MAX: usize = 1024;
/// Files that server and generator need besides their connections.
const FILES_RESERVED: usize = 64;

/// Goodput at twice the peak of this run.
pub fn measure(rig: &mut Rig) -> Result<()> {
    let target = rig.target()?;
    let peak = if let Some(peak) = rig.report.known("create.peak") {
        peak
    } else {
        let step = rig.creates(
            &target,
            "peak",
            CONNECTIONS,
            Length::Seconds(rig.options.seconds),
        )?;
        rig.report.fact("create.peak", step.tally.rate());
        step.tally.rate()
    };
    let connections = CONNECTIONS_MAX
        .min(open_files_limit().saturating_sub(FILES_RESERVED))
        .max(1);
    let per_second = Some(2.0 * peak);
    let load = Load {
        per_second,
        ..rig.load(&target, connections, Some(rig.options.seconds))
    };
    let step = observe(&target, "overload", &load, || {
        Box::new(Create::new(&target, &rig.customers, u64::MAX))
    })?;
    let tally = &step.tally;
    let per_second = |count: u64| count as f64 / tally.elapsed.as_secs_f64();
    let sent = tally.good.len() + tally.refused.len() + tally.errors();
    let row = vec![
        thousands(peak),
        thousands(per_second(tally.offered)),
        thousands(per_second(sent)),
        thousands(tally.rate()),
        thousands(per_second(tally.refused.len())),
        tally.errors().to_string(),
        format!(
            "{} / {}",
            decimals(ms(&tally.good, 0.5)),
            decimals(ms(&tally.good, 0.99))
        ),
        format!(
            "{} / {}",
            decimals(ms(&tally.refused, 0.5)),
            decimals(ms(&tally.refused, 0.99))
        ),
        decimals(step.server_cores),
        decimals(step.generator_cores),
        format!("{:.0}", step.memory.peak_mib),
    ];
    let headings = [
        "peak/s",
        "due/s",
        "sent/s",
        "created/s",
        "refused/s",
        "errors",
        "created p50 / p99 ms",
        "refused p50 / p99 ms",
        "server, cores",
        "generator, cores",
        "peak MiB",
    ];
    let note = format!(
        "Creates due at twice the measured peak over {connections} connections, whether or not earlier ones were answered. \
         `sent` stays below `due` where every connection still waited or the generator had no processor time left; latency counts from sending."
    );
    rig.report.step_facts("overload", &step);
    rig.report.fact("overload.goodput", step.tally.rate());
    if !step.tally.refused.is_empty() {
        rig.report
            .fact("overload.refused.p99_ms", ms(&step.tally.refused, 0.99));
    }
    rig.report
        .table("Twice the load", &note, &headings, vec![row]);
    rig.report.complain("overload", &step.tally);
    Ok(())
}
