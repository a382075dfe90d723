//! The configuration: default < file < environment < flag, checked at start.
//!
//! Each setting is one row of [`table::SETTINGS`] and one field of [`Config`].
//! Nothing else in the crate reads the environment or a configuration file.

mod database;
mod master_key;
mod provider;
mod proxies;
mod settings;
mod table;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::database::{Database, Host, Tls};
pub use self::master_key::{KeyService, MasterKeySource, Secret, is_service_name, is_service_url};
pub use self::provider::is_provider_url;
pub use self::proxies::{ProxyHeader, TrustedProxies};
use self::settings::Values;
pub use self::settings::{Settings, SettingsError, example};

/// What to do with a request field that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is an error that names the nearest field.
    Refuse,
    /// It is as if it were not there.
    Ignore,
}

/// Whether webhooks of sandbox projects may lead to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhooksToLoopback {
    /// As long as there is no live key.
    Auto,
    /// They may.
    On,
    /// They may not.
    Off,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One JSON object per line.
    Json,
    /// Lines for people.
    Text,
}

/// Where the operator's listener stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorListen {
    /// Where to listen.
    pub address: SocketAddr,
    /// Somebody asked for this address: when it is taken, that is an error and
    /// not a reason to take another.
    pub chosen: bool,
}

/// Who sees the memory of the process, beside root.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Whether debuggers and core dumps do.
    pub debuggable: bool,
    /// Whether it is kept out of swap.
    pub locked: bool,
}

/// Every setting, checked. The help text of each stands in `oms.example.toml`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of the database, its backups and its generated keys.
    pub data: PathBuf,
    /// The database that holds the data instead; `None` for files in `data`.
    pub database: Option<Database>,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where health, metrics and console listen; `None` when off.
    pub operator_listen: Option<OperatorListen>,
    /// The proxies whose word on the address of a client is believed.
    pub trusted_proxies: TrustedProxies,
    /// The version prefixes that are served, like `v0.9`.
    pub api_versions: Vec<String>,
    /// The file that holds the master key; `None` to generate one in `data`.
    pub master_key_file: Option<PathBuf>,
    /// The master key of `OMS_MASTER_KEY`, which no file may hold.
    pub master_key_variable: Option<Secret>,
    /// The address of the key service that holds the master key.
    pub master_key_service: Option<String>,
    /// The name of the master key in the key service.
    pub master_key_name: String,
    /// Where the transit engine is mounted in the key service.
    pub master_key_mount: String,
    /// The token of `OMS_MASTER_KEY_TOKEN`, which no file of ours may hold.
    pub master_key_token: Option<Secret>,
    /// The file that holds the token for the key service.
    pub master_key_token_file: Option<PathBuf>,
    /// Whether a generated master key may protect live data.
    pub allow_live_with_generated_master_key: bool,
    /// How long an access token is good.
    pub token_lifetime: Duration,
    /// Failed sign-ins a minute of one address before 429.
    pub auth_failures_per_minute: u32,
    /// Requests a second of one API key in the long run; 0 for any number.
    pub rate_limit_per_key_per_s: u32,
    /// Requests of one API key at once.
    pub rate_limit_per_key_burst: u32,
    /// Requests a second of one address in the long run; 0 for any number.
    pub rate_limit_per_address_per_s: u32,
    /// Requests of one address at once.
    pub rate_limit_per_address_burst: u32,
    /// How long an idempotency key is kept.
    pub idempotency_retention: Duration,
    /// Days for which a customer must be kept.
    pub retention_days: u32,
    /// How long after an erasure the key of look-ups is changed.
    pub hash_key_change: Duration,
    /// How often the audit log is signed.
    pub audit_checkpoint: Duration,
    /// The policy of projects without one of their own; `None` for the built-in one.
    pub policy_file: Option<PathBuf>,
    /// Whether two people approve and reject.
    pub review_two_people: bool,
    /// Where the verification provider is asked; `None`: people decide.
    pub verification_provider_url: Option<String>,
    /// The secret of `OMS_VERIFICATION_PROVIDER_SECRET`, which no file of ours may hold.
    pub verification_provider_secret: Option<Secret>,
    /// The file that holds the secret shared with the provider.
    pub verification_provider_secret_file: Option<PathBuf>,
    /// How old or how far ahead a signed result may be.
    pub verification_tolerance: Duration,
    /// How often the provider is asked before a person decides.
    pub verification_attempts: u32,
    /// Before the second attempt; each one after it waits three times as long.
    pub verification_retry: Duration,
    /// How long one attempt may take.
    pub verification_timeout: Duration,
    /// After which the provider is asked again when it gave no result.
    pub verification_answer: Duration,
    /// What to do with a request field that does not exist.
    pub unknown_fields: UnknownFields,
    /// What stands before the code in the `type` of a problem.
    pub error_type_base: String,
    /// Bytes of the largest body.
    pub max_body_bytes: usize,
    /// Bytes of the largest request head.
    pub max_header_bytes: usize,
    /// Headers of the largest request head.
    pub max_headers: usize,
    /// Open connections on one listener.
    pub max_connections: usize,
    /// Open connections of one address (of one /64 network for IPv6).
    pub max_connections_per_address: usize,
    /// Concurrent streams of one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// From the first byte of a head, or from the accept, to its end.
    pub header_read_timeout: Duration,
    /// From the head of a request to the end of its body.
    pub body_read_timeout: Duration,
    /// Slower bodies than this end before `body_read_timeout`.
    pub body_min_bytes_per_s: u32,
    /// From the head of a request to its answer.
    pub request_timeout: Duration,
    /// Between two requests of one connection.
    pub idle_timeout: Duration,
    /// In which a client must take its answer, or enough of it.
    pub answer_timeout: Duration,
    /// How much of a large answer is enough.
    pub answer_min_bytes_per_s: u32,
    /// Bytes of answers that may wait until their clients take them.
    pub answer_budget_bytes: usize,
    /// How long running requests may take to finish when the server stops.
    pub shutdown_grace: Duration,
    /// Writes that may wait for the writer.
    pub write_queue: usize,
    /// Writes in one commit.
    pub write_batch: usize,
    /// Threads that read; never less than two.
    pub read_threads: usize,
    /// Reads that may wait for a thread.
    pub read_queue: usize,
    /// A write that would wait longer than this is refused.
    pub overload_wait: Duration,
    /// The loss of acknowledged writes that is accepted.
    pub accept_loss: Option<String>,
    /// The database that gives the country of an IP address; `None` for none.
    pub geo_database: Option<PathBuf>,
    /// Whether webhooks of sandbox projects may lead to this machine.
    pub webhooks_to_loopback: WebhooksToLoopback,
    /// Authorities that outgoing requests trust beside those of the machine.
    pub outbound_ca_file: Option<PathBuf>,
    /// Where the first start writes the key that it makes; `None`: on standard output.
    pub credentials_file: Option<PathBuf>,
    /// Who sees the memory of the process.
    pub memory: Memory,
    /// The least important level that is logged.
    pub log_level: tracing::Level,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Where traces are sent; `None` when nowhere.
    pub otlp_endpoint: Option<String>,
    /// The share of requests that is traced, in percent.
    pub otlp_sample_percent: u32,
}

impl Config {
    /// The defaults on this directory, both listeners on free ports. For tests.
    #[must_use]
    pub fn for_data(dir: &Path) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let defaults = Values::defaults()
            .check()
            .expect("a test checks the defaults");
        Self {
            data: dir.to_owned(),
            listen: free,
            operator_listen: Some(OperatorListen {
                address: free,
                chosen: true,
            }),
            ..defaults
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}
