//! Every setting in one table: its name, what it accepts, its default, its help.

/// What a setting accepts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A path; empty means none.
    Path,
    /// An IP address and a port.
    Address,
    /// An IP address and a port, or `off`.
    AddressOrOff,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Addresses and networks, by commas on the command line; empty means none.
    Networks,
    /// One or more versions like `v0.9`, by commas on the command line.
    Versions,
    /// An absolute URL that ends in a slash.
    Url,
    /// The address of a key service; empty means none.
    ServiceUrl,
    /// A name in a key service.
    ServiceName,
    /// An `http://` URL; empty means none.
    Endpoint,
    /// The URL of a database, which may hold a password; empty means none.
    Database,
    /// Where a provider is asked; empty means none.
    ProviderUrl,
    /// The name of a loss; empty means none.
    Loss,
}

/// One setting. Its flag is `--some-name`, its variable `OMS_SOME_NAME`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Its key in the file.
    pub key: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// Its default, as one would write it in a variable.
    pub default: &'static str,
    /// What it does, in lines that fit a comment.
    pub help: &'static str,
}

const fn row(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting {
        key,
        kind,
        default,
        help,
    }
}

/// A day in seconds: no time-out makes sense above it.
const DAY_S: u64 = 86_400;

/// Every setting, in the order of `oms.example.toml`.
#[rustfmt::skip]
pub(super) const SETTINGS: &[Setting] = &[
    row("data", Kind::Path, "./oms-data",
        "The directory of the database, its backups and its generated keys."),
    row("database", Kind::Database, "",
        "A PostgreSQL database, or one of a relative, that holds the data instead of `data`:\npostgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=FILE.\nSeveral hosts by commas: the one that takes writes is used. The password may stand in\nOMS_DATABASE_PASSWORD. What leaves the machine goes over TLS. A generated master key\nstill lies in `data`; several servers need one of your own."),
    row("database_write_connections", Kind::Number(1, 1024), "4",
        "Connections to `database` that write; `read_threads` is the number of those that read."),
    row("database_statement_timeout_s", Kind::Number(1, 3600), "30",
        "Seconds that `database` may work on one statement, or wait for a lock."),
    row("listen", Kind::Address, "127.0.0.1:8080",
        "Where the API listens. TLS is the task of a proxy in front."),
    row("operator_listen", Kind::AddressOrOff, "127.0.0.1:8081",
        "Where health, metrics and the console listen; \"off\" for nowhere.\nWhen the default is taken, a free port is used instead."),
    row("trusted_proxies", Kind::Networks, "",
        "The proxies in front of the server. Limits by address count for the address that such a\nproxy names, not for the proxy's own; what others say of addresses is not looked at."),
    row("trusted_proxy_header", Kind::Choice(&["x-forwarded-for", "forwarded"]), "x-forwarded-for",
        "The header in which trusted proxies name the client; the other one is not looked at.\nThe proxy must append to it or set it anew."),
    row("api_versions", Kind::Versions, "v0.9,v0.11,v0.13",
        "The version prefixes that are served. All answer the same."),
    row("master_key_file", Kind::Path, "",
        "The file that holds the master key. The variable OMS_MASTER_KEY may hold the key itself\ninstead. Without either a key is generated in `data`, which protects against nobody who\ncan read that directory."),
    row("master_key_service", Kind::ServiceUrl, "",
        "The HashiCorp Vault or OpenBao whose transit engine holds the master key, instead of\na file. Its token stands in OMS_MASTER_KEY_TOKEN or in `master_key_token_file`."),
    row("master_key_name", Kind::ServiceName, "oms",
        "The name of the master key in the transit engine."),
    row("master_key_mount", Kind::ServiceName, "transit",
        "Where the transit engine is mounted."),
    row("master_key_token_file", Kind::Path, "",
        "The file that holds the token for the key service; it is read at every start."),
    row("allow_live_with_generated_master_key", Kind::Flag, "false",
        "Whether a generated master key may protect the data of live projects."),
    row("token_lifetime_s", Kind::Number(60, DAY_S), "3600",
        "Seconds for which an access token is good."),
    row("auth_failures_per_minute", Kind::Number(1, 1_000_000), "10",
        "Failed sign-ins a minute of one address (one /64 network for IPv6) before its sign-ins are\nanswered 429 for a minute."),
    row("rate_limit_per_key_per_s", Kind::Number(0, 1_000_000), "0",
        "Requests a second that one API key may send in the long run; more are answered\n429. 0: any number. What the machine can carry is guarded by `overload_wait_ms`."),
    row("rate_limit_per_key_burst", Kind::Number(1, 1_000_000), "200",
        "Requests that one API key may send at once after a pause, when it has a limit."),
    row("rate_limit_per_address_per_s", Kind::Number(0, 1_000_000), "0",
        "The same for one address (one /64 network for IPv6), counted before the token is\nlooked at. Behind a proxy set `trusted_proxies`, or all requests come from the proxy's address."),
    row("rate_limit_per_address_burst", Kind::Number(1, 1_000_000), "200",
        "Requests that one address may send at once after a pause, when it has a limit."),
    row("idempotency_retention_h", Kind::Number(24, 8784), "168",
        "Hours for which an idempotency key is kept."),
    row("retention_days", Kind::Number(0, 36_500), "0",
        "Days after its `createdAt` for which a customer must be kept: no erasure before. 0: none."),
    row("hash_key_change_h", Kind::Number(0, 720), "24",
        "Hours after an erasure at which the key of look-ups is changed, everybody is hashed anew\nand the key before is destroyed: from then on no older copy of the data leads from a\nvalue to the erased person."),
    row("audit_checkpoint_s", Kind::Number(1, 3600), "10",
        "Seconds between signed checkpoints of the audit log, while something is written."),
    row("policy_file", Kind::Path, "",
        "The policy file of projects that have none of their own; empty for the one built in."),
    row("review_two_people", Kind::Flag, "false",
        "Whether `oms reviews approve` and `reject` want a second person."),
    row("verification_provider_url", Kind::ProviderUrl, "",
        "Where a verification provider is asked about customers (docs/verification.md); empty:\npeople decide. The secret shared with it stands in OMS_VERIFICATION_PROVIDER_SECRET or in\n`verification_provider_secret_file`."),
    row("verification_provider_secret_file", Kind::Path, "",
        "The file that holds the secret shared with the verification provider: whsec_ and the\nbase64 of 24 to 64 bytes; while it is changed, the old one on a second line."),
    row("verification_tolerance_s", Kind::Number(1, DAY_S), "300",
        "Seconds by which the time of a signed result may differ from the clock here."),
    row("verification_attempts", Kind::Number(1, 20), "10",
        "How often the provider is asked about a customer before a person has to decide."),
    row("verification_retry_s", Kind::Number(1, 3600), "10",
        "Seconds before the provider is asked a second time; each wait after it is about three\ntimes as long, at most six hours."),
    row("verification_timeout_s", Kind::Number(1, 120), "15",
        "Seconds that one request to the provider may take."),
    row("verification_answer_h", Kind::Number(1, 720), "24",
        "Hours after which a provider that took a request and gave no result is asked again."),
    row("unknown_fields", Kind::Choice(&["refuse", "ignore"]), "refuse",
        "What to do with a request field that does not exist."),
    row("error_type_base", Kind::Url, "https://open-money-stack.example/errors/",
        "What stands before the code in the `type` of an error."),
    row("max_body_bytes", Kind::Number(1024, 16 << 20), "65536",
        "Bytes of the largest body; a larger one is answered 413."),
    row("max_header_bytes", Kind::Number(8192, 1 << 20), "32768",
        "Bytes of the largest request head; a larger one is answered 431."),
    row("max_headers", Kind::Number(16, 1024), "100",
        "Headers of the largest request head; more are answered 431."),
    row("max_connections", Kind::Number(1, 1_000_000), "10000",
        "Open connections to the API, as far as the limit of open files allows. One more takes the\nplace of an idle one; where all are busy it is answered 503 and closed."),
    row("max_connections_per_address", Kind::Number(1, 1_000_000), "4096",
        "Open connections of one address (of one /64 network for IPv6). Those of `trusted_proxies`\nhave no limit of their own."),
    row("max_streams_per_connection", Kind::Number(1, 10_000), "128",
        "Concurrent streams of one HTTP/2 connection."),
    row("header_read_timeout_s", Kind::Number(1, DAY_S), "10",
        "Seconds from the first byte of a request head to its last; also from the accept\nto the end of the first head."),
    row("body_read_timeout_s", Kind::Number(1, DAY_S), "15",
        "Seconds in which a body must have arrived; a slower one is answered 408."),
    row("body_min_bytes_per_s", Kind::Number(1, 1 << 20), "512",
        "A body has a third of `body_read_timeout_s`, and a second more for every so many\nbytes that arrived; a slower one is answered 408."),
    row("request_timeout_s", Kind::Number(1, DAY_S), "30",
        "Seconds from the head of a request to its answer; after them it is answered 503.\nNot below `body_read_timeout_s`."),
    row("idle_timeout_s", Kind::Number(1, DAY_S), "75",
        "Seconds between two requests of one connection."),
    row("answer_timeout_s", Kind::Number(1, DAY_S), "30",
        "Seconds in which a client must take its answer, or of a large one as many bytes as\n`answer_min_bytes_per_s` asks for in that time; else the HTTP/2 stream, or the HTTP/1.1\nconnection, ends."),
    row("answer_min_bytes_per_s", Kind::Number(1, 1 << 30), "8192",
        "See `answer_timeout_s`."),
    row("answer_budget_mib", Kind::Number(8, 1 << 20), "64",
        "MiB of answers that may wait until their clients take them, a quarter of it for one\nAPI key, an eighth for one connection. Beyond that further requests wait."),
    row("shutdown_grace_s", Kind::Number(0, DAY_S), "10",
        "Seconds that running requests have to finish when the server stops."),
    row("write_queue", Kind::Number(1, 1_000_000), "4096",
        "Writes that may wait for the writer; one more is answered 503."),
    row("write_batch", Kind::Number(1, 100_000), "256",
        "Writes that share one commit at most."),
    row("read_threads", Kind::Number(0, 1024), "0",
        "Threads that read. 0: one per core, at least two; eight where there is a `database`."),
    row("read_queue", Kind::Number(1, 1_000_000), "4096",
        "Reads that may wait for a thread; one more is answered 503."),
    row("overload_wait_ms", Kind::Number(1, 60_000), "1000",
        "Milliseconds; a write that would wait longer is answered 503 at once."),
    row("accept_loss", Kind::Loss, "",
        "The name of a loss that a refused start gave: what is missing is given up, and the store\nopens without it (docs/operations.md). For one command, not for a file."),
    row("geo_database", Kind::Path, "",
        "A database file in MaxMind's format that gives the country of an IP address. Without\none that part of geoCheck is not done, and its result says so."),
    row("webhooks_to_loopback", Kind::Choice(&["auto", "on", "off"]), "auto",
        "Whether webhooks of sandbox projects may lead to this machine, as one needs it who develops.\nauto: as long as there is no live key. The server's own listeners are never reached."),
    row("outbound_ca_file", Kind::Path, "",
        "A PEM file of authorities that outgoing requests trust beside those of the machine."),
    row("credentials_file", Kind::Path, "",
        "A new file, readable by its owner only, into which the first start writes the API key that\nit makes, as a body of POST /auth/token. Without one, key and secret are printed."),
    row("debuggable", Kind::Flag, "false",
        "Let the system write core dumps and debuggers look into the process. Both show the master\nkey and personal data."),
    row("lock_memory", Kind::Flag, "false",
        "Keep the memory of the process out of swap. Needs a system that does not limit locked\nmemory (LimitMEMLOCK=infinity)."),
    row("log_level", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info",
        "The least important level that is logged."),
    row("log_format", Kind::Choice(&["auto", "json", "text"]), "auto",
        "How the log is written. auto: text on a terminal, json otherwise."),
    row("otlp_endpoint", Kind::Endpoint, "",
        "Where traces are sent by OTLP over HTTP, a collector's address without /v1/traces.\nEmpty: nothing is traced. For TLS, let a collector on this machine do it."),
    row("otlp_sample_percent", Kind::Number(0, 100), "100",
        "The share of requests that is traced, in percent; a caller's `traceparent` decides\nfor its own requests."),
];

