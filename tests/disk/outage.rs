//! Faults that pass befall a server with the embedded engine under load: from two seconds after
//! each not one request is refused, nothing acknowledged is lost and nothing is doubled.
//!
//! `OMS_OUTAGE_SECONDS` names how long they last, with commas.

use std::cell::RefCell;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::damage::doctor_finds;
use super::faults::Faulty;
use crate::support::{
    Api, Fault, Folder, Mode, Seeded, Seen, Server, SmallDisk, Spread, WriteLock, is_about_files,
    outage_lengths, watch_outages,
};

const CLIENTS: usize = 4;

/// Requests that are refused while a fault lasts, at least.
const SOME: usize = 2 * CLIENTS;

/// Writes that take more pages than a log has before its pages are copied back.
const MANY: usize = 300;

const LOGS: [&str; 2] = ["oms.db-wal", "keys.db-wal"];

const A_WHILE: Duration = Duration::from_mins(1);

/// A slow machine is not a fault: nothing is refused for it.
const SETTINGS: [(&str, &str); 1] = [("OMS_OVERLOAD_WAIT_MS", "60000")];

/// A server that may die, and where it is found.
struct Victim {
    server: RefCell<Option<Server>>,
    api: Api,
    spread: Spread,
}

impl Victim {
    fn on(folder: Folder) -> Self {
        let server = Server::start_owning_with(folder, &SETTINGS);
        Self {
            api: server.project(Mode::Sandbox),
            spread: Spread::over(&server.base),
            server: RefCell::new(Some(server)),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&Server) -> T) -> T {
        act(self.server.borrow().as_ref().expect("it lives"))
    }

    /// As whoever watches over it would, once it has ended.
    fn ends_and_starts_again(&self) {
        let mut server = self.server.take().expect("it lives");
        server.ended(A_WHILE);
        let server = Server::start_owning_with(server.into_folder(), &SETTINGS);
        self.spread.set(0, &server.base);
        *self.server.borrow_mut() = Some(server);
    }

    /// Gives what the server logged.
    fn watch<'a>(&'a self, faults: impl IntoIterator<Item = Fault<'a>>) -> String {
        let mut faults: Vec<_> = faults.into_iter().collect();
        let seed = u64::from(std::process::id());
        println!("seed {seed}");
        let random = &mut Seeded::new(seed);
        watch_outages(CLIENTS, &self.api, &self.spread, random, &mut faults);
        let server = self.server.take().expect("it lives");
        let logged = server.logged();
        let folder = server.into_folder();
        assert_eq!(doctor_finds(&folder.path().join("data")), [""; 0]);
        logged
    }
}

#[test]
fn two_seconds_after_a_server_that_stood_still_goes_on_not_one_request_is_refused() {
    if is_about_files() {
        return;
    }
    let victim = Victim::on(Folder::new());
    let stand_still = |length: Duration| -> Fault<'_> {
        let victim = &victim;
        Box::new(move |_| {
            victim.with(|server| server.signal("STOP"));
            thread::sleep(length);
            victim.with(|server| server.signal("CONT"));
        })
    };
    victim.watch(outage_lengths().into_iter().map(stand_still));
}

#[test]
fn two_seconds_after_another_process_held_the_write_lock_not_one_request_is_refused() {
    if is_about_files() {
        return;
    }
    let victim = Victim::on(Folder::new());
    let hold = |length: Duration| -> Fault<'_> {
        let victim = &victim;
        Box::new(move |_| {
            let lock = WriteLock::take(&victim.with(|server| server.data.clone()));
            thread::sleep(length);
            lock.release();
        })
    };
    victim.watch(outage_lengths().into_iter().map(hold));
}

#[test]
fn a_reader_that_keeps_pages_from_being_copied_back_has_nothing_refused() {
    if is_about_files() {
        return;
    }
    let victim = Victim::on(Folder::new());
    let read_long = |seen: &Seen| {
        let data = victim.with(|server| server.data.clone());
        let reader = Connection::open(data.join("oms.db")).expect("it opens");
        let look = "SELECT COUNT(*) FROM customers";
        reader.execute_batch("BEGIN").expect("it begins");
        let count = || reader.query_row(look, [], |row| row.get::<_, i64>(0));
        let before = count().expect("it reads");
        let refused = seen.refused();
        seen.wait_for_more(MANY);
        assert_eq!(seen.refused(), refused, "refused because somebody reads");
        assert_eq!(count().expect("it reads"), before, "its snapshot stays");
    };
    victim.watch([Box::new(read_long) as Fault<'_>]);
}

#[test]
fn two_seconds_after_a_full_disk_has_room_not_one_request_is_refused() {
    if is_about_files() {
        return;
    }
    let folder = Folder::new();
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("in order");
    let Some(disk) = SmallDisk::mount(&data, 64) else {
        return;
    };
    let victim = Victim::on(folder);
    let fill = |seen: &Seen| {
        disk.take_the_rest();
        seen.wait_for_unavailable(seen.unavailable() + SOME);
        disk.make_room();
    };
    victim.watch([Box::new(fill) as Fault<'_>, Box::new(fill)]);
    drop(victim);
}

#[test]
fn a_limit_of_file_sizes_is_met_like_a_full_disk() {
    if is_about_files() {
        return;
    }
    let victim = Victim::on(Folder::new());
    let limit = |size: &str| {
        let process = victim.with(Server::process).to_string();
        let set = Command::new("prlimit")
            .args(["--pid", &process, &format!("--fsize={size}:unlimited")])
            .status();
        assert!(set.is_ok_and(|status| status.success()), "prlimit sets it");
    };
    let forbid = |seen: &Seen| {
        limit("4096");
        seen.wait_for_unavailable(seen.unavailable() + SOME);
        limit("unlimited");
    };
    // One that ended would not come back. Its log is a file, too, so that lines are missing.
    victim.watch([Box::new(forbid) as Fault<'_>, Box::new(forbid)]);
}

#[test]
fn a_quota_is_met_like_a_full_disk() {
    if is_about_files() {
        return;
    }
    let victim = Victim::on(Folder::new());
    let notes = Folder::new();
    let forbid = |seen: &Seen| {
        let fault = "pwrite64:error=EDQUOT";
        let notes = notes.path().join("trace");
        let faulty = victim.with(|server| Faulty::on(server, &LOGS, fault, &notes));
        seen.wait_for_unavailable(seen.unavailable() + SOME);
        drop(faulty);
    };
    let logged = victim.watch([Box::new(forbid) as Fault<'_>, Box::new(forbid)]);
    assert!(logged.contains("the disk is full"), "{logged}");
}

#[test]
fn two_seconds_after_a_disk_that_failed_works_again_not_one_request_is_refused() {
    if is_about_files() {
        return;
    }
    let victim = Victim::on(Folder::new());
    let notes = Folder::new();
    let fail = |call: &'static str| -> Fault<'_> {
        let (victim, notes) = (&victim, notes.path().join("trace"));
        Box::new(move |seen| {
            let fault = format!("{call}:error=EIO");
            let faulty = victim.with(|server| Faulty::on(server, &LOGS, &fault, &notes));
            seen.wait_for_broken();
            drop(faulty);
            victim.ends_and_starts_again();
        })
    };
    let logged = victim.watch(["pwrite64", "fdatasync"].map(fail));
    let failed = logged.matches("the disk failed under a commit").count();
    assert_eq!(failed, 2, "{logged}");
}
