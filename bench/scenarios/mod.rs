//! One file per group of scenarios. They share a rig: the data folder of the run, the server on it,
//! and the memory of what was created.

mod auth;
mod baseline;
mod create;
mod hard;
mod million;
mod overload;
mod postgres;
mod reads;
mod replay;
mod rescreen;
mod rig;

use rig::Rig;

use crate::{Options, Result, Scenario};

/// Runs the chosen scenarios, prints and writes; whether every answer was right.
pub fn run(options: &Options) -> Result<bool> {
    let mut rig = Rig::new(options)?;
    rig.report.print_head();
    for scenario in options.scenarios() {
        eprintln!("{scenario:?} …");
        if let Err(error) = measure(scenario, &mut rig) {
            // What was measured before is worth keeping, and the next scenario begins anew.
            rig.report.fail(&format!("{scenario:?}"), error.as_ref());
            rig.abandon();
        }
    }
    if let Err(error) = rig.stop() {
        rig.report.fail("the last stop", error.as_ref());
    }
    rig.report.conclude();
    if let Some(path) = &options.json {
        rig.report.write_json(path)?;
    }
    if options.write {
        rig.report.write_page()?;
    }
    Ok(rig.report.clean())
}

fn measure(scenario: Scenario, rig: &mut Rig) -> Result<()> {
    match scenario {
        Scenario::Fsync => baseline::fsync(rig),
        Scenario::Echo => baseline::echo(rig),
        Scenario::Auth => auth::measure(rig),
        Scenario::Create => create::measure(rig),
        Scenario::Sqlite => baseline::sqlite(rig),
        Scenario::Replay => replay::measure(rig),
        Scenario::Postgres => postgres::measure(rig),
        Scenario::Rescreen => rescreen::measure(rig),
        Scenario::Get => reads::get(rig),
        Scenario::List => reads::list(rig),
        Scenario::Filter => reads::filter(rig),
        Scenario::Overload => overload::measure(rig),
        Scenario::Retries => hard::retries(rig),
        Scenario::Neighbours => hard::neighbours(rig),
        Scenario::Million => million::measure(rig),
    }
}
