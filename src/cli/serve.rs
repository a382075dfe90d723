//! `oms serve`: runs the server until SIGTERM or SIGINT.

use std::io::Write;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::log::Log;
use super::signals::StopSignals;
use crate::config::Config;
use crate::context::Context;
use crate::core::installation::CreatedKey;
use crate::error::{Error, Result};
use crate::server::Server;

/// Runs the server until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config) -> Result<()> {
    let log = Log::start(&config)?;
    raise_file_limit();
    let server = Server::start(config, Context::system())?;
    // Before anybody is told that it runs, and may stop it.
    let mut signals = server.block_on(async { StopSignals::listen() })?;
    greet(&server).map_err(Error::internal)?;
    server.block_on(signals.next());
    tracing::info!("stopping: what runs is finished first");
    // A second signal means it.
    server.spawn(async move {
        signals.next().await;
        std::process::exit(130);
    });
    server.stop();
    log.close();
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

fn greet(server: &Server) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let url = format!("http://{}", server.address());
    writeln!(out, "listening on {url}")?;
    if let Some(operator) = server.operator_address() {
        writeln!(out, "operator listener on http://{operator}")?;
    }
    writeln!(out, "documentation at {url}/docs")?;
    let master = server.app().installation.master.master();
    if master.is_generated() {
        writeln!(
            out,
            "\nThe master key {master} was made for you and lies beside the data. Before real people's data \
             comes in, move it to another place, keep a copy of it elsewhere (without it nothing opens), and \
             start with OMS_MASTER_KEY_FILE naming it. Until then live keys are refused."
        )?;
    }
    if let Some(created) = server.first_key() {
        first_steps(
            &mut out,
            created,
            &url,
            &server.app().config.api_versions[0],
        )?;
    }
    out.flush()
}

/// Shown once, on an empty data folder: the key and what to paste.
fn first_steps(
    out: &mut impl Write,
    created: &CreatedKey,
    url: &str,
    version: &str,
) -> std::io::Result<()> {
    let (key, secret) = (&created.key.api_key, &created.api_secret);
    writeln!(
        out,
        r#"
A sandbox project was made, with an API key. The secret is shown this once:

  key     {key}
  secret  {secret}

Paste these three, one after the other:

TOKEN=$(curl -s {url}/{version}/auth/token -H 'Content-Type: application/json' \
  -d '{{"apiKey":"{key}","apiSecret":"{secret}"}}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')

CUSTOMER=$(curl -s {url}/{version}/customers -H "Authorization: Bearer $TOKEN" \
  -H 'Idempotency-Key: my-first-customer' -H 'Content-Type: application/json' \
  -d '{{"type":"individual","firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","signedAgreement":true}}' \
  | tee /dev/stderr | sed 's/{{"id":"\([^"]*\)".*/\1/')

curl -s {url}/{version}/customers/$CUSTOMER -H "Authorization: Bearer $TOKEN"
"#
    )
}
