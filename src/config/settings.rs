//! Settings on their way to a [`Config`]: gathered from flags, environment and
//! file, each with the place it came from, so that an error can name it.

use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use clap::parser::ValueSource;

use super::table::{Kind, SETTINGS, Setting};
use super::{
    Config, Database, LogFormat, Memory, OperatorListen, ProxyHeader, Secret, TrustedProxies,
    UnknownFields, WebhooksToLoopback, is_provider_url, is_service_name, is_service_url,
};

/// The file that is read when nobody names one.
const DEFAULT_FILE: &str = "oms.toml";

/// Connections that read a database, unless `read_threads` says otherwise. They wait most of
/// the time, so that the number of cores says nothing; and the fewer there are, the more
/// reads go to the server together.
const DATABASE_READERS: usize = 4;

/// A configuration that does not stand: the sentence says which setting, where
/// it came from and what is accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl std::fmt::Display for SettingsError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// What flags and environment say, and which file to read. Flatten it into the
/// command line; every setting is a flag of every subcommand.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    file: Option<PathBuf>,
    given: Values,
}

/// The names of a setting outside the file.
struct Names {
    flag: String,
    variable: String,
}

/// In the order of the table; clap wants names that live as long as the program.
static NAMES: LazyLock<Vec<Names>> = LazyLock::new(|| {
    let names = |setting: &Setting| Names {
        flag: setting.key.replace('_', "-"),
        variable: format!("OMS_{}", setting.key.to_ascii_uppercase()),
    };
    SETTINGS.iter().map(names).collect()
});

impl clap::Args for Settings {
    fn augment_args(command: clap::Command) -> clap::Command {
        let file = clap::Arg::new("config")
            .long("config")
            .env("OMS_CONFIG")
            .global(true)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help_heading("Settings")
            .help("The configuration file; oms.toml when there is one");
        let args = SETTINGS.iter().zip(NAMES.iter()).map(|(setting, names)| {
            clap::Arg::new(setting.key)
                .long(names.flag.as_str())
                .env(names.variable.as_str())
                .global(true)
                .value_name(setting.kind.placeholder())
                .help_heading("Settings")
                .hide_env_values(setting.kind.is_secret())
                .hide_short_help(true)
                .help(setting.help)
                .long_help(setting.help)
        });
        command.arg(file).args(args)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Settings {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        if let Some(file) = matches.get_one::<PathBuf>("config") {
            self.file = Some(file.clone());
        }
        for (setting, names) in SETTINGS.iter().zip(NAMES.iter()) {
            if let Some(text) = matches.get_one::<String>(setting.key) {
                let source = match matches.value_source(setting.key) {
                    Some(ValueSource::EnvVariable) => names.variable.clone(),
                    _ => format!("--{}", names.flag),
                };
                self.given.set(setting.key, text.clone(), source);
            }
        }
        Ok(())
    }
}

impl Settings {
    /// The configuration with its store at this place: a folder, or the URL of a database.
    pub fn at(&self, flag: &str, place: &str) -> Result<Config, SettingsError> {
        let mut settings = self.clone();
        let mut set = |key: &'static str, text: &str| {
            settings.given.set(key, text.to_owned(), flag.to_owned());
        };
        if Database::is_url(place) {
            set("database", place);
        } else {
            set("data", place);
            set("database", "");
        }
        settings.resolve()
    }

    /// Reads the file, lays environment and flags over it, and checks everything.
    pub fn resolve(self) -> Result<Config, SettingsError> {
        let mut values = Values::defaults();
        let path = self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => values.read_file(path, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.file.is_none() => {}
            Err(error) => {
                let path = path.display();
                return Err(SettingsError(format!("cannot read {path}: {error}")));
            }
        }
        values.0.extend(self.given.0);
        let mut config = values.check()?;
        if let (Some(database), Some(password)) =
            (&mut config.database, secret("OMS_DATABASE_PASSWORD")?)
        {
            database.password = Some(password);
        }
        config.master_key_variable = secret("OMS_MASTER_KEY")?;
        config.master_key_token = secret("OMS_MASTER_KEY_TOKEN")?;
        one_master_key(&config)?;
        config.verification_provider_secret = secret("OMS_VERIFICATION_PROVIDER_SECRET")?;
        config.check_provider_secret().map_err(SettingsError)?;
        Ok(config)
    }
}

/// One value as text, and where it came from.
#[derive(Clone)]
struct Value {
    text: String,
    source: String,
}

/// Some texts hold a password.
impl std::fmt::Debug for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a value from {}", self.source)
    }
}

/// A value for some or all of the settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(BTreeMap<&'static str, Value>);

