//! A PostgreSQL server of the tests' own: in a temporary folder, on a free port, run by an
//! ordinary user, and gone when the test process is. One database for each data folder.
//!
//! `OMS_TEST_DATABASE=postgres` makes every server of the tests keep its data there.

use std::fs::{self, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::api::fresh_name;
use super::folder::files_under;
use super::wait::eventually;

/// Where Debian keeps its versions.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The user and group that everybody has and nobody uses.
const NOBODY: u32 = 65_534;

/// Holds the URL of a data folder's database.
const URL_FILE: &str = "database-url";

/// Starts the server, and again for each line, also where another one has not quite let go;
/// ends it and removes its folder when this end of the pipe closes.
const UNTIL_STDIN_CLOSES: &str = r#"run() { "$@" >>"$FOLDER/log" 2>&1 & server=$!; }
run "$@"; exec >&-
while read -r _; do wait $server; run "$@"; done
kill -QUIT $server; wait $server; rm -rf "$FOLDER""#;

/// A server, whose databases anybody on this machine may use.
pub struct Cluster {
    programs: PathBuf,
    pub(super) folder: PathBuf,
    port: u16,
    /// Its end of the pipe keeps the server alive.
    pub(super) keeper: Child,
}

/// Whether the tests' servers keep their data in PostgreSQL.
pub fn on_postgres() -> bool {
    std::env::var("OMS_TEST_DATABASE").is_ok_and(|text| text == "postgres")
}

/// The setting that names the database of a data folder, where there is one: that which was
/// noted beside it, or one of its own.
pub fn database_setting(data: &Path) -> Option<(String, String)> {
    let folder = data.parent()?;
    let noted = fs::read_to_string(folder.join(URL_FILE)).ok();
    if noted.is_none() && !on_postgres() {
        return None;
    }
    let url = noted.unwrap_or_else(|| {
        let url = Cluster::shared().new_database();
        if folder.is_dir() {
            note_database(folder, &url);
        }
        url
    });
    Some(("OMS_DATABASE".into(), url))
}

/// Has the servers whose data folder lies in this one keep their data in a database.
pub fn note_database(folder: &Path, url: &str) {
    fs::write(folder.join(URL_FILE), url).expect("the URL can be noted");
}

impl Cluster {
    /// The server that the tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            Self::start(&[]).expect("apt-get install postgresql, or unset OMS_TEST_DATABASE")
        })
    }

    /// A server with settings, if the machine has PostgreSQL.
    pub fn start(settings: &[(&str, &str)]) -> Option<Self> {
        Self::start_with(&[], settings)
    }

    /// A server with files of its own, whose names stand in settings as `{folder}/NAME`.
    pub fn start_with(files: &[(&str, &str)], settings: &[(&str, &str)]) -> Option<Self> {
        Self::start_in(&std::env::temp_dir(), files, settings)
    }

    /// The same below a folder, which everybody may look through.
    pub fn start_in(
        base: &Path,
        files: &[(&str, &str)],
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        let programs = newest_programs()?;
        let folder = own_folder(base);
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).expect("a file can be written");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
            give_away(&path);
        }
        let made = unprivileged(&programs.join("initdb"))
            .args(["-U", "oms", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .args(["--no-sync", "--wal-segsize", "4", "-D"])
            .arg(folder.join("data"))
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Some(Self::run(programs, folder, settings))
    }

    fn run(programs: PathBuf, folder: PathBuf, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = unprivileged(Path::new("/bin/sh"));
        command
            .args(["-c", UNTIL_STDIN_CLOSES, "sh"])
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(folder.join("data"));
        let port_text = port.to_string();
        let folder_text = folder.to_str().expect("a path of plain text");
        let own = [
            ("port", port_text.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", folder_text),
            ("max_connections", "600"),
            ("shared_buffers", "64MB"),
            ("min_wal_size", "8MB"),
            ("max_wal_size", "32MB"),
            // Database, SQLSTATE and program of whatever is said.
            ("log_line_prefix", "%d %e %a "),
        ];
        for (name, value) in own.iter().chain(settings) {
            let value = value.replace("{folder}", folder_text);
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let keeper = command
            .env("FOLDER", &folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres can be started");
        let cluster = Self {
            programs,
            folder,
            port,
            keeper,
        };
        eventually(Duration::from_mins(1), "postgres takes connections", || {
            cluster.sql("postgres", "SELECT 1").ok()
        });
        cluster
    }

    /// A server that follows this one, as it stands and with what comes.
    pub fn standby(&self) -> Self {
        let folder = own_folder(&std::env::temp_dir());
        let copied = unprivileged(&self.programs.join("pg_basebackup"))
            .args(["--no-sync", "-R", "-X", "stream", "-c", "fast", "-d"])
            .arg(self.url("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .output()
            .expect("pg_basebackup runs");
        assert!(
            copied.status.success(),
            "{}",
            String::from_utf8_lossy(&copied.stderr)
        );
        Self::run(self.programs.clone(), folder, &[])
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes an empty database and gives its URL.
    pub fn new_database(&self) -> String {
        let name = fresh_name("db").replace('-', "_");
        self.sql("postgres", &format!("CREATE DATABASE {name}"))
            .expect("a database can be made");
        self.url(&name)
    }

    /// The URL of one of its databases.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://oms@{}/{name}", self.address())
    }

    /// Runs SQL in one of its databases and gives what psql prints.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database))
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Keeps everybody from writing to the database of a data folder until the session ends.
    pub fn lock_tables(&self, data: &Path) -> Session {
        let (_, url) = database_setting(data).expect("the folder has a database");
        let mut session = self.session(name_of(&url)).expect("psql connects");
        session.run("BEGIN; LOCK TABLE customers, writers IN EXCLUSIVE MODE");
        session
    }

    /// A session of psql in one of its databases; what the server said where it lets nobody in.
    pub fn session(&self, database: &str) -> Result<Session, String> {
        let mut child = Command::new(self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"])
            .arg(self.url(database))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut session = Session {
            child,
            input,
            output,
        };
        session.begin("SELECT 1");
        session.end()?;
        Ok(session)
    }

    /// What the server logged: a database, an SQLSTATE and a program before each text.
    pub fn logged(&self) -> String {
        let log = fs::read(self.folder.join("log")).expect("there is a log");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// How often a session of a server was told this SQLSTATE in a database.
    pub fn met(&self, database: &str, code: &str) -> usize {
        let before = format!("{database} {code} oms ERROR:");
        self.logged()
            .lines()
            .filter(|line| line.starts_with(&before))
            .count()
    }

    /// How many sessions of servers wait in a database for what somebody else holds.
    pub fn waiting(&self, database: &str) -> usize {
        let sql = format!(
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = '{database}' AND application_name = 'oms' AND wait_event_type = 'Lock'"
        );
        let count = self.sql("postgres", &sql).expect("it answers");
        count.parse().expect("a number")
    }

    /// What the server keeps of the database of a data folder, and its logs.
    pub fn files_of(&self, data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let (_, url) = database_setting(data).expect("the folder has a database");
        let name = name_of(&url);
        let number = "SELECT oid FROM pg_database WHERE datname = current_database()";
        self.sql(name, "CHECKPOINT").expect("it is done");
        let number = self.sql(name, number).expect("it has a number");
        let folder = self.folder.join("data");
        let mut files = files_under(&folder.join("base").join(number));
        // Smaller numbers are those of the catalogue, which is large and holds no rows of ours.
        files.retain(|(path, _)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().is_ok_and(|number: u32| number >= 16_384)
        });
        files.extend(files_under(&folder.join("global")));
        files.extend(files_under(&folder.join("pg_wal")));
        let log = self.folder.join("log");
        files.push((log.clone(), fs::read(log).expect("there is a log")));
        files
    }
}

/// A session of psql, which ends with this.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What psql prints after a statement that was begun.
const ENDED: &str = "that was it";

impl Session {
    /// Has a statement run; [`Self::end`] waits for it.
    pub fn begin(&mut self, sql: &str) {
        let input = self.input.as_mut().expect("it has not ended");
        // Whether psql is still there is seen at the end.
        drop(writeln!(input, "{sql};\n\\echo {ENDED}"));
    }

    /// Waits for the end of a statement; gives what psql printed, or what went wrong.
    pub fn end(&mut self) -> Result<String, String> {
        let mut said = String::new();
        while self.output.read_line(&mut said).expect("psql prints text") > 0 {
            if let Some(said) = said.trim_end().strip_suffix(ENDED) {
                return Ok(said.trim_end().to_owned());
            }
        }
        let mut wrong = String::new();
        let errors = self.child.stderr.as_mut().expect("stderr is piped");
        errors.read_to_string(&mut wrong).expect("psql prints text");
        Err(wrong)
    }

    /// Runs a statement that must go well.
    #[track_caller]
    pub fn run(&mut self, sql: &str) -> String {
        self.begin(sql);
        self.end().unwrap_or_else(|wrong| panic!("{sql}: {wrong}"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

/// The name of the database in a URL of [`Cluster::url`].
pub fn name_of(url: &str) -> &str {
    url.rsplit('/').next().expect("a URL has a path")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// The programs of the newest version that is installed.
pub fn newest_programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?;
    let number = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .max_by_key(number)
        .map(|version| version.join("bin"))
        .filter(|programs| programs.join("initdb").exists())
}

/// A command that runs as an ordinary user: PostgreSQL refuses to be run by root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let nobody = NOBODY.to_string();
    command
        .args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}

/// An empty folder of the server's user.
fn own_folder(base: &Path) -> PathBuf {
    let folder = base.join(fresh_name("oms-postgres"));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("a folder can be made");
    give_away(&folder);
    folder
}

pub(super) fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give away");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Below those that the machine gives to whoever connects, so that nobody gets it by chance
/// before the server is up.
fn free_port() -> u16 {
    let ports = std::iter::repeat_with(|| {
        let chance = u16::try_from(RandomState::new().hash_one(()) % 12_000);
        20_000 + chance.expect("it is small")
    });
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("there is a free port")
}
