//! What the black-box tests share: a server to talk to, a client that knows
//! tokens and idempotency keys, and answers that show themselves when a test fails.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of the harness"
)]

mod api;
mod clients;
mod cluster;
mod database;
mod fault;
mod folder;
mod http;
mod http2;
mod in_process;
mod outage;
mod random;
mod sample;
mod server;
mod small_disk;
mod sql;
mod wait;

pub use api::{Api, Key, Mode, fresh_name, ids};
pub use clients::{
    Made, Seen, Spread, check_each_exactly_once, check_told_to_come_again, keyed, run_clients,
};
pub use cluster::{Cluster, Session, database_setting, name_of, note_database, on_postgres};
pub use database::WriteLock;
pub use folder::{Folder, files_under};
pub use http::{Answer, Call, Client, connect_from, raw, read_answer, send_at_once};
pub use http2::{Event, Http2};
pub use in_process::{InProcess, MOMENT_MS};
pub use outage::{Fault, outage_lengths, watch_outages};
pub use random::{Seeded, number_from_environment};
pub use sample::{full_customer, minimal_customer};
pub use server::{Output, Server, accept_loss, loss_in, oms, oms_traced};
pub use small_disk::{MIB, SmallDisk};
pub use sql::{bytes, is_about_files, numbers, sql, try_sql};
pub use wait::{Deadline, Stopwatch, eventually};
