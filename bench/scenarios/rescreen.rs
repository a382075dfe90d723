//! Requests while everybody is screened again by a new watch list, beside the same requests before
//! and after.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::reads;
use super::rig::{CONNECTIONS, Length, Rig, Target};
use crate::Result;
use crate::people::Dice;
use crate::report::{Step, decimals, thousands};

/// Customers that are screened again.
const CUSTOMERS: u64 = 60_000;
/// Individuals on the list, about as many as OFAC's has.
const INDIVIDUALS: u64 = 5_000;
/// A server looks for a new list and waits for the others before it begins; more than that is trouble.
const BEGIN_MAX: Duration = Duration::from_mins(1);
/// Everybody must be done by then, with nothing else to do.
const END_MAX: Duration = Duration::from_mins(3);

/// Rates before, while and after.
pub fn measure(rig: &mut Rig) -> Result<()> {
    rig.start_over()?;
    import(rig, 0)?;
    rig.target()?;
    rig.run_oms(&[
        "projects",
        "set",
        "bench",
        "--mode",
        "sandbox",
        "--verification",
        "policy",
    ])?;
    rig.stop()?;
    let target = rig.target()?;
    let step = rig.creates(&target, "preload", CONNECTIONS, Length::Creates(CUSTOMERS))?;
    rig.report.complain("preload", &step.tally);
    let before = requests(rig, &target, "before")?;
    import(rig, 1)?;
    until(BEGIN_MAX, "begin", || Ok(standing(rig)?.is_some()))?;
    let beside = requests(rig, &target, "meanwhile")?;
    if standing(rig)? == Some(true) {
        return Err("everybody was screened again before the requests had been measured".into());
    }
    until(END_MAX, "end", || Ok(standing(rig)? == Some(true)))?;
    let after = requests(rig, &target, "after")?;
    let mut rows = Vec::new();
    for (index, name) in ["get", "create"].into_iter().enumerate() {
        let [first, middle, last] =
            [&before, &beside, &after].map(|steps| steps[index].tally.rate());
        let ratio = middle / f64::midpoint(first, last);
        rig.report.fact(format!("rescreen.{name}.ratio"), ratio);
        let rates = [first, middle, last].map(thousands);
        let mut row = vec![name.to_owned()];
        row.extend(rates);
        row.push(decimals(ratio));
        rows.push(row);
    }
    let note = format!(
        "{CONNECTIONS} connections, {} customers of a project that follows the policy, an invented list of {} individuals.",
        thousands(CUSTOMERS as f64),
        thousands(INDIVIDUALS as f64)
    );
    let headings = [
        "requests/s",
        "before",
        "meanwhile",
        "after",
        "meanwhile ÷ mean of the others",
    ];
    rig.report
        .table("While everybody is screened again", &note, &headings, rows);
    Ok(())
}

fn requests(rig: &Rig, target: &Target, when: &str) -> Result<[Step; 2]> {
    let get = reads::gets(rig, target)?;
    let length = Length::Seconds(rig.options.seconds);
    Ok([
        get,
        rig.creates(target, &format!("create {when}"), CONNECTIONS, length)?,
    ])
}

/// Whether the newest list has reached everybody; `None` before it has reached anybody.
fn standing(rig: &Rig) -> Result<Option<bool>> {
    let shown: serde_json::Value =
        serde_json::from_str(&rig.run_oms(&["watchlist", "show", "--json"])?)?;
    let far = &shown["rescreening"];
    Ok((!far.is_null()).then(|| !far["finishedAt"].is_null()))
}

fn until(limit: Duration, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > limit {
            return Err(format!("the screening of everybody did not {what}").into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Puts a list of invented people in force; each edition has one more than the one before.
fn import(rig: &Rig, edition: u64) -> Result<()> {
    let mut dice = Dice::new(rig.options.seed);
    let mut name = move || -> String {
        let syllable =
            |n: u64| ["ka", "ro", "mi", "zhen", "tu", "bel", "ou", "dra"][(n % 8) as usize];
        let word = dice.roll();
        (0..3 + word % 2)
            .map(|part| syllable(word >> (8 * part + 3)))
            .collect()
    };
    let mut list = String::new();
    for number in 1..=INDIVIDUALS + edition {
        let (last, first, year) = (name().to_uppercase(), name(), 1940 + number % 60);
        write!(
            list,
            "{number},\"{last}, {first}\",\"individual\",\"SDGT\",{}\"DOB 05 Mar {year}.\"\r\n",
            "-0- ,".repeat(7)
        )?;
    }
    let file: PathBuf = rig.scratch("SDN.CSV");
    fs::write(&file, list)?;
    let file = file.to_str().ok_or("the folder's path is not UTF-8")?;
    rig.run_oms(&["watchlist", "import", file]).map(drop)
}
