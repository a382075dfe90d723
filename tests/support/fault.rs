//! What befalls a PostgreSQL server: it is killed and comes back, stands still and goes on, or
//! ends every connection.

use std::fs;
use std::io::Write;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::api::fresh_name;
use super::cluster::{Cluster, give_away};
use super::small_disk::SmallDisk;
use super::wait::eventually;

/// How long it may take to be gone, or to be back.
const A_WHILE: Duration = Duration::from_mins(1);

impl Cluster {
    /// Kills the server and every process of it, as a loss of power to them would.
    pub fn kill(&self) {
        let all = self.processes();
        self.signal(&all, Signal::KILL);
        eventually(A_WHILE, "postgres is gone", || {
            let gone = |pid: &Pid| test_kill_process(*pid).is_err() || is_zombie(*pid);
            all.iter().all(gone).then_some(())
        });
    }

    /// Starts it again after [`Self::kill`], and waits until it takes connections.
    pub fn start_again(&self) {
        let mut keeper = self.keeper.stdin.as_ref().expect("it is piped");
        writeln!(keeper, "again").expect("the keeper listens");
        eventually(A_WHILE, "postgres is back", || {
            self.sql("postgres", "SELECT 1").ok()
        });
    }

    /// An empty database on a disk of so many mebibytes; `None` where none can be mounted.
    pub fn database_on_small_disk(&self, mib: usize) -> Option<(String, SmallDisk)> {
        let folder = self.folder.join("small");
        fs::create_dir(&folder).expect("it is new");
        let disk = SmallDisk::mount(&folder, mib)?;
        give_away(&folder);
        let name = fresh_name("db").replace('-', "_");
        let place = folder.display();
        for sql in [
            format!("CREATE TABLESPACE small LOCATION '{place}'"),
            format!("CREATE DATABASE {name} TABLESPACE small"),
        ] {
            self.sql("postgres", &sql).expect("it is made");
        }
        Some((self.url(&name), disk))
    }

    /// Stops every process of the server where it stands.
    pub fn stand_still(&self) {
        self.signal(&self.processes(), Signal::STOP);
    }

    /// Lets them go on after [`Self::stand_still`].
    pub fn go_on(&self) {
        self.signal(&self.processes(), Signal::CONT);
    }

    /// Ends every connection to a database.
    pub fn end_connections(&self, database: &str) {
        let sql = format!(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = '{database}'"
        );
        self.sql("postgres", &sql).expect("it is done");
    }

    /// The server's first process and those that it made.
    fn processes(&self) -> Vec<Pid> {
        let noted = fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let first = noted.expect("it runs").lines().next().map(str::to_owned);
        let first = first.expect("its number stands in the first line");
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let children = children.unwrap_or_default();
        let numbers = std::iter::once(first.as_str()).chain(children.split_whitespace());
        let pid = |text: &str| Pid::from_raw(text.parse().expect("a number"));
        numbers.filter_map(pid).collect()
    }

    #[expect(
        clippy::unused_self,
        reason = "only processes of this server are meant"
    )]
    fn signal(&self, processes: &[Pid], signal: Signal) {
        for pid in processes {
            // A connection may have ended meanwhile.
            let _ = kill_process(*pid, signal);
        }
    }
}

/// Whether a process has ended and nobody took note.
fn is_zombie(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    status.is_ok_and(|status| {
        status
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}
