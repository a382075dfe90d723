//! What is done to a store while `strace` looks on: requests under load, some of them erasures,
//! an import, a change of the master key, and requests again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::medium::Medium;
use super::trace::{self, Event, What};
use crate::support::{
    Answer, Api, Folder, Mode, Server, eventually, fresh_name, full_customer, minimal_customer,
    oms_traced,
};

const CLIENTS: usize = 3;

const A_WHILE: Duration = Duration::from_mins(2);

/// Customers that are made under load, and after all.
const CUSTOMERS: usize = 50;
const LAST_CUSTOMERS: usize = 6;

/// One of so many is erased again.
const ERASED_OF: usize = 5;

/// Rows of the import.
pub const IMPORTED: usize = 300;

/// A part of what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    FirstStart,
    Load,
    Import,
    Rotation,
    LastLoad,
}

/// What one program did.
pub struct Phase {
    pub work: Work,
    pub events: Vec<Event>,
    /// Of a hundred states, how many are taken here.
    pub share: usize,
}

/// Everything that was done, and what is needed to ask about it.
pub struct Recording {
    pub before: Medium,
    pub phases: Vec<Phase>,
    pub api: Api,
    /// The file of the master key after its change.
    pub new_key: String,
    pub rows: PathBuf,
    pub project: String,
    /// The data folder as it stands in the events.
    pub data: PathBuf,
    /// Everything that callers were told in the end.
    pub told: Told,
    _files: Folder,
}

/// What callers were told until a moment.
#[derive(Clone, Default)]
pub struct Told {
    /// Customers by their external id.
    pub ids: BTreeMap<String, String>,
    /// The last change of each.
    pub changes: BTreeMap<String, u64>,
    /// The ids of those that are erased.
    pub erased: BTreeSet<String>,
    pub begun: BTreeSet<Work>,
    pub done: BTreeSet<Work>,
}

impl Told {
    /// Takes in what a caller read.
    pub fn take(&mut self, answer: &[u8]) {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let wrote = head.starts_with("HTTP/1.1 201") || head.starts_with("HTTP/1.1 200");
        let Some(said) = serde_json::from_str::<Value>(body).ok().filter(|_| wrote) else {
            return;
        };
        if let Some(erased) = said["customerId"].as_str() {
            self.erased.insert(erased.to_owned());
        }
        if let (Some(external), Some(id)) = (said["externalId"].as_str(), said["id"].as_str()) {
            self.ids.insert(external.to_owned(), id.to_owned());
            self.changes.insert(external.to_owned(), change_of(&said));
        }
    }

    fn take_all(&mut self, phases: &[Phase]) {
        for event in phases.iter().flat_map(|phase| &phase.events) {
            if let What::Answered(bytes) = &event.what {
                self.take(bytes);
            }
        }
    }
}

/// Which change a customer shows.
pub fn change_of(customer: &Value) -> u64 {
    let text = customer["metadata"]["change"].as_str().unwrap_or("0");
    text.parse().expect("a number of ours")
}

/// The body of a create.
pub fn wanted(external: &str) -> Value {
    let mut body = full_customer();
    body["externalId"] = json!(external);
    body["metadata"] = json!({ "change": "1", "filling": "x".repeat(400) });
    body
}

/// The external id of a row of the import.
pub fn imported(number: usize) -> String {
    format!("imported-{number}")
}

/// Asks again while the machine is too busy, as a client would.
fn patiently(wanted: u16, ask: impl Fn() -> Answer) -> Answer {
    let answer = eventually(A_WHILE, "it is answered", || {
        let answer = ask();
        (answer.status != 503).then_some(answer)
    });
    answer.wants(wanted)
}

/// Creates, changes and erases until so many are made.
fn load(api: &Api, customers: usize) {
    let made = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = made.fetch_add(1, Ordering::SeqCst);
                    if number >= customers {
                        return;
                    }
                    let key = fresh_name("wish");
                    let create = || api.post_keyed("/customers", &key, &wanted(&key));
                    let path = format!("/customers/{}", patiently(201, create).id());
                    for change in 2..4 {
                        let metadata = json!({ "metadata": { "change": change.to_string() } });
                        patiently(200, || api.patch(&path, &metadata));
                    }
                    if number % ERASED_OF == 1 {
                        let (path, body) = (path + "/erase", json!({ "reason": "asked for" }));
                        let key = fresh_name("erase");
                        patiently(200, || api.post_keyed(&path, &key, &body));
                    }
                }
            });
        }
    });
}

