//! A machine whose clock a test sets, and the servers that run on it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use oms::context::{Context, Time};

use crate::support::{Api, Client, Folder, Output, Server, eventually, oms, sql};

/// How long anything here may take on a busy machine.
pub const A_WHILE: Duration = Duration::from_mins(2);

/// A day, in seconds.
pub const DAY_S: i64 = 86_400;

/// A little longer than a clock that was set must stand before it is believed.
pub const SETTLING_S: i64 = oms::clock::SETTLING_MS / 1000 + 1;

/// A clock, which servers read from a file.
pub struct Machine {
    folder: Folder,
    settings: Vec<(String, String)>,
}

impl Machine {
    /// A machine whose clock is right, and what its servers are set to.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let file = folder.path().join("clock");
        let mut all = vec![("OMS_CLOCK_FILE".to_owned(), text(&file))];
        let given = settings.iter();
        all.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let machine = Self {
            folder,
            settings: all,
        };
        machine.set(0, 0);
        machine
    }

    /// Sets the wall clock so many seconds ahead of what is right; besides, so much more time
    /// passes than really does.
    pub fn set(&self, ahead_s: i64, passed_s: i64) {
        let (new, file) = (
            self.folder.path().join("new"),
            self.folder.path().join("clock"),
        );
        fs::write(&new, format!("{ahead_s} {passed_s}")).expect("a file can be written");
        fs::rename(new, file).expect("it takes the place of the one before");
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        let pairs = self.settings.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// A server on an empty store.
    pub fn start(&self) -> Server {
        Server::start(&self.settings())
    }

    /// A server on the store of one that is killed.
    pub fn restart(&self, server: Server) -> Server {
        Server::start_owning_with(server.into_folder(), &self.settings())
    }

    /// The same, with something done between the end of one and the start of the other.
    pub fn restart_after(&self, server: Server, between: impl FnOnce()) -> Server {
        let folder = server.into_folder();
        between();
        Server::start_owning_with(folder, &self.settings())
    }

    /// Runs a command beside a server.
    pub fn run(&self, server: &Server, arguments: &[&str]) -> Output {
        let data = text(&server.data);
        let all: Vec<&str> = arguments.iter().copied().chain(["--data", &data]).collect();
        oms(&all, &self.settings())
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of plain text").to_owned()
}

/// A client with a token of this moment.
pub fn again(server: &Server, api: &Api) -> Api {
    Api::connect(&server.base, &Client::new(), &api.key)
}

/// Waits until a server has swept since now: it notes the time whenever it does, twice here so
/// that one whole sweep lies between.
pub fn swept(server: &Server) {
    let noted = || sql(&server.data, "SELECT settled_at FROM clock");
    for _ in 0..2 {
        let before = noted();
        eventually(A_WHILE, "it sweeps", || (noted() != before).then_some(()));
    }
}

/// The right time.
pub fn right_now() -> Time {
    Context::system().now()
}

/// Whether a moment on the wire is the right one, give or take a while.
pub fn is_right(moment: &serde_json::Value) -> bool {
    let moment = moment.as_str().and_then(Time::parse).expect("a moment");
    let off_s = moment.as_seconds().abs_diff(right_now().as_seconds());
    off_s <= A_WHILE.as_secs()
}
