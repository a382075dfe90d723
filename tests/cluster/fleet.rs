//! Servers that share a database and a master key, and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{
    Api, Client, Folder, Key, Mode, Output, Seeded, Server, Spread, fresh_name, note_database, oms,
};

impl Drop for Fleet {
    /// What went wrong stands in the logs, which go with their folders.
    fn drop(&mut self) {
        if thread::panicking() {
            let all = self.logged();
            let serious = |line: &&str| !line.contains("\"INFO\"");
            for line in all.lines().filter(serious).take(LINES_SHOWN) {
                println!("{line}");
            }
        }
    }
}

/// Lines of the logs that a failure shows.
const LINES_SHOWN: usize = 60;

/// The servers.
pub struct Fleet {
    url: String,
    settings: Vec<(String, String)>,
    servers: Vec<Option<Server>>,
    pub spread: Spread,
    /// Of the command line, and where the master key lies.
    own: Folder,
}

impl Fleet {
    /// Starts servers, one after the other.
    pub fn start(url: &str, count: usize, settings: &[(&str, &str)]) -> Self {
        let mut fleet = Self::prepare(url, settings);
        for _ in 0..count {
            fleet.add(1);
        }
        fleet
    }

    /// What servers will share.
    pub fn prepare(url: &str, settings: &[(&str, &str)]) -> Self {
        let own = Folder::new();
        note_database(own.path(), url);
        let key = own.path().join("shared.key");
        fs::write(&key, STANDARD.encode([42; 32])).expect("a key can be written");
        fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("the key is ours");
        let mut all = vec![("OMS_MASTER_KEY_FILE".to_owned(), text(key))];
        let given = settings.iter();
        all.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self {
            url: url.to_owned(),
            settings: all,
            servers: Vec::new(),
            spread: Spread::default(),
            own,
        }
    }

    /// Starts so many servers at the same moment.
    pub fn add(&mut self, count: usize) {
        let settings = self.settings();
        let new: Vec<Server> = thread::scope(|scope| {
            let starts: Vec<_> = (0..count)
                .map(|_| scope.spawn(|| start(&self.url, &settings)))
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().expect("the server starts"))
                .collect()
        });
        for server in new {
            self.spread.set(self.servers.len(), &server.base);
            self.servers.push(Some(server));
        }
    }

    /// Settings of every server and command.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        let pairs = self.settings.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Their database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every one that lives.
    pub fn living(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().flatten()
    }

    /// Ends one as a crash would.
    pub fn kill(&mut self, place: usize) {
        if let Some(server) = &mut self.servers[place] {
            server.crash();
        }
        self.servers[place] = None;
    }

    /// Starts another one in the place of one that was killed.
    pub fn replace(&mut self, place: usize) {
        let server = start(&self.url, &self.settings());
        self.spread.set(place, &server.base);
        self.servers[place] = Some(server);
    }

    /// Runs a command on the database, as on a machine that has no server.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let data = text(self.own.path().join("data"));
        let all: Vec<&str> = arguments.iter().copied().chain(["--data", &data]).collect();
        oms(&all, &self.settings())
    }

    /// Has the audit log verified.
    #[track_caller]
    pub fn check_audit(&self) {
        let whole = self.run(&["audit", "verify"]);
        assert!(whole.status.success(), "{whole:?}");
    }

    /// Makes a key of a new project at the command line.
    #[track_caller]
    pub fn key(&self, mode: Mode) -> Key {
        let project = fresh_name("project");
        let mode = mode.name();
        let arguments = ["keys", "create", "--project", &project, "--mode", mode];
        let output = self.run(&[&arguments[..], &["--json"]].concat());
        assert!(output.status.success(), "{output:?}");
        Key::parse(&output.stdout)
    }

    /// A client with a token that one of the servers gave, in a project of its own.
    #[track_caller]
    pub fn sandbox(&self) -> Api {
        let key = self.key(Mode::Sandbox);
        let server = self.living().next().expect("one lives");
        Api::connect(&server.base, &Client::new(), &key)
    }

    /// What every server logged so far.
    pub fn logged(&self) -> String {
        self.living().map(Server::logged).collect()
    }

    /// A place by chance.
    pub fn any(&self, random: &mut Seeded) -> usize {
        let place = random.between(0, self.servers.len() as u64);
        usize::try_from(place).expect("few servers")
    }
}

fn start(url: &str, settings: &[(&str, &str)]) -> Server {
    let folder = Folder::new();
    note_database(folder.path(), url);
    Server::start_owning_with(folder, settings)
}

fn text(path: PathBuf) -> String {
    path.into_os_string()
        .into_string()
        .expect("a path of plain text")
}
