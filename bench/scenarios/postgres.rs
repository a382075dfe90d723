//! The second engine: creates beside what pgbench reaches with the same inserts, reads beside those of
//! the embedded engine, and three servers beside one.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::create::Create;
use super::rig::{CONNECTIONS, Length, Rig, Target};
use super::{reads, replay};
use crate::Result;
use crate::client::{Tally, drive};
use crate::report::{decimals, ms, thousands};
use crate::server::Server;
use crate::support::Cluster;

/// The database of the servers.
const OURS: &str = "oms";
/// That of pgbench: the same tables, made by the same migrations.
const BARE: &str = "bare";
/// Servers on one database.
const SERVERS: usize = 3;
/// As PostgreSQL and Debian have them; the tests make do with less.
const SETTINGS: [(&str, &str); 3] = [
    ("shared_buffers", "128MB"),
    ("min_wal_size", "80MB"),
    ("max_wal_size", "1GB"),
];

/// Everything about PostgreSQL, on a server of the run's own.
pub fn measure(rig: &mut Rig) -> Result<()> {
    rig.start_over()?;
    let cluster = Cluster::start_in(&rig.scratch(""), &[], &SETTINGS);
    let cluster = cluster.ok_or("there is no PostgreSQL: apt-get install postgresql")?;
    for name in [OURS, BARE] {
        cluster.sql("postgres", &format!("CREATE DATABASE {name}"))?;
    }
    rig.keep_in(Some(cluster.url(OURS)));
    let measured = against(rig, &cluster);
    rig.stop()?;
    rig.keep_in(None);
    rig.start_over()?;
    measured
}

fn against(rig: &mut Rig, cluster: &Cluster) -> Result<()> {
    let target = rig.populated()?;
    let seconds = rig.options.seconds;
    let mut steps = Vec::new();
    for connections in [1, CONNECTIONS] {
        let step = rig.creates(&target, "create", connections, Length::Seconds(seconds))?;
        rig.report
            .step_facts(&format!("postgres.create.{connections}"), &step);
        steps.push(step);
    }
    rig.migrate(&cluster.url(BARE))?;
    let script = rig.scratch("create.sql");
    fs::write(&script, inserts(cluster)?)?;
    let bare = pgbench(&script, &cluster.url(BARE), seconds)?;
    rig.report.fact("pgbench.rate", bare);
    let step = replay::replays(rig, &target)?;
    rig.report.step_facts("postgres.replay", &step);
    steps.push(step);
    let step = reads::gets(rig, &target)?;
    rig.report.step_facts("postgres.get", &step);
    steps.push(step);
    steps.extend(reads::lists(rig, &target, "postgres.list")?);
    let note = "A server of its own on the same disk, as Debian sets it, `fsync` and `synchronous_commit` on.";
    rig.report.steps("PostgreSQL", note, &steps);
    let several = together(rig, target, seconds)?;
    rig.report.fact("postgres.three.rate", several.rate());
    rig.report.complain("three servers", &several);
    let rows = vec![
        vec![
            format!("pgbench, the same inserts in one transaction each, {CONNECTIONS} clients"),
            thousands(bare),
            String::new(),
        ],
        vec![
            format!("{SERVERS} servers, {CONNECTIONS} connections in all"),
            thousands(several.rate()),
            decimals(ms(&several.good, 0.99)),
        ],
    ];
    rig.report
        .table("Beside them", "", &["what", "creates/s", "p99 ms"], rows);
    Ok(())
}

/// Creates by several servers on the one database, the same number of connections in all.
fn together(rig: &Rig, first: Target, seconds: f64) -> Result<Tally> {
    let more: Vec<(Server, Target)> = (1..SERVERS).map(|_| rig.another()).collect::<Result<_>>()?;
    let targets: Vec<Target> = std::iter::once(first)
        .chain(more.iter().map(|(_, target)| target.clone()))
        .collect();
    let shares = (0..SERVERS).map(|index| (CONNECTIONS + index) / SERVERS);
    let tallies: Vec<Result<Tally>> = thread::scope(|scope| {
        let runs: Vec<_> = targets
            .iter()
            .zip(shares)
            .map(|(target, connections)| {
                let load = rig.load(target, connections, Some(seconds));
                scope.spawn(move || {
                    drive(&load, || {
                        Box::new(Create::new(target, &rig.customers, u64::MAX))
                    })
                })
            })
            .collect();
        let ended = runs.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|run| run.unwrap_or_else(|_| Err("a load broke off".into())))
            .collect()
    });
    let mut tallies = tallies.into_iter();
    let mut all = tallies.next().ok_or("no server")??;
    for tally in tallies {
        all.add(tally?)?;
    }
    for (server, _) in more {
        server.stop()?;
    }
    Ok(all)
}

