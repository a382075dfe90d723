//! A server and the reference provider, each as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use oms::context::{Context, Time};
use oms::vault::MessageKeys;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Call, Folder, Output, Server, eventually, full_customer, oms};

/// How long anything here may take on a busy machine.
pub const A_WHILE: Duration = Duration::from_secs(40);

/// The secret that server and provider share.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/// The program of the example, built when it is not there or older than its source.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        build.args([
            "build",
            "--quiet",
            "--offline",
            "--example",
            "verification_provider",
        ]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo can be started");
        assert!(built.success(), "the example is built");
        let folder = Path::new(env!("CARGO_BIN_EXE_oms")).parent();
        folder
            .expect("a program lies in a folder")
            .join("examples/verification_provider")
    })
}

/// The provider, running.
pub struct Provider {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    /// Starts it on a port; it answers to this server, or takes requests and says nothing.
    pub fn start(port: u16, answers_to: Option<&Server>) -> Self {
        let mut command = Command::new(program());
        command
            .env("PROVIDER_LISTEN", format!("127.0.0.1:{port}"))
            .env("PROVIDER_SECRET", SECRET)
            .env(
                "OMS_URL",
                answers_to.map_or("http://127.0.0.1:1", |server| &server.base),
            )
            .env(
                "PROVIDER_ANSWERS",
                if answers_to.is_some() { "" } else { "no" },
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the provider can be started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let printed = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&printed);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                lines.lock().expect("no panic holds this").push(line);
            }
        });
        let provider = Self { child, printed };
        eventually(A_WHILE, "the provider listens", || {
            let up = provider
                .printed()
                .iter()
                .any(|line| line.starts_with("listening"));
            up.then_some(())
        });
        provider
    }

    /// Every line it printed so far.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().expect("no panic holds this").clone()
    }

    /// The verifications it was asked for, each as often as it was asked, when there are so many.
    #[track_caller]
    pub fn requests(&self, count: usize) -> Vec<String> {
        eventually(A_WHILE, "the provider is asked", || {
            let asked: Vec<_> = self
                .printed()
                .iter()
                .filter_map(|line| line.strip_prefix("request "))
                .filter_map(|rest| rest.split(' ').next().map(str::to_owned))
                .collect();
            (asked.len() >= count).then_some(asked)
        })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server that asks a provider, and the port where it looks for one.
pub struct Asking {
    pub server: Server,
    pub port: u16,
}

/// A port of which nobody knows.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// The settings of a server that asks at a port.
fn settings(port: u16) -> Vec<(&'static str, String)> {
    vec![
        (
            "OMS_VERIFICATION_PROVIDER_URL",
            format!("http://127.0.0.1:{port}/verify"),
        ),
        ("OMS_VERIFICATION_PROVIDER_SECRET", SECRET.to_owned()),
        ("OMS_VERIFICATION_RETRY_S", "1".to_owned()),
        ("OMS_VERIFICATION_TIMEOUT_S", "2".to_owned()),
        (
            "OMS_ALLOW_LIVE_WITH_GENERATED_MASTER_KEY",
            "true".to_owned(),
        ),
    ]
}

fn with<T>(port: u16, more: &[(&str, &str)], work: impl FnOnce(&[(&str, &str)]) -> T) -> T {
    let own = settings(port);
    let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, &**value)).collect();
    all.extend(more);
    work(&all)
}

impl Asking {
    /// Starts with settings beside those of the provider.
    pub fn start(more: &[(&str, &str)]) -> Self {
        let port = free_port();
        let server = with(port, more, Server::start);
        Self { server, port }
    }

    /// Starts again on the folder of a server that ended.
    pub fn again(folder: Folder, port: u16, more: &[(&str, &str)]) -> Self {
        let server = with(port, more, |all| Server::start_owning_with(folder, all));
        Self { server, port }
    }

    /// Runs a subcommand with the settings of the server.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let data = self.server.data.to_str().expect("a path of plain text");
        let all: Vec<&str> = arguments.iter().copied().chain(["--data", data]).collect();
        with(self.port, &[], |settings| oms(&all, settings))
    }

    /// What a reviewer does.
    #[track_caller]
    pub fn review(&self, act: &str, customer: &str, endorsement: &str) -> String {
        let why = [
            "--reason",
            "seen",
            "--customer-reason",
            "Thank you.",
            "--as",
            "ada",
        ];
        let mut all = vec!["reviews", act, customer, endorsement];
        all.extend(why);
        let output = self.run(&all);
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    /// `oms reviews list`.
    pub fn list(&self) -> String {
        self.run(&["reviews", "list"]).stdout
    }

    /// A call with a result that is signed now by the secret that is shared.
    pub fn result(&self, id: &str, body: &Value) -> Call {
        signed(
            &self.server,
            id,
            &body.to_string(),
            (SECRET, Context::system().now()),
        )
    }
}

/// A call with a body that is signed by a secret at a time.
pub fn signed(server: &Server, id: &str, body: &str, (secret, at): (&str, Time)) -> Call {
    let keys = MessageKeys::parse(secret).expect("a secret");
    let message = format!("msg_{id}");
    server
        .call("POST", &format!("/v0.9/verifications/{id}/result"))
        .header("webhook-id", &message)
        .header("webhook-timestamp", at.as_seconds().to_string())
        .header(
            "webhook-signature",
            keys.sign(&message, at, body.as_bytes()),
        )
        .text(body)
}

/// A result without reasons.
pub fn approved(id: &str) -> Value {
    json!({ "verificationId": id, "result": "approved" })
}

/// A result with one reason.
pub fn found(id: &str, result: &str) -> Value {
    json!({ "verificationId": id, "result": result, "reasons": [
        { "developerReason": "The face is another one.", "reason": "Please come in person." }
    ] })
}

/// A customer with a passport of this number beside everything else.
pub fn with_document(number: &str) -> Value {
    let mut body = full_customer();
    let passport = json!({ "type": "passport", "issuingCountry": "US", "number": number });
    let ssn = body["identifyingInformation"][0].clone();
    body["identifyingInformation"] = json!([passport, ssn]);
    body
}

/// One endorsement of an answer, by its place.
pub fn endorsement(answer: &Answer, place: usize) -> Value {
    answer.json()["endorsements"][place].clone()
}

/// Waits until an endorsement of a customer is as wanted.
#[track_caller]
pub fn until(api: &Api, id: &str, place: usize, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(A_WHILE, "the endorsement is as wanted", || {
        let one = endorsement(&api.read(id), place);
        holds(&one).then_some(one)
    })
}

/// Whether a requirement is in a list of an endorsement.
pub fn lists(endorsement: &Value, list: &str, requirement: &str) -> bool {
    let all = endorsement["requirements"][list].as_array();
    all.is_some_and(|all| all.iter().any(|one| one == requirement))
}