/// Where a value that nobody gave comes from.
const BY_DEFAULT: &str = "the default";

impl Values {
    /// Every setting at its default.
    pub(super) fn defaults() -> Self {
        let mut values = Self::default();
        for setting in SETTINGS {
            values.set(
                setting.key,
                setting.default.to_owned(),
                BY_DEFAULT.to_owned(),
            );
        }
        values
    }

    fn set(&mut self, key: &'static str, text: String, source: String) {
        self.0.insert(key, Value { text, source });
    }

    fn read_file(&mut self, path: &Path, text: &str) -> Result<(), SettingsError> {
        let path = path.display();
        let table: toml::Table = text
            .parse()
            .map_err(|error| SettingsError(format!("{path} is not TOML: {error}")))?;
        for (key, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
                return Err(unknown_key(&key, &path.to_string()));
            };
            let source = path.to_string();
            let text = setting
                .kind
                .text_of(&value)
                .ok_or_else(|| refuse(setting, &value.to_string(), &source))?;
            self.set(setting.key, text, source);
        }
        Ok(())
    }

    /// Checks every value and what they say of each other.
    pub(super) fn check(&self) -> Result<Config, SettingsError> {
        let config = Config {
            data: self.path("data")?.ok_or_else(|| self.refuse("data"))?,
            database: self.database("database")?,
            listen: self.parse("listen")?,
            operator_listen: self.operator_listen()?,
            trusted_proxies: self.trusted_proxies()?,
            api_versions: self.versions("api_versions")?,
            master_key_file: self.path("master_key_file")?,
            master_key_variable: None,
            master_key_service: self.service_url("master_key_service")?,
            master_key_name: self.service_name("master_key_name")?,
            master_key_mount: self.service_name("master_key_mount")?,
            master_key_token: None,
            master_key_token_file: self.path("master_key_token_file")?,
            allow_live_with_generated_master_key: self
                .parse("allow_live_with_generated_master_key")?,
            token_lifetime: self.seconds("token_lifetime_s")?,
            auth_failures_per_minute: self.number("auth_failures_per_minute")?,
            rate_limit_per_key_per_s: self.number("rate_limit_per_key_per_s")?,
            rate_limit_per_key_burst: self.number("rate_limit_per_key_burst")?,
            rate_limit_per_address_per_s: self.number("rate_limit_per_address_per_s")?,
            rate_limit_per_address_burst: self.number("rate_limit_per_address_burst")?,
            idempotency_retention: self.seconds("idempotency_retention_h")? * 3600,
            retention_days: self.number("retention_days")?,
            hash_key_change: self.seconds("hash_key_change_h")? * 3600,
            audit_checkpoint: self.seconds("audit_checkpoint_s")?,
            policy_file: self.path("policy_file")?,
            review_two_people: self.parse("review_two_people")?,
            verification_provider_url: self.provider_url("verification_provider_url")?,
            verification_provider_secret: None,
            verification_provider_secret_file: self.path("verification_provider_secret_file")?,
            verification_tolerance: self.seconds("verification_tolerance_s")?,
            verification_attempts: self.number("verification_attempts")?,
            verification_retry: self.seconds("verification_retry_s")?,
            verification_timeout: self.seconds("verification_timeout_s")?,
            verification_answer: self.seconds("verification_answer_h")? * 3600,
            unknown_fields: match self.choice("unknown_fields")? {
                "ignore" => UnknownFields::Ignore,
                _ => UnknownFields::Refuse,
            },
            error_type_base: self.url("error_type_base")?,
            max_body_bytes: self.number("max_body_bytes")?,
            max_header_bytes: self.number("max_header_bytes")?,
            max_headers: self.number("max_headers")?,
            max_connections: self.number("max_connections")?,
            max_connections_per_address: self.number("max_connections_per_address")?,
            max_streams_per_connection: self.number("max_streams_per_connection")?,
            header_read_timeout: self.seconds("header_read_timeout_s")?,
            body_read_timeout: self.seconds("body_read_timeout_s")?,
            body_min_bytes_per_s: self.number("body_min_bytes_per_s")?,
            request_timeout: self.seconds("request_timeout_s")?,
            idle_timeout: self.seconds("idle_timeout_s")?,
            answer_timeout: self.seconds("answer_timeout_s")?,
            answer_min_bytes_per_s: self.number("answer_min_bytes_per_s")?,
            answer_budget_bytes: self.number::<usize>("answer_budget_mib")? << 20,
            shutdown_grace: self.seconds("shutdown_grace_s")?,
            write_queue: self.number("write_queue")?,
            write_batch: self.number("write_batch")?,
            read_threads: match self.number("read_threads")? {
                0 if !self.value("database").text.is_empty() => DATABASE_READERS,
                0 => std::thread::available_parallelism().map_or(2, NonZero::get),
                count => count,
            }
            .max(2),
            read_queue: self.number("read_queue")?,
            overload_wait: Duration::from_millis(self.number("overload_wait_ms")?),
            accept_loss: self.optional("accept_loss"),
            geo_database: self.path("geo_database")?,
            webhooks_to_loopback: match self.choice("webhooks_to_loopback")? {
                "on" => WebhooksToLoopback::On,
                "off" => WebhooksToLoopback::Off,
                _ => WebhooksToLoopback::Auto,
            },
            outbound_ca_file: self.path("outbound_ca_file")?,
            credentials_file: self.path("credentials_file")?,
            memory: Memory {
                debuggable: self.parse("debuggable")?,
                locked: self.parse("lock_memory")?,
            },
            log_level: self.parse("log_level")?,
            log_format: match self.choice("log_format")? {
                "json" => LogFormat::Json,
                "text" => LogFormat::Text,
                _ => LogFormat::Auto,
            },
            otlp_endpoint: self.endpoint("otlp_endpoint")?,
            otlp_sample_percent: self.number("otlp_sample_percent")?,
        };
        if config.request_timeout < config.body_read_timeout {
            return Err(self.refuse("request_timeout_s"));
        }
        Ok(config)
    }

    fn value(&self, key: &str) -> &Value {
        self.0.get(key).expect("every setting has its default")
    }

    /// The error for the value of this key.
    fn refuse(&self, key: &str) -> SettingsError {
        let value = self.value(key);
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        let setting = setting.expect("only keys of the table are asked for");
        refuse(setting, &value.text, &value.source)
    }

    fn parse<T: std::str::FromStr>(&self, key: &str) -> Result<T, SettingsError> {
        self.value(key).text.parse().map_err(|_| self.refuse(key))
    }

    fn number<T: TryFrom<u64>>(&self, key: &str) -> Result<T, SettingsError> {
        let number: u64 = self.parse(key)?;
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        match setting.map(|setting| setting.kind) {
            Some(Kind::Number(least, most)) if (least..=most).contains(&number) => {
                number.try_into().map_err(|_| self.refuse(key))
            }
            _ => Err(self.refuse(key)),
        }
    }

    fn seconds(&self, key: &str) -> Result<Duration, SettingsError> {
        self.number(key).map(Duration::from_secs)
    }

    fn path(&self, key: &str) -> Result<Option<PathBuf>, SettingsError> {
        match self.value(key).text.as_str() {
            "" => Ok(None),
            text if text.contains('\0') => Err(self.refuse(key)),
            text => Ok(Some(text.into())),
        }
    }

    fn optional(&self, key: &str) -> Option<String> {
        let text = &self.value(key).text;
        (!text.is_empty()).then(|| text.clone())
    }

    fn choice(&self, key: &str) -> Result<&'static str, SettingsError> {
        let text = self.value(key).text.as_str();
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        match setting.map(|setting| setting.kind) {
            Some(Kind::Choice(words)) => words.iter().find(|word| **word == text).copied(),
            _ => None,
        }
        .ok_or_else(|| self.refuse(key))
    }

    fn operator_listen(&self) -> Result<Option<OperatorListen>, SettingsError> {
        let key = "operator_listen";
        let value = self.value(key);
        if value.text == "off" {
            return Ok(None);
        }
        let address: SocketAddr = self.parse(key)?;
        let chosen = value.source != BY_DEFAULT;
        Ok(Some(OperatorListen { address, chosen }))
    }

    fn trusted_proxies(&self) -> Result<TrustedProxies, SettingsError> {
        let header = match self.choice("trusted_proxy_header")? {
            "forwarded" => ProxyHeader::Forwarded,
            _ => ProxyHeader::XForwardedFor,
        };
        let key = "trusted_proxies";
        TrustedProxies::parse(&self.value(key).text, header).ok_or_else(|| self.refuse(key))
    }

    fn versions(&self, key: &str) -> Result<Vec<String>, SettingsError> {
        let text = &self.value(key).text;
        let versions: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
        let sound = |version: &String| {
            version.strip_prefix('v').is_some_and(|rest| {
                !rest.is_empty()
                    && rest
                        .bytes()
                        .all(|byte| byte.is_ascii_digit() || byte == b'.')
            })
        };
        let distinct: std::collections::BTreeSet<_> = versions.iter().collect();
        if versions.iter().all(sound) && distinct.len() == versions.len() {
            Ok(versions)
        } else {
            Err(self.refuse(key))
        }
    }

    fn service_url(&self, key: &str) -> Result<Option<String>, SettingsError> {
        match self.value(key).text.as_str() {
            "" => Ok(None),
            text if is_service_url(text) => Ok(Some(text.to_owned())),
            _ => Err(self.refuse(key)),
        }
    }

    fn provider_url(&self, key: &str) -> Result<Option<String>, SettingsError> {
        match self.value(key).text.as_str() {
            "" => Ok(None),
            text if is_provider_url(text) => Ok(Some(text.to_owned())),
            _ => Err(self.refuse(key)),
        }
    }

    fn service_name(&self, key: &str) -> Result<String, SettingsError> {
        let text = &self.value(key).text;
        if is_service_name(text) {
            Ok(text.clone())
        } else {
            Err(self.refuse(key))
        }
    }

    fn database(&self, key: &str) -> Result<Option<Database>, SettingsError> {
        let value = self.value(key);
        if value.text.is_empty() {
            return Ok(None);
        }
        let read = Database::parse(&value.text)
            .map_err(|wrong| SettingsError(format!("{key} ({}) must be {wrong}", value.source)))?;
        Ok(Some(Database {
            statement_timeout: self.seconds("database_statement_timeout_s")?,
            write_connections: self.number("database_write_connections")?,
            ..read
        }))
    }

    fn endpoint(&self, key: &str) -> Result<Option<String>, SettingsError> {
        let text = &self.value(key).text;
        let Some(rest) = text.strip_prefix("http://") else {
            return match text.as_str() {
                "" => Ok(None),
                _ => Err(self.refuse(key)),
            };
        };
        let named = rest.split('/').next().is_some_and(|host| !host.is_empty());
        if named && rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        } else {
            Err(self.refuse(key))
        }
    }

    fn url(&self, key: &str) -> Result<String, SettingsError> {
        let text = &self.value(key).text;
        let absolute = text.starts_with("https://") || text.starts_with("http://");
        // What needs no escaping in JSON can be copied into every error as it is.
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte));
        if absolute && plain && text.ends_with('/') {
            Ok(text.clone())
        } else {
            Err(self.refuse(key))
        }
    }
}

