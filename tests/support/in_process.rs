//! The server inside the test process, with a clock that the test moves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oms::config::{Config, Database, WebhooksToLoopback};
use oms::context::{Clock, Context, Random, Time};
use oms::server::Server;

use super::api::{Api, Key, Mode, fresh_name};
use super::cluster::database_setting;
use super::folder::Folder;
use super::http::{Call, Client};
use super::server::oms;

/// When the clock of a test begins: 2027-01-15T08:00:00Z.
pub const MOMENT_MS: i64 = 1_800_000_000_000;

/// A server whose clock stands still until it is moved.
pub struct InProcess {
    server: Option<Server>,
    config: Config,
    clock: Arc<AtomicI64>,
    client: Client,
    _folder: Folder,
}

impl InProcess {
    /// Starts with settings that the test changes.
    pub fn start(change: impl FnOnce(&mut Config)) -> Self {
        let folder = Folder::new();
        let mut config = Config::for_data(&folder.path().join("data"));
        config.allow_live_with_generated_master_key = true;
        config.webhooks_to_loopback = WebhooksToLoopback::On;
        config.database = database_setting(&config.data)
            .map(|(_, url)| Database::parse(&url).expect("the tests' own URL is one"));
        change(&mut config);
        let clock = Arc::new(AtomicI64::new(MOMENT_MS));
        let context = Context::new(Clock::Manual(Arc::clone(&clock)), Random::System);
        let server = Server::start(config.clone(), context).expect("the server starts");
        Self {
            server: Some(server),
            config,
            clock,
            client: Client::new(),
            _folder: folder,
        }
    }

    /// Moves the clock.
    pub fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Stops and starts again on the same data with the same clock.
    #[must_use]
    pub fn restarted(mut self) -> Self {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        let clock = Clock::Manual(Arc::clone(&self.clock));
        let context = Context::new(clock, Random::System);
        let server = Server::start(self.config.clone(), context).expect("it starts again");
        self.server = Some(server);
        self
    }

    /// The same client at this server, wherever it listens now.
    pub fn moved(&self, api: &Api) -> Api {
        api.at(&self.base())
    }

    /// What the clock says, as the wire writes it.
    pub fn now(&self) -> String {
        Time::from_millis(self.clock.load(Ordering::SeqCst)).to_string()
    }

    /// Makes a key.
    #[track_caller]
    pub fn key(&self, project: &str, mode: Mode, scopes: Option<&str>) -> Key {
        let data = self.config.data.to_str().expect("a path of plain text");
        let mut arguments = vec![
            "keys",
            "create",
            "--data",
            data,
            "--project",
            project,
            "--mode",
            mode.name(),
            "--json",
        ];
        if let Some(scopes) = scopes {
            arguments.extend(["--scopes", scopes]);
        }
        let settings = [("OMS_ALLOW_LIVE_WITH_GENERATED_MASTER_KEY", "true")];
        let output = oms(&arguments, &settings);
        assert!(output.status.success(), "{output:?}");
        Key::parse(&output.stdout)
    }

    /// A client with a token of this key.
    #[track_caller]
    pub fn connect(&self, key: &Key) -> Api {
        Api::connect(&self.base(), &self.client, key)
    }

    /// A client with all scopes in a new sandbox project.
    #[track_caller]
    pub fn sandbox(&self) -> Api {
        self.connect(&self.key(&fresh_name("project"), Mode::Sandbox, None))
    }

    /// A call without a token to any path.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.client.call(method, &format!("{}{path}", self.base()))
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.config.data
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs until dropped")
    }

    fn base(&self) -> String {
        format!("http://{}", self.server().address())
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}
