//! The hard cases of retries, look-ups and lists: everybody shares a mail address and an external
//! id, keys of before a restart or of before the look-ups were folded, and a project whose filters
//! nobody fits beside another one that reads.

use super::rig::{CONNECTIONS, Length, Rig, Target, observe};
use super::{reads, replay};
use crate::Result;
use crate::client::{Load, Talk, Verdict};
use crate::http::Answer;
use crate::report::Step;

/// Customers whose look-ups are more than the server keeps out of their table.
const FOLDED: u64 = 110_000;
/// Connections of the project that is measured beside another one.
const READERS: usize = 8;
/// Connections of the other one.
const SEEKERS: usize = 32;
/// Customers through whom the other one seeks.
const SOUGHT_THROUGH: u64 = 50_000;

/// Retries and look-ups where all share what they are looked up by.
pub fn retries(rig: &mut Rig) -> Result<()> {
    rig.start_over_sharing()?;
    let mut steps = Vec::new();
    let target = rig.target()?;
    let seconds = Length::Seconds(rig.options.seconds);
    let step = rig.creates(&target, "create", CONNECTIONS, seconds)?;
    rig.report.step_facts("retries.create", &step);
    steps.push(step);
    around(rig, &target, "at once", &mut steps)?;
    rig.stop()?;
    let target = rig.target()?;
    around(rig, &target, "after a restart", &mut steps)?;
    let missing = FOLDED.saturating_sub(rig.customers.count());
    let more = rig.creates(&target, "fold", CONNECTIONS, Length::Creates(missing))?;
    rig.report.complain(&more.name, &more.tally);
    around(rig, &target, "after a fold", &mut steps)?;
    let note = "Every customer has the same mail address and external id. `find` is `GET /customers?email=…&limit=1`.";
    rig.report
        .steps("Retries and look-ups, all shared", note, &steps);
    rig.start_over()
}

/// A step of GETs, one of replays and one of look-ups, on the same store in the same minute.
fn around(rig: &mut Rig, target: &Target, when: &str, steps: &mut Vec<Step>) -> Result<()> {
    let gets = named(&format!("get, {when}"), reads::gets(rig, target)?);
    rig.report.step_facts(&format!("retries.get.{when}"), &gets);
    let replays = named(&format!("replay, {when}"), replay::replays(rig, target)?);
    rig.report
        .step_facts(&format!("retries.replay.{when}"), &replays);
    let email = rig.customers.people.shared_email();
    let path = format!("/customers?email={email}&limit=1");
    let finds = rig.step(target, &format!("find, {when}"), CONNECTIONS, || {
        Box::new(Fixed::new(target, &path))
    })?;
    rig.report
        .step_facts(&format!("retries.find.{when}"), &finds);
    steps.extend([gets, replays, finds]);
    Ok(())
}

fn named(name: &str, mut step: Step) -> Step {
    name.clone_into(&mut step.name);
    step
}

/// One project's GETs, alone and while another project seeks whom its filters never find.
pub fn neighbours(rig: &mut Rig) -> Result<()> {
    let target = rig.target()?;
    let missing = SOUGHT_THROUGH.saturating_sub(rig.customers.count());
    let more = rig.creates(&target, "preload", CONNECTIONS, Length::Creates(missing))?;
    rig.report.complain(&more.name, &more.tally);
    let other = rig.target_of("neighbour")?;
    let load = rig.load(&other, READERS, Some(rig.options.seconds));
    let read = || Box::new(Fixed::new(&other, "/customers?limit=1")) as Box<dyn Talk>;
    let alone = observe(&other, "reads, alone", &load, read)?;
    rig.report.step_facts("neighbours.alone", &alone);
    let path = "/customers?endorsement=usd&endorsementStatus=OFFBOARDED";
    let seekers = Load {
        connections: SEEKERS,
        ..rig.load(&target, SEEKERS, Some(rig.options.seconds))
    };
    let (beside, seeks) = std::thread::scope(|scope| {
        let seeking = scope.spawn(|| {
            observe(&target, "filters that nobody fits", &seekers, || {
                Box::new(Fixed::new(&target, path))
            })
        });
        let beside = observe(&other, "reads, beside them", &load, read);
        (beside, seeking.join())
    });
    let beside = beside?;
    let seeks = seeks.map_err(|_| "the filters' thread panicked")??;
    rig.report.step_facts("neighbours.beside", &beside);
    rig.report.step_facts("neighbours.filters", &seeks);
    let note = format!(
        "A project with few customers lists one, while another project looks through {SOUGHT_THROUGH} for one that is not there."
    );
    rig.report.steps(
        "Beside a filter that nobody fits",
        &note,
        &[alone, beside, seeks],
    );
    Ok(())
}

/// The same GET again and again.
struct Fixed {
    target: Target,
    path: String,
}

impl Fixed {
    fn new(target: &Target, path: &str) -> Self {
        Self {
            target: target.clone(),
            path: path.to_owned(),
        }
    }
}

impl Talk for Fixed {
    fn ask(&mut self, out: &mut Vec<u8>) -> bool {
        self.target.get(format_args!("{}", self.path), out);
        true
    }

    fn hear(&mut self, answer: &Answer) -> Verdict {
        match answer.status {
            200 => Verdict::Good,
            429 | 503 => Verdict::Refused,
            _ => Verdict::Wrong,
        }
    }
}
