//! A log with a flipped bit, or cut short: no start loses acknowledged writes without a word.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{
    Api, Folder, Mode, Output, Seeded, Server, files_under, is_about_files, loss_in,
    minimal_customer, oms,
};

/// Bytes of a frame, and of what stands before the first.
const FRAME: u64 = 24 + 4096;
const HEADER: u64 = 32;

/// How many places of a log are damaged.
const TRIALS: u64 = 24;

/// A folder whose server was killed, with what it acknowledged.
struct Killed {
    folder: Folder,
    api: Api,
    acknowledged: BTreeSet<String>,
}

impl Killed {
    fn new() -> Self {
        let server = Server::start(&[]);
        let api = server.project(Mode::Sandbox);
        let made = (0..20).map(|_| api.create(&minimal_customer()).id());
        let acknowledged = made.collect();
        let folder = server.into_folder();
        Self {
            folder,
            api,
            acknowledged,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The same files again in a folder of their own.
    fn copy(&self) -> Folder {
        let copy = Folder::new();
        copy_files(&self.data(), &copy.path().join("data"));
        copy
    }
}

/// Copies a folder's files with their modes.
pub fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("in order");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("in order");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("in order");
    }
}

/// Frames that hold something.
fn frames(log: &Path) -> u64 {
    let bytes = fs::read(log).expect("there is a log");
    let frames = bytes[32..].chunks_exact(4120);
    let salts = &bytes[16..24];
    frames.take_while(|frame| &frame[8..16] == salts).count() as u64
}

fn flip(file: &Path, at: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .expect("it opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it is so long");
    file.write_all_at(&[byte[0] ^ 1], at)
        .expect("it is written");
}

fn cut(file: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(file).expect("it opens");
    file.set_len(length).expect("it is cut");
}

fn serve(data: &Path, settings: &[(&str, &str)]) -> Output {
    let data = data.to_str().expect("a path of plain text");
    let mut all = vec![
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--operator-listen",
        "off",
    ];
    all.extend(["--data", data]);
    oms(&all, settings)
}

fn findings(data: &Path, settings: &[(&str, &str)]) -> Vec<Value> {
    let data = data.to_str().expect("a path of plain text");
    let output = oms(&["doctor", "--json", "--data", data], settings);
    let report: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    report["findings"].as_array().expect("in order").clone()
}

/// The problems of a folder, but for a disk that is small.
pub fn doctor_finds(data: &Path) -> Vec<String> {
    doctor_finds_with(data, &[])
}

/// The same of a folder that opens with these settings.
pub fn doctor_finds_with(data: &Path, settings: &[(&str, &str)]) -> Vec<String> {
    let problems = findings(data, settings)
        .into_iter()
        .filter(|one| one["problem"] == true);
    let problems = problems.filter(|one| one["check"] != "diskSpace");
    problems.map(|one| one.to_string()).collect()
}

fn lost_writes(data: &Path) -> Vec<Value> {
    let mut lost = findings(data, &[]);
    lost.retain(|one| one["check"] == "lostWrites");
    lost
}

/// The start refuses and says how to go on; returns the name of the loss.
#[track_caller]
fn refused(data: &Path, damage: &str) -> String {
    let before = files_under(data).into_iter().collect::<BTreeSet<_>>();
    let output = serve(data, &[]);
    assert!(!output.status.success(), "{damage}: {output:?}");
    let said = &output.stderr;
    assert!(
        said.contains("acknowledged writes would be lost"),
        "{damage}: {output:?}"
    );
    let name = loss_in(said).expect("it says how to go on").to_owned();
    assert!(
        !lost_writes(data).is_empty(),
        "{damage}: doctor sees nothing"
    );
    let log = |path: &Path| !path.to_string_lossy().ends_with("-shm");
    for (path, bytes) in before.iter().filter(|(path, _)| log(path)) {
        let after =
            fs::read(path).unwrap_or_else(|cause| panic!("{damage}: {} {cause}", path.display()));
        assert!(after == *bytes, "{damage}: {} was changed", path.display());
    }
    let other = serve(data, &[("OMS_ACCEPT_LOSS", "0badf00d")]);
    assert!(!other.status.success(), "{damage}: another name was taken");
    name
}

