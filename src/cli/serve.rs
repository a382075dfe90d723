//! `oms serve`: runs the server until SIGTERM or SIGINT.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::log::Log;
use super::signals::StopSignals;
use crate::config::Config;
use crate::context::Context;
use crate::core::installation::CreatedKey;
use crate::error::Result;
use crate::output::{self, Output, Weight};
use crate::server::Server;

/// Runs the server until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config) -> Result<()> {
    let _log = Log::start(&config)?;
    raise_file_limit();
    let server = Server::start(config, Context::system())?;
    // Before anybody is told that it runs, and may stop it.
    let mut signals = server.block_on(async { StopSignals::listen() })?;
    greet(greeting(&server));
    server.block_on(signals.next());
    tracing::info!("stopping: what runs is finished first");
    // A second signal means it.
    server.spawn(async move {
        signals.next().await;
        output::standard_error().flush();
        std::process::exit(130);
    });
    server.stop();
    Ok(())
}

/// As many files as the system lets this process open, for each connection is one: those that
/// come in, and those to the receivers of webhooks.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(cause) = setrlimit(Resource::Nofile, raised) {
        tracing::info!(%cause, "the limit of open files stays as it is");
    }
}

/// The server serves, whether the greeting is read or not.
fn greet(greeting: String) {
    let standard_output = Output::start("greeting", io::stdout());
    standard_output.say(greeting.into_bytes(), Weight::Serious);
    if !standard_output.flush() {
        tracing::warn!("nobody reads standard output, where the addresses stand");
    }
}

fn greeting(server: &Server) -> String {
    let mut out = String::new();
    let url = format!("http://{}", server.address());
    _ = writeln!(out, "listening on {url}");
    if let Some(operator) = server.operator_address() {
        _ = writeln!(out, "operator listener on http://{operator}");
    }
    _ = writeln!(out, "documentation at {url}/docs");
    let master = server.app().installation.master.master();
    if master.is_generated() {
        _ = writeln!(
            out,
            "\nThe master key {master} was made for you and lies beside the data. Before real people's data \
             comes in, move it to another place, keep a copy of it elsewhere (without it nothing opens), and \
             start with OMS_MASTER_KEY_FILE naming it. Until then live keys are refused."
        );
    }
    if let Some(created) = server.first_key() {
        let config = &server.app().config;
        let base = format!("{url}/{}", config.api_versions[0]);
        out.push_str(&first_steps(
            created,
            config.credentials_file.as_deref(),
            &base,
        ));
    }
    out
}

/// Shown once, on an empty data folder: the key and what to paste. A secret that has a file of
/// its own is not shown.
fn first_steps(created: &CreatedKey, file: Option<&Path>, base: &str) -> String {
    let (key, secret) = (&created.key.api_key, &created.api_secret);
    let (where_it_is, body) = match file {
        None => (
            format!("The secret is shown this once:\n\n  key     {key}\n  secret  {secret}"),
            format!(r#"{{"apiKey":"{key}","apiSecret":"{secret}"}}"#),
        ),
        Some(path) => {
            let path = path.display();
            let told = format!("Key and secret are in this file:\n\n  {path}");
            (told, format!("@{path}"))
        }
    };
    format!(
        r#"
A sandbox project was made, with an API key. {where_it_is}

Paste these three, one after the other:

TOKEN=$(curl -s {base}/auth/token -H 'Content-Type: application/json' \
  -d '{body}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')

CUSTOMER=$(curl -s {base}/customers -H "Authorization: Bearer $TOKEN" \
  -H 'Idempotency-Key: my-first-customer' -H 'Content-Type: application/json' \
  -d '{{"type":"individual","firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","signedAgreement":true}}' \
  | tee /dev/stderr | sed 's/{{"id":"\([^"]*\)".*/\1/')

curl -s {base}/customers/$CUSTOMER -H "Authorization: Bearer $TOKEN"
"#
    )
}
