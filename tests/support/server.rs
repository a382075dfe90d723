//! The real program as a process of its own, and its command line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, PipeReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::api::{Api, Key, Mode, fresh_name};
use super::cluster::database_setting;
use super::folder::Folder;
use super::http::{Call, Client};
use super::wait::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_oms");

/// Kills the server when the test process is gone, whatever ended it: then its
/// end of the pipe closes and `cat` is done.
const UNTIL_STDIN_CLOSES: &str =
    r#""$@" & server=$!; exec >&-; cat >/dev/null; kill -9 $server; rm -rf "$OMS_TEST_FOLDER""#;

/// How `strace` writes down whole bytes of every thread, into the file that is named next.
const STRACE: [&str; 6] = ["-f", "-y", "-xx", "-s", "4000000", "-o"];

/// Settings of every server here: live keys without a master key of their own, as many failed
/// logins as the tests want, receivers on this machine beside live keys, and `strace` may look on.
const SETTINGS: [(&str, &str); 4] = [
    ("OMS_DEBUGGABLE", "true"),
    ("OMS_ALLOW_LIVE_WITH_GENERATED_MASTER_KEY", "true"),
    ("OMS_AUTH_FAILURES_PER_MINUTE", "1000000"),
    ("OMS_WEBHOOKS_TO_LOOPBACK", "on"),
];

/// What a finished program left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
}

/// Runs `oms` with these arguments and only these settings, to its end, which
/// must come within a minute.
pub fn oms(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    run(command(Path::new(PROGRAM), settings), arguments, settings)
}

