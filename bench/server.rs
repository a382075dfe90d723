//! A server as a child process: started on a data folder, asked for its address, stopped cleanly,
//! and killed when the benchmark gives up.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use serde_json::Value;

use crate::http::once;
use crate::{Options, Result};

/// A start, with a migration or a rebuild of what is held in memory, may take this long.
const START_MAX: Duration = Duration::from_mins(3);
/// `oms serve` promises to stop within 10 s.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Where a server keeps its data: a folder, or a database with only the master key in the folder.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder.
    pub data: PathBuf,
    /// The URL of the database, if there is one.
    pub database: Option<String>,
}

impl Place {
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["--data".into(), self.data.clone().into()];
        if let Some(url) = &self.database {
            arguments.extend(["--database".into(), url.into()]);
        }
        arguments
    }

    /// Runs another command of the program where the data is, and gives what it prints.
    pub fn run(&self, options: &Options, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&options.server);
        command.args(arguments).args(self.arguments());
        forget_settings(&mut command);
        let output = command.output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let trouble = String::from_utf8_lossy(&output.stderr);
        Err(format!("oms {}: {trouble}", arguments.join(" ")).into())
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    started: Instant,
    /// Where clients reach it.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `oms serve` where its data is.
    pub fn start(options: &Options, place: &Place) -> Result<Self> {
        let mut command = Command::new(&options.server);
        command.arg("serve").args(place.arguments());
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--operator-listen",
            "127.0.0.1:0",
        ]);
        command.args(&options.server_arg);
        command.stderr(match &options.server_log {
            Some(path) => Stdio::from(File::options().create(true).append(true).open(path)?),
            None => Stdio::null(),
        });
        forget_settings(&mut command);
        Self::spawn(command)
    }

    /// Starts this program again as the bare echo.
    pub fn start_echo() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve-echo").stderr(Stdio::inherit());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self> {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child
            .stdout
            .take()
            .ok_or("the server has no standard output")?;
        let (send, lines) = unbounded();
        // Reads on to the end, so that the server never waits for a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout)
                .lines()
                .map_while(std::result::Result::ok)
            {
                if line.contains("http://127.0.0.1:") {
                    let _ = send.send(line);
                }
            }
        });
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self {
            child,
            lines,
            started,
            address: unknown,
        };
        loop {
            let left = START_MAX.saturating_sub(started.elapsed());
            let line = server.lines.recv_timeout(left);
            let line =
                line.map_err(|_| "the server did not start; --server-log FILE keeps what it says")?;
            if line.starts_with("listening on ") {
                server.address =
                    address_in(&line).ok_or_else(|| format!("no address in {line:?}"))?;
                return Ok(server);
            }
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until /readyz answers 200, there or on the operator's address, and tells the time since the start.
    pub fn wait_ready(&self) -> Result<Duration> {
        let mut addresses = vec![self.address];
        while self.started.elapsed() < START_MAX {
            addresses.extend(self.lines.try_iter().filter_map(|line| address_in(&line)));
            for address in &addresses {
                let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\n\r\n");
                if matches!(once(*address, request.as_bytes()), Ok((200, _))) {
                    return Ok(self.started.elapsed());
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("the server did not become ready".into())
    }

    /// Ends the server as an operator does, and waits for it.
    pub fn stop(mut self) -> Result<()> {
        let pid = self.pid().to_string();
        Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &pid])
            .status()?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(format!("the server ended with {status}").into())
                };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("the server did not stop within {} s", STOP_MAX.as_secs()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone after a clean stop; otherwise nothing of it may outlive the benchmark.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An API key as `oms keys create --json` prints it.
#[derive(Clone, Debug)]
pub struct Credentials {
    api_key: String,
    api_secret: String,
}

impl Credentials {
    /// Makes a sandbox key of a project.
    pub fn create(options: &Options, place: &Place, project: &str) -> Result<Self> {
        let command = [
            "keys",
            "create",
            "--project",
            project,
            "--mode",
            "sandbox",
            "--json",
        ];
        let printed: Value = serde_json::from_str(&place.run(options, &command)?)?;
        Ok(Self {
            api_key: text(&printed, "apiKey")?,
            api_secret: text(&printed, "apiSecret")?,
        })
    }

    /// The request that trades the key for a token.
    pub fn token_request(&self, address: SocketAddr) -> Vec<u8> {
        let body =
            serde_json::json!({ "apiKey": self.api_key, "apiSecret": self.api_secret }).to_string();
        let length = body.len();
        format!(
            "POST /v0.9/auth/token HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Takes a token.
    pub fn token(&self, address: SocketAddr) -> Result<String> {
        let (status, body) = once(address, &self.token_request(address))?;
        if status != 200 {
            return Err(format!(
                "POST /auth/token: {status} {}",
                String::from_utf8_lossy(&body)
            )
            .into());
        }
        text(&serde_json::from_slice(&body)?, "accessToken")
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    let found = value.get(name).and_then(Value::as_str);
    Ok(found
        .ok_or_else(|| format!("no {name} in the answer"))?
        .to_owned())
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Whatever the shell has set for a server must not change a measurement.
fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OMS_") {
            command.env_remove(name);
        }
    }
}
