//! A PostgreSQL server of the benchmark's own: on the measured disk, on a free port, run by an
//! ordinary user with the settings that Debian gives it, and gone at the end.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// Where Debian keeps its versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The user and group that everybody has and nobody uses: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
/// A start may take this long.
const START_MAX: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    server: Child,
}

impl Cluster {
    /// Makes and starts one in a folder that is not there yet. Every commit is on the disk.
    pub fn start(folder: &Path) -> Result<Self> {
        let programs = newest_programs()
            .ok_or_else(|| format!("no PostgreSQL under {VERSIONS}: apt-get install postgresql"))?;
        fs::create_dir(folder)?;
        if fs::metadata(folder)?.uid() == 0 {
            chown(folder, Some(NOBODY), Some(NOBODY))?;
        }
        let data = folder.join("data");
        let made = unprivileged(&programs.join("initdb"), folder)?
            .args(["-U", "oms", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output()?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let sockets = format!("unix_socket_directories={}", folder.display());
        let port_setting = format!("port={port}");
        let settings = ["listen_addresses=127.0.0.1", &sockets, &port_setting];
        let mut server = unprivileged(&programs.join("postgres"), folder)?;
        server.arg("-D").arg(&data);
        for setting in settings.into_iter().chain(["max_connections=200"]) {
            server.args(["-c", setting]);
        }
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let cluster = Self {
            programs,
            folder: folder.to_owned(),
            port,
            server,
        };
        let start = Instant::now();
        while let Err(error) = cluster.sql("postgres", "SELECT 1") {
            if start.elapsed() > START_MAX {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(cluster)
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://oms@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL in one of its databases and gives what psql prints.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database))
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Transactions a second of a pgbench script at so many clients.
    pub fn pgbench(
        &self,
        database: &str,
        script: &str,
        clients: usize,
        seconds: f64,
    ) -> Result<f64> {
        let file = self.folder.join("create.sql");
        fs::File::create(&file)?.write_all(script.as_bytes())?;
        let output = Command::new("pgbench")
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
            .args(["--define=position=0", &format!("--client={clients}")])
            .arg(format!("--time={}", seconds.ceil()))
            .arg("--file")
            .arg(&file)
            .arg(self.url(database))
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().find_map(|line| {
            let (_, rest) = line.split_once("tps = ")?;
            rest.split(' ').next()?.parse().ok()
        });
        rate.ok_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            let trouble = said
                .lines()
                .find(|line| line.contains("ERROR"))
                .unwrap_or(&said);
            format!("pgbench: {trouble}").into()
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The data goes with the run's folder: nothing need be written first.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn newest_programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.flatten();
    let number = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let newest = versions.map(|entry| entry.path()).max_by_key(number)?;
    let programs = newest.join("bin");
    programs.join("initdb").exists().then_some(programs)
}

/// A program run by nobody, where we are root.
fn unprivileged(program: &Path, folder: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    command.current_dir("/");
    if fs::metadata(folder)?.uid() == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}