/// The same while `strace` writes its system calls down.
pub fn oms_traced(
    trace: &Path,
    options: &[&str],
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> Output {
    let mut command = command(Path::new("strace"), settings);
    command.args(STRACE).arg(trace).args(options);
    command.args(["--", PROGRAM]).env("OMS_DEBUGGABLE", "true");
    run(command, arguments, settings)
}

fn run(mut command: Command, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let named = arguments.iter().position(|one| *one == "--data");
    let by_variable = || settings.iter().find(|(name, _)| *name == "OMS_DATA");
    let data = named
        .and_then(|place| arguments.get(place + 1).copied())
        .or_else(|| by_variable().map(|(_, data)| *data));
    let child = command
        .envs(data.and_then(|data| database_setting(Path::new(data))))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let id = child.id().to_string();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(Duration::from_mins(1)) else {
        drop(Command::new("kill").args(["-s", "KILL", &id]).status());
        panic!("oms {arguments:?} did not end");
    };
    let output = output.expect("its output can be read");
    Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The name of the loss for which a command refused to open the store.
pub fn loss_in(said: &str) -> Option<&str> {
    let name = said.split("--accept-loss ").nth(1)?;
    name.split_whitespace().next()
}

/// Opens a store once although something is lost.
#[track_caller]
pub fn accept_loss(data: &Path, name: &str) {
    let data = data.to_str().expect("a path of plain text");
    let output = oms(
        &["keys", "list", "--data", data],
        &[("OMS_ACCEPT_LOSS", name)],
    );
    assert!(output.status.success(), "{output:?}");
}

fn command(program: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OMS_")) {
        command.env_remove(name);
    }
    command.envs(settings.iter().copied());
    command
}

/// The same to serve this folder, on free ports.
fn serving(mut command: Command, data: &Path) -> Command {
    command
        .envs(database_setting(data))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--operator-listen", "127.0.0.1:0", "--data"])
        .arg(data);
    command
}

/// A subcommand that runs until it is dropped.
pub struct Background {
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Background {
    /// What it printed so far.
    pub fn printed(&self) -> String {
        self.printed.lock().expect("no panic holds this").clone()
    }

    /// Presses ctrl-c and waits for its end.
    #[track_caller]
    pub fn interrupt(&mut self, limit: Duration) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "it runs");
        eventually(limit, "it ends", || {
            self.child.try_wait().expect("it can be waited for")
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A running server.
pub struct Server {
    /// `http://127.0.0.1:PORT` of the public listener.
    pub base: String,
    /// The same of the operator's listener.
    pub operator: String,
    /// The data folder.
    pub data: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
    client: Client,
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
    folder: Option<Folder>,
}

impl Server {
    /// The server that the tests of this binary share, each in a project of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = std::mem::ManuallyDrop::new(Folder::new());
            let mut command = command(Path::new("/bin/sh"), &SETTINGS);
            command
                .args(["-c", UNTIL_STDIN_CLOSES, "sh", PROGRAM])
                .env("OMS_TEST_FOLDER", folder.path())
                .stdin(Stdio::piped());
            Self::launch(command, folder.path(), None)
        })
    }

    /// A server of its own on an empty data folder, with settings that go
    /// before those of all tests.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let path = folder.path().to_owned();
        Self::launch(Self::own(settings), &path, Some(folder))
    }

    /// A server on the folder of an earlier one.
    pub fn start_owning(folder: Folder) -> Self {
        Self::start_owning_with(folder, &[])
    }

    /// A server on the folder of an earlier one, with settings.
    pub fn start_owning_with(folder: Folder, settings: &[(&str, &str)]) -> Self {
        let path = folder.path().to_owned();
        Self::launch(Self::own(settings), &path, Some(folder))
    }

    /// A server that may open so many files.
    pub fn start_with_descriptors(count: u32, settings: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let path = folder.path().to_owned();
        let mut limited = command(Path::new("/bin/sh"), &SETTINGS);
        let script = format!("ulimit -n {count} && exec \"$@\"");
        limited
            .args(["-c", &script, "sh", PROGRAM])
            .envs(settings.iter().copied())
            .stdin(Stdio::null());
        Self::launch(limited, &path, Some(folder))
    }

    /// A server on a folder whose system calls `strace` writes down, or lets fail.
    pub fn start_traced(
        folder: Folder,
        trace: &Path,
        options: &[&str],
        settings: &[(&str, &str)],
    ) -> Self {
        let there = Command::new("strace").arg("-V").output();
        assert!(
            there.is_ok_and(|output| output.status.success()),
            "strace is not there: apt-get install strace"
        );
        let path = folder.path().to_owned();
        let mut command = command(Path::new("strace"), &SETTINGS);
        // The server is the child, and strace looks on from beside it.
        command
            .envs(settings.iter().copied())
            .arg("-D")
            .args(STRACE)
            .arg(trace)
            .args(options)
            .args(["--", PROGRAM])
            .stdin(Stdio::null());
        Self::launch(command, &path, Some(folder))
    }

    /// A server of its own that a line of the shell comes before, which sets what it inherits.
    pub fn start_after(shell: &str, settings: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let path = folder.path().to_owned();
        let mut command = command(Path::new("/bin/sh"), &SETTINGS);
        command
            .envs(settings.iter().copied())
            .args(["-c", &format!(r#"{shell}; exec "$0" "$@""#), PROGRAM])
            .stdin(Stdio::null());
        Self::launch(command, &path, Some(folder))
    }

    /// A server of its own whose two outputs go into one pipe, as `2>&1 |` makes it. It was
    /// read up to the addresses, and nobody reads on.
    pub fn start_unread(settings: &[(&str, &str)]) -> (Self, BufReader<PipeReader>) {
        let folder = Folder::new();
        let (data, log) = (folder.path().join("data"), folder.path().join("server.log"));
        let (reader, writer) = io::pipe().expect("a pipe");
        let mut command = serving(Self::own(settings), &data);
        command
            .stdout(writer.try_clone().expect("a descriptor"))
            .stderr(writer);
        let child = command.spawn().expect("the server can be started");
        drop(command);
        let mut output = BufReader::new(reader);
        let [base, operator] = ["listening on ", "operator listener on "].map(|before| {
            let mut line = String::new();
            loop {
                line.clear();
                let length = output.read_line(&mut line).expect("it writes text");
                assert!(length > 0, "it ended");
                if let Some(address) = line.strip_prefix(before) {
                    return address.trim().to_owned();
                }
            }
        });
        let server = Self {
            base,
            operator,
            data,
            log,
            client: Client::new(),
            child,
            printed: Arc::default(),
            folder: Some(folder),
        };
        (server, output)
    }

    fn own(settings: &[(&str, &str)]) -> Command {
        let mut command = command(Path::new(PROGRAM), &SETTINGS);
        command.envs(settings.iter().copied()).stdin(Stdio::null());
        command
    }

    fn launch(command: Command, folder: &Path, owned: Option<Folder>) -> Self {
        let (data, log) = (folder.join("data"), folder.join("server.log"));
        let file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the log can be written");
        let mut child = serving(command, &data)
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .expect("the server can be started");
        let printed = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(Mutex::new(false));
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (lines, end) = (Arc::clone(&printed), Arc::clone(&ended));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                lines.lock().expect("no panic holds this").push(line);
            }
            *end.lock().expect("no panic holds this") = true;
        });
        let [base, operator] = ["listening on ", "operator listener on "].map(|before| {
            eventually(
                Duration::from_mins(1),
                "the server prints its addresses",
                || {
                    let over = *ended.lock().expect("no panic holds this");
                    let lines = printed.lock().expect("no panic holds this");
                    let found = lines
                        .iter()
                        .find_map(|line: &String| line.strip_prefix(before))
                        .map(|address| address.trim().to_owned());
                    let log = || fs::read_to_string(&log).unwrap_or_default();
                    assert!(found.is_some() || !over, "it ended: {lines:#?}\n{}", log());
                    found
                },
            )
        });
        Self {
            base,
            operator,
            data,
            log,
            client: Client::new(),
            child,
            printed,
            folder: owned,
        }
    }

    /// Every line it printed so far.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().expect("no panic holds this").clone()
    }

    /// What it logged so far.
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("there is a log")).into_owned()
    }

    /// The address of the public listener.
    pub fn address(&self) -> SocketAddr {
        let address = self.base.trim_start_matches("http://");
        address.parse().expect("the printed address is one")
    }

    /// The address of the operator's listener.
    pub fn operator_address(&self) -> SocketAddr {
        let address = self.operator.trim_start_matches("http://");
        address.parse().expect("the printed address is one")
    }

    /// A call without a token to any path of the public listener.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.client.call(method, &format!("{}{path}", self.base))
    }

    /// A call to any path of the operator's listener.
    pub fn operator_call(&self, method: &str, path: &str) -> Call {
        self.client
            .call(method, &format!("{}{path}", self.operator))
    }

    /// Runs a subcommand of `oms keys` on the data of this server.
    pub fn keys(&self, arguments: &[&str]) -> Output {
        let data = self.data.to_str().expect("a path of plain text");
        let all: Vec<&str> = ["keys"]
            .into_iter()
            .chain(arguments.iter().copied())
            .chain(["--data", data])
            .collect();
        oms(&all, &SETTINGS)
    }

    /// Runs any subcommand on the data of this server.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let data = self.data.to_str().expect("a path of plain text");
        let all: Vec<&str> = arguments.iter().copied().chain(["--data", data]).collect();
        oms(&all, &SETTINGS)
    }

    /// Starts a subcommand on the data of this server; it ends when it is dropped.
    pub fn background(&self, arguments: &[&str]) -> Background {
        let mut child = command(Path::new(PROGRAM), &SETTINGS)
            .envs(database_setting(&self.data))
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout = child.stdout.take().expect("it is piped");
        let printed = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&printed);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                lines
                    .lock()
                    .expect("no panic holds this")
                    .push_str(&(line + "\n"));
            }
        });
        Background { child, printed }
    }

    /// Makes a key while the server runs.
    #[track_caller]
    pub fn key(&self, project: &str, mode: Mode, scopes: Option<&str>) -> Key {
        let mut arguments = vec![
            "create",
            "--project",
            project,
            "--mode",
            mode.name(),
            "--json",
        ];
        if let Some(scopes) = scopes {
            arguments.extend(["--scopes", scopes]);
        }
        let output = self.keys(&arguments);
        assert!(output.status.success(), "{output:?}");
        Key::parse(&output.stdout)
    }

    /// A client with a token of this key.
    #[track_caller]
    pub fn connect(&self, key: &Key) -> Api {
        Api::connect(&self.base, &self.client, key)
    }

    /// A client with all scopes in a new project.
    #[track_caller]
    pub fn project(&self, mode: Mode) -> Api {
        self.connect(&self.key(&fresh_name("project"), mode, None))
    }

    /// A client with all scopes in a new sandbox project.
    #[track_caller]
    pub fn sandbox(&self) -> Api {
        self.project(Mode::Sandbox)
    }

    /// The process's number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "signal {name}");
    }

    /// Ends it as a crash would and waits until it is gone.
    pub fn crash(&mut self) {
        drop(self.child.kill());
        self.child.wait().expect("the server can be waited for");
    }

    /// Starts again on the same folder, wherever it listens then.
    pub fn restart(&mut self) {
        self.crash();
        let folder = self.folder.take().expect("the server has a folder");
        let path = folder.path().to_owned();
        *self = Self::launch(Self::own(&[]), &path, Some(folder));
    }

    /// How it ended, which must be before the time is over.
    #[track_caller]
    pub fn ended(&mut self, limit: Duration) -> ExitStatus {
        eventually(limit, "the server ends", || {
            self.child.try_wait().expect("the server can be waited for")
        })
    }

    /// Ends it and hands out its folder for the next one.
    pub fn into_folder(mut self) -> Folder {
        self.crash();
        self.folder
            .take()
            .expect("the server has a folder of its own")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