/// Does everything once, on a folder of its own.
pub fn record() -> Recording {
    let files = Folder::new();
    let new_key = new_key(files.path());
    let rows = rows(files.path());
    let mut server = Server::start(&[]);
    let project = fresh_name("project");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    server.signal("TERM");
    server.ended(A_WHILE);
    let folder = server.into_folder();
    let data = folder.path().join("data");
    let before = Medium::of_folder(&data);
    let trace = |name: &str| files.path().join(name);
    let (folder, events) = traced(folder, &trace("load"), &[], |server| {
        load(&api.at(&server.base), CUSTOMERS);
    });
    let mut phases = vec![phase(Work::Load, events, 60)];
    let import = import(&rows, &project);
    let events = command(&trace("import"), &data, &import);
    phases.push(phase(Work::Import, events, 15));
    let events = command(
        &trace("rotation"),
        &data,
        &["keys", "rotate-master", "--to", &new_key],
    );
    phases.push(phase(Work::Rotation, events, 15));
    let settings = [("OMS_MASTER_KEY_FILE", new_key.as_str())];
    let (_folder, events) = traced(folder, &trace("last"), &settings, |server| {
        load(&api.at(&server.base), LAST_CUSTOMERS);
    });
    phases.push(phase(Work::LastLoad, events, 10));
    let mut told = Told::default();
    told.take_all(&phases);
    assert_eq!(told.ids.len(), CUSTOMERS + LAST_CUSTOMERS, "all was seen");
    let erased = CUSTOMERS / ERASED_OF + LAST_CUSTOMERS.div_ceil(ERASED_OF) - 1;
    assert_eq!(told.erased.len(), erased, "every erasure was seen");
    Recording {
        before,
        phases,
        api,
        new_key,
        rows,
        project,
        data,
        told,
        _files: files,
    }
}

/// The first start of a server on an empty folder.
pub fn record_first_start() -> (PathBuf, Phase) {
    let files = Folder::new();
    let folder = Folder::new();
    let data = folder.path().join("data");
    let (_folder, events) = traced(folder, &files.path().join("start"), &[], |_| {});
    (data, phase(Work::FirstStart, events, 100))
}

const fn phase(work: Work, events: Vec<Event>, share: usize) -> Phase {
    Phase {
        work,
        events,
        share,
    }
}

/// The arguments that import the rows.
pub fn import<'a>(rows: &'a Path, project: &'a str) -> [&'a str; 6] {
    let rows = rows.to_str().expect("a path of plain text");
    ["customers", "import", rows, "--json", "--project", project]
}

fn new_key(folder: &Path) -> String {
    let path = folder.join("new.key");
    fs::write(&path, STANDARD.encode([7; 32])).expect("a key can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    path.into_os_string().into_string().expect("plain text")
}

fn rows(folder: &Path) -> PathBuf {
    let row = |number| {
        let mut row = minimal_customer();
        row["externalId"] = json!(imported(number));
        row.to_string() + "\n"
    };
    let path = folder.join("rows.jsonl");
    let text: String = (0..IMPORTED).map(row).collect();
    fs::write(&path, text).expect("rows can be written");
    path
}

/// A server under `strace`, from its start to its end.
fn traced(
    folder: Folder,
    trace: &Path,
    settings: &[(&str, &str)],
    work: impl FnOnce(&Server),
) -> (Folder, Vec<Event>) {
    let mut server = Server::start_traced(folder, trace, &["-e", trace::CALLS], settings);
    work(&server);
    server.signal("TERM");
    let ended = server.ended(A_WHILE);
    assert!(ended.success(), "{ended}: {}", server.logged());
    eventually(A_WHILE, "the trace ends", || {
        let text = fs::read(trace).expect("there is one");
        text.ends_with(b"+++ exited with 0 +++\n").then_some(())
    });
    let events = trace::read(trace, &server.data);
    (server.into_folder(), events)
}

/// A command under `strace`, from its start to its end.
fn command(trace: &Path, data: &Path, arguments: &[&str]) -> Vec<Event> {
    let data_text = data.to_str().expect("a path of plain text");
    let all = [arguments, &["--data", data_text]].concat();
    let output = oms_traced(trace, &["-e", trace::CALLS], &all, &[]);
    assert!(output.status.success(), "{output:?}");
    trace::read(trace, data)
}
