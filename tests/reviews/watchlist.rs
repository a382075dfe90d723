//! A watch list that is imported while the server runs.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::rescreening::listed_person;
use crate::support::{Folder, Mode, Server, eventually, full_customer};
use crate::{ok, review, statuses};

const LIST: &str = "7,\"KARZHENKOV, Timofey Arkadyevich\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 05 Mar 1962; nationality Russia.\"\r\n\u{1a}";

#[test]
fn a_list_is_taken_in_by_a_running_server_and_a_person_clears_a_hit() {
    let folder = Folder::new();
    let file = folder.path().join("SDN.CSV");
    fs::write(&file, LIST).expect("written");
    let server = Server::start(&[]);
    let api = server.project(Mode::Live);
    let listed = listed_person();
    let waiting = api.create(&listed).json();
    assert_eq!(waiting["endorsements"][0]["status"], "PENDING", "{waiting}");
    let file = file.to_str().expect("plain");
    ok(&server.run(&["watchlist", "import", file]));

    let other = full_customer();
    eventually(Duration::from_secs(30), "screened by the list", || {
        std::thread::sleep(Duration::from_millis(100));
        let made = api.create(&other).json();
        let pending = made["endorsements"][0]["requirements"]["pending"].clone();
        let screens = json!(["geoCheck"]) == pending;
        screens.then_some(())
    });

    let hit = api.create(&listed);
    let (id, hit) = (hit.id(), hit.json());
    let issues = hit["endorsements"][0]["requirements"]["issues"].clone();
    assert_eq!(issues, json!(["sanctionsScreening"]), "{hit}");
    ok(&review(&server, "ada", &["approve", &id, "basic"]));
    assert_eq!(statuses(&api, &id)[0], "ACTIVE");
}