/// With the name of the loss the store opens with what is left, and from then on without.
#[track_caller]
fn accepted(killed: &Killed, copy: Folder, damage: &str) {
    let data = copy.path().join("data");
    let name = refused(&data, damage);
    let had_log = data.join("oms.db-wal").exists();
    let server = Server::start_owning_with(copy, &[("OMS_ACCEPT_LOSS", &name)]);
    let kept = data.join(format!("oms.db-wal.lost-{name}"));
    assert_eq!(kept.exists(), had_log, "{damage}: the log is kept");
    let api = killed.api.at(&server.base);
    let left = api.all_customers().len();
    assert!(
        left < killed.acknowledged.len(),
        "{damage}: {left} are left"
    );
    api.create(&minimal_customer());
    let server = Server::start_owning(server.into_folder());
    let api = killed.api.at(&server.base);
    assert_eq!(api.all_customers().len(), left + 1, "{damage}");
    assert!(lost_writes(&server.data).is_empty(), "{damage}");
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_stops_the_start_and_doctor_names_it() {
    if is_about_files() {
        return;
    }
    let killed = Killed::new();
    let log = "data/oms.db-wal";
    let frames = frames(&killed.folder.path().join(log));
    let seed = u64::from(std::process::id());
    println!("seed {seed}, {frames} frames");
    let mut random = Seeded::new(seed);
    let in_frames = |random: &mut Seeded| HEADER + random.between(0, frames * FRAME - 1);
    let mut places = vec![20, HEADER + 4, HEADER + (frames - 1) * FRAME + 30];
    places.extend((3..TRIALS).map(|_| in_frames(&mut random)));
    for place in places {
        let copy = killed.copy();
        flip(&copy.path().join(log), place);
        let frame = place.saturating_sub(HEADER) / FRAME + 1;
        refused(
            &copy.path().join("data"),
            &format!("byte {place}, frame {frame} of {frames}"),
        );
    }
}

#[test]
fn a_log_that_was_cut_stops_the_start_and_zeros_behind_its_end_do_not() {
    if is_about_files() {
        return;
    }
    let killed = Killed::new();
    let log = "data/oms.db-wal";
    let frames = frames(&killed.folder.path().join(log));
    let end = HEADER + frames * FRAME;
    for length in [
        0,
        16,
        HEADER,
        HEADER + FRAME * (frames / 2) + 77,
        end - FRAME,
        end - 1,
    ] {
        let copy = killed.copy();
        cut(&copy.path().join(log), length);
        refused(
            &copy.path().join("data"),
            &format!("cut to {length} of {end}"),
        );
    }
    let gone = killed.copy();
    fs::remove_file(gone.path().join(log)).expect("there is one");
    refused(&gone.path().join("data"), "no log");
    for length in [end, end + 7 * FRAME + 5] {
        let copy = killed.copy();
        cut(&copy.path().join(log), length);
        let server = Server::start_owning(copy);
        let api = killed.api.at(&server.base);
        let customers = api.all_customers();
        let ids = customers
            .iter()
            .map(|one| one["id"].as_str().expect("an id"));
        assert_eq!(
            ids.map(str::to_owned).collect::<BTreeSet<_>>(),
            killed.acknowledged
        );
    }
}

#[test]
fn a_loss_is_accepted_by_its_name_and_the_damaged_log_is_kept() {
    if is_about_files() {
        return;
    }
    let killed = Killed::new();
    let log = "data/oms.db-wal";
    let end = HEADER + frames(&killed.folder.path().join(log)) * FRAME;
    let copy = killed.copy();
    flip(&copy.path().join(log), end - 3 * FRAME);
    accepted(&killed, copy, "a flipped bit near the end");
    let copy = killed.copy();
    cut(&copy.path().join(log), end - 2 * FRAME);
    accepted(&killed, copy, "two frames less");
}

#[test]
fn without_a_note_damage_in_the_middle_is_found_by_what_lies_behind_it() {
    if is_about_files() {
        return;
    }
    let killed = Killed::new();
    let end = HEADER + frames(&killed.data().join("oms.db-wal")) * FRAME;
    for place in [20, HEADER + FRAME * 3 + 100, end / 2] {
        let copy = killed.copy();
        let data = copy.path().join("data");
        fs::remove_file(data.join("last-commit")).expect("there is one");
        flip(&data.join("oms.db-wal"), place);
        refused(&data, &format!("byte {place} of {end}"));
    }
}

#[test]
fn damage_of_the_key_registers_log_is_found_too() {
    if is_about_files() {
        return;
    }
    let killed = Killed::new();
    let log = "data/keys.db-wal";
    let end = HEADER + frames(&killed.folder.path().join(log)) * FRAME;
    let copy = killed.copy();
    flip(&copy.path().join(log), end - 100);
    refused(&copy.path().join("data"), "a flipped bit");
    let copy = killed.copy();
    cut(&copy.path().join(log), end - 100);
    refused(&copy.path().join("data"), "a cut");
}
