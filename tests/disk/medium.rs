//! A disk that keeps what was synced, and of the rest whatever chance wants.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::trace::{Event, What};
use crate::support::Seeded;

/// Pieces in which a write may be torn.
const SECTORS: [usize; 2] = [512, 4096];

/// A change that no sync has covered yet.
#[derive(Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A file, by whatever name.
#[derive(Clone, Default)]
struct Content {
    durable: Vec<u8>,
    /// With the moment at which each was over.
    pending: Vec<(usize, Change)>,
    /// Where the next write without a place goes.
    end: usize,
}

/// A change of names; they become durable in their order.
#[derive(Clone)]
enum Naming {
    Made(String, usize),
    Removed(String),
    Renamed(String, String),
}

/// The disk at a moment.
#[derive(Clone, Default)]
pub struct Medium {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<Naming>,
}

impl Medium {
    /// The files of a folder, all of them durable.
    pub fn of_folder(folder: &Path) -> Self {
        let mut medium = Self::default();
        for (path, bytes) in crate::support::files_under(folder) {
            let name = path.to_str().expect("plain text").to_owned();
            if !name.ends_with("-shm") {
                medium.names.insert(name, medium.contents.len());
                medium.contents.push(Content {
                    end: bytes.len(),
                    durable: bytes,
                    pending: Vec::new(),
                });
            }
        }
        medium.durable_names = medium.names.clone();
        medium
    }

    /// Takes in what happened.
    pub fn take(&mut self, event: &Event) {
        match &event.what {
            What::Opened { path, empties } => {
                let place = self.file(path);
                if *empties {
                    self.change(place, event.ended, Change::Length(0));
                }
            }
            What::Wrote { path, at, bytes } => {
                let place = self.file(path);
                let at = at.map_or(self.contents[place].end, |at| {
                    usize::try_from(at).expect("a file of a test")
                });
                let bytes = bytes.clone();
                self.change(place, event.ended, Change::Write { at, bytes });
            }
            What::Cut { path, length } => {
                let place = self.file(path);
                let length = usize::try_from(*length).expect("a file of a test");
                self.change(place, event.ended, Change::Length(length));
            }
            What::Synced { path } => self.sync(path, event.began),
            What::Removed { path } => {
                self.names.remove(path);
                self.pending_names.push(Naming::Removed(path.clone()));
            }
            What::Renamed { from, to } => {
                if let Some(place) = self.names.remove(from) {
                    self.names.insert(to.clone(), place);
                }
                let renamed = Naming::Renamed(from.clone(), to.clone());
                self.pending_names.push(renamed);
            }
            What::Linked { from, to } => {
                let place = self.file(from);
                self.names.insert(to.clone(), place);
                self.pending_names.push(Naming::Made(to.clone(), place));
            }
            What::Answered(_) => {}
        }
    }

    fn file(&mut self, path: &str) -> usize {
        if let Some(place) = self.names.get(path) {
            return *place;
        }
        let place = self.contents.len();
        self.contents.push(Content::default());
        self.names.insert(path.to_owned(), place);
        self.pending_names
            .push(Naming::Made(path.to_owned(), place));
        place
    }

    fn change(&mut self, place: usize, ended: usize, change: Change) {
        let content = &mut self.contents[place];
        content.end = match &change {
            Change::Write { at, bytes } => at + bytes.len(),
            Change::Length(length) => *length,
        };
        content.pending.push((ended, change));
    }

    /// What was over before the sync began is durable once it is over.
    fn sync(&mut self, path: &str, began: usize) {
        let Some(place) = self.names.get(path).copied() else {
            // A folder: its names.
            let names = std::mem::take(&mut self.pending_names);
            for naming in &names {
                name(&mut self.durable_names, naming);
            }
            return;
        };
        let content = &mut self.contents[place];
        let (covered, rest) = std::mem::take(&mut content.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|(ended, _)| *ended < began);
        content.pending = rest;
        for (_, change) in covered {
            apply(&mut content.durable, &change);
        }
        // A file that was synced has its name, and what was named before it.
        let made = |naming: &Naming| matches!(naming, Naming::Made(_, made) if *made == place);
        if let Some(last) = self.pending_names.iter().rposition(made) {
            for naming in self.pending_names.drain(..=last) {
                name(&mut self.durable_names, &naming);
            }
        }
    }

    /// Writes down what may be left when the power goes now.
    pub fn after_power_cut(&self, random: &mut Seeded, from: &Path, to: &Path) {
        let kept = random.between(0, self.pending_names.len() as u64 + 1);
        let mut names = self.durable_names.clone();
        for naming in &self.pending_names[..usize::try_from(kept).expect("small")] {
            name(&mut names, naming);
        }
        // Now and then nothing or everything of it.
        let chance = [0, 4, 4, 4, 8][usize::try_from(random.between(0, 5)).expect("small")];
        fs::create_dir_all(to).expect("in order");
        private(to, 0o700);
        for (path, place) in names {
            let content = &self.contents[place];
            let mut bytes = content.durable.clone();
            for (_, change) in &content.pending {
                if random.between(0, 8) >= chance {
                    continue;
                }
                match change {
                    Change::Write { at, bytes: written } if random.between(0, 2) == 0 => {
                        tear(&mut bytes, *at, written, random);
                    }
                    whole => apply(&mut bytes, whole),
                }
            }
            let name = Path::new(&path).strip_prefix(from).expect("inside");
            fs::write(to.join(name), bytes).expect("it is written");
            private(&to.join(name), 0o600);
        }
    }
}

fn name(names: &mut BTreeMap<String, usize>, naming: &Naming) {
    match naming {
        Naming::Made(path, place) => drop(names.insert(path.clone(), *place)),
        Naming::Removed(path) => drop(names.remove(path)),
        Naming::Renamed(from, to) => {
            if let Some(place) = names.remove(from) {
                names.insert(to.clone(), place);
            }
        }
    }
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => put(file, *at, bytes),
        Change::Length(length) => file.resize(*length, 0),
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Some sectors of a write.
fn tear(file: &mut Vec<u8>, at: usize, bytes: &[u8], random: &mut Seeded) {
    let sector = SECTORS[usize::try_from(random.between(0, 2)).expect("small")];
    let mut from = 0;
    while from < bytes.len() {
        let to = (((at + from) / sector + 1) * sector - at).min(bytes.len());
        if random.between(0, 2) == 0 {
            put(file, at + from, &bytes[from..to]);
        }
        from = to;
    }
}

fn private(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("in order");
}