/// Transactions a second of a script with one client for each connection.
fn pgbench(script: &Path, url: &str, seconds: f64) -> Result<f64> {
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
        .args(["--define=position=0", &format!("--client={CONNECTIONS}")])
        .arg(format!("--time={}", seconds.ceil()))
        .arg("--file")
        .arg(script)
        .arg(url)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said.lines().find_map(|line| {
        let (_, rest) = line.split_once("tps = ")?;
        rest.split(' ').next()?.parse().ok()
    });
    rate.ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        let trouble = said.lines().find(|line| line.contains("ERROR"));
        format!("pgbench: {}", trouble.unwrap_or(&said)).into()
    })
}

/// The inserts of a create, of rows as long as those that the server left.
fn inserts(cluster: &Cluster) -> Result<String> {
    let length = |column: &str, table: &str| -> Result<usize> {
        let sql = format!("SELECT coalesce(round(avg(length({column}))), 0)::int FROM {table}");
        Ok(cluster.sql(OURS, &sql)?.parse()?)
    };
    let bytes = |column: &str, table: &str| -> Result<String> {
        Ok(format!(
            "decode('{}', 'hex')",
            "5a".repeat(length(column, table)?)
        ))
    };
    let count = |table: &str| -> Result<f64> {
        Ok(cluster
            .sql(OURS, &format!("SELECT count(*) FROM {table}"))?
            .parse()?)
    };
    let lookups = (count("lookups")? / count("customers")?).round() as usize;
    let mut script = String::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        writeln!(script, "\\set {name} random(1, 9000000000000000000)")?;
    }
    // An id begins with the time, as a UUIDv7 does; a key or a hash is anything.
    let id = "substring(int8send((extract(epoch FROM now()) * 1000)::bigint) FROM 3) || int8send(:a) || substring(int8send(:b) FROM 7)";
    let random = "int8send(:c) || int8send(:d)";
    write!(
        script,
        "\\set position :position + 1
BEGIN;
INSERT INTO keys.data_keys (id, wrapped) VALUES (:e, {wrapped});
INSERT INTO customers (project, id, version, status, signed_at, updated_at, data_key, endorsements, profile, identity, review)
    VALUES (1, {id}, 1, 0, 1, 1, :e, 0, {profile}, {identity}, {review});
INSERT INTO events (writer, position, id, project, resource, sequence, count, kinds, actor, request_id, data_key, detail, hash)
    VALUES (:client_id, :position, {id}, 1, {id}, 1, 1, 'customer.created', 'sk_sdbx_aaaaaaaaaaaaaaaaaaaa', 'req_aaaaaaaaaaaaaaaaaaaaaaaaaa', :e, {detail}, {hash});
INSERT INTO idempotency (id, project, key_hash, fingerprint, resource, data_key, status, answer)
    VALUES ({id}, 1, {random}, {random}, 'cst_aaaaaaaaaaaaaaaaaaaaaaaaaa', :e, 201, {answer});
",
        wrapped = bytes("wrapped", "keys.data_keys")?,
        profile = bytes("profile", "customers")?,
        identity = bytes("identity", "customers")?,
        review = bytes("review", "customers")?,
        detail = bytes("detail", "events")?,
        hash = bytes("hash", "events")?,
        answer = bytes("answer", "idempotency")?,
    )?;
    for number in 0..lookups {
        writeln!(
            script,
            "INSERT INTO lookups (hash, target) VALUES (:f::bigint + {number}, {id});"
        )?;
    }
    script.push_str("COMMIT;\n");
    Ok(script)
}