impl Kind {
    /// The stand-in of a value in the help.
    pub(super) fn placeholder(self) -> &'static str {
        match self {
            Self::Path => "PATH",
            Self::Address | Self::AddressOrOff => "ADDRESS",
            Self::Number(..) => "NUMBER",
            Self::Flag => "BOOL",
            Self::Choice(_) => "WORD",
            Self::Versions | Self::Networks => "LIST",
            Self::Url | Self::ServiceUrl | Self::Endpoint | Self::ProviderUrl | Self::Database => {
                "URL"
            }
            Self::ServiceName | Self::Loss => "NAME",
        }
    }

    /// What is accepted, to complete "must be …".
    pub(super) fn accepted(self) -> String {
        match self {
            Self::Path => "a path".to_owned(),
            Self::Address => "an IP address and a port like 127.0.0.1:8080".to_owned(),
            Self::AddressOrOff => "an IP address and a port like 127.0.0.1:8081, or off".to_owned(),
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Networks => {
                "addresses or networks like 10.0.0.1 or 10.1.0.0/16, but not everybody".to_owned()
            }
            Self::Versions => "different versions like v0.9".to_owned(),
            Self::Url => "an http or https URL that ends in a slash".to_owned(),
            Self::ServiceUrl => {
                "an address like https://vault.example:8200, or http on this machine".to_owned()
            }
            Self::ServiceName => "letters, digits, - _ . and / between them".to_owned(),
            Self::Loss => "the name that a refused start gave, or empty".to_owned(),
            Self::Database => {
                "a URL like postgres://USER:PASSWORD@HOST:PORT/DATABASE, or empty".to_owned()
            }
            Self::ProviderUrl => {
                "a URL like https://kyc.example/verify, or http on this machine".to_owned()
            }
            Self::Endpoint => "an http URL like http://127.0.0.1:4318, or empty".to_owned(),
        }
    }

    /// Whether a value must not be shown.
    pub(super) const fn is_secret(self) -> bool {
        matches!(self, Self::Database)
    }

    /// The text of a value of the file; `None` when it has the wrong type.
    pub(super) fn text_of(self, value: &toml::Value) -> Option<String> {
        match (self, value) {
            (Self::Number(..), toml::Value::Integer(number)) => Some(number.to_string()),
            (Self::Flag, toml::Value::Boolean(flag)) => Some(flag.to_string()),
            (Self::Versions | Self::Networks, toml::Value::Array(items)) => {
                let texts: Option<Vec<_>> = items.iter().map(toml::Value::as_str).collect();
                texts.map(|texts| texts.join(","))
            }
            (Self::Number(..) | Self::Flag | Self::Versions | Self::Networks, _) => None,
            (_, value) => value.as_str().map(str::to_owned),
        }
    }

    /// The inverse of [`Kind::text_of`], as TOML.
    pub(super) fn toml_of(self, text: &str) -> String {
        match self {
            Self::Number(..) | Self::Flag => text.to_owned(),
            Self::Networks if text.is_empty() => "[]".to_owned(),
            Self::Versions | Self::Networks => {
                format!("{:?}", text.split(',').collect::<Vec<_>>())
            }
            _ => format!("{text:?}"),
        }
    }
}