/// A secret of the environment; no flag and no file of ours may hold it. Empty is none.
fn secret(variable: &str) -> Result<Option<Secret>, SettingsError> {
    match std::env::var(variable) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(SettingsError(format!("{variable} is not UTF-8"))),
    }
}

/// Two master keys would leave open which one counts.
fn one_master_key(config: &Config) -> Result<(), SettingsError> {
    let named = [
        ("master_key_file", config.master_key_file.is_some()),
        ("OMS_MASTER_KEY", config.master_key_variable.is_some()),
        ("master_key_service", config.master_key_service.is_some()),
    ];
    let named: Vec<_> = named.iter().filter(|(_, set)| *set).collect();
    match named.as_slice() {
        [(one, _), (other, _), ..] => Err(SettingsError(format!(
            "{one} and {other} both name a master key; set one of them"
        ))),
        _ => Ok(()),
    }
}

fn refuse(setting: &Setting, text: &str, source: &str) -> SettingsError {
    let (key, accepted) = (setting.key, setting.kind.accepted());
    let text = if setting.kind.is_secret() {
        "another"
    } else {
        text
    };
    let mut sentence = format!("{key} ({source}) is {text}, but must be {accepted}");
    if key == "request_timeout_s" {
        sentence.push_str(", and not below body_read_timeout_s");
    }
    SettingsError(sentence)
}

fn unknown_key(key: &str, path: &str) -> SettingsError {
    let nearest = SETTINGS
        .iter()
        .map(|setting| (strsim::jaro_winkler(setting.key, key), setting.key))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((likeness, known)) if likeness > 0.8 => format!("did you mean {known}?"),
        _ => "oms.example.toml lists them all".to_owned(),
    };
    SettingsError(format!("{path} has an unknown setting {key}; {hint}"))
}

/// The text of `oms.example.toml`: every setting with its help and default.
#[must_use]
pub fn example() -> String {
    let mut text = String::from(
        "# Every setting of oms with its default. Copy to oms.toml and uncomment what you change.\n\
         # The same names work as flags (--write-queue) and variables (OMS_WRITE_QUEUE);\n\
         # a flag wins over a variable, a variable over this file.\n",
    );
    for setting in SETTINGS {
        text.push('\n');
        for line in setting.help.lines() {
            _ = writeln!(text, "# {line}");
        }
        _ = writeln!(text, "# It must be {}.", setting.kind.accepted());
        let value = setting.kind.toml_of(setting.default);
        _ = writeln!(text, "#{} = {value}", setting.key);
    }
    text
}

#[cfg(test)]
mod tests;
