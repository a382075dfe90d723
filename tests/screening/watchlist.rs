//! `oms watchlist import|show|screen`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Folder, Output, oms};

const ENTRIES: &str = "7,\"KARZHENKOV, Timofey Arkadyevich\",\"individual\",\"SDGT\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 05 Mar 1962; nationality Russia.\"\r\n8,\"ACME LTD.\",-0- ,\"CUBA\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\u{1a}";
const ALIASES: &str = "7,1,\"aka\",\"SCHWARZKOPF, Leonid\",-0- \r\n\u{1a}";
const ADDRESSES: &str = "7,1,\"1 Road\",\"Moscow\",\"Russia\",-0- \r\n\u{1a}";

struct Lists(Folder);

impl Lists {
    fn new() -> Self {
        let lists = Self(Folder::new());
        lists.write("SDN.CSV", ENTRIES);
        lists.write("Alt.csv", ALIASES);
        lists.write("add.CSV", ADDRESSES);
        lists
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("plain").to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(Path::new(&self.path(name)), text).expect("written");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let data = self.path("data");
        let mut all = vec!["watchlist"];
        all.extend(arguments);
        all.extend(["--data", &data]);
        oms(&all, &[])
    }

    fn import(&self) -> Output {
        self.run(&["import", &self.path("SDN.CSV")])
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

#[test]
fn a_list_is_imported_shown_and_screened_with() {
    let lists = Lists::new();
    let before = lists.run(&["show"]);
    assert!(
        !before.status.success() && before.stderr.contains("no watch list"),
        "{before:?}"
    );
    let imported = lists.import();
    assert!(imported.status.success(), "{imported:?}");
    assert!(
        imported.stdout.contains("Alt.csv: 1 records"),
        "{imported:?}"
    );
    let shown = lists.json(&["show", "--json"]);
    assert_eq!(
        (&shown["version"], &shown["counts"]["individual"]),
        (&1.into(), &1.into())
    );

    let name = [
        "screen",
        "--json",
        "--birth-date",
        "1962-03-05",
        "--country",
        "RU",
        "--name",
    ];
    let hits = lists.json(&[&name[..], &["Тимофей Карженков"]].concat());
    assert_eq!(hits[0]["entry"], 7, "{hits}");
    assert!(
        hits[0]["reasons"]
            .as_array()
            .is_some_and(|reasons| reasons.contains(&"the same birth date".into())),
        "{hits}"
    );
    let alias = lists.json(&["screen", "--json", "--name", "Leonid Schwarzkopf"]);
    assert_eq!(alias[0]["entry"], 7);
    let nobody = lists.json(&["screen", "--json", "--name", "Ada Lovelace"]);
    assert_eq!(nobody, serde_json::json!([]));
}

#[test]
fn a_new_list_raises_the_version_and_the_same_one_does_not() {
    let lists = Lists::new();
    for version in [1, 1] {
        assert!(lists.import().status.success());
        assert_eq!(lists.json(&["show", "--json"])["version"], version);
    }
    lists.write("SDN.CSV", &ENTRIES.replace("1962", "1963"));
    assert!(lists.import().status.success());
    assert_eq!(lists.json(&["show", "--json"])["version"], 2);
}

#[test]
fn a_damaged_list_is_refused_whole_and_the_old_one_stays() {
    let lists = Lists::new();
    assert!(lists.import().status.success());
    let old = lists.json(&["show", "--json"]);
    let cut = &ENTRIES[..ENTRIES.len() - 20];
    for (text, line) in [("", 1), ("\u{1a}", 1), (cut, 2), ("<html></html>\n", 1)] {
        lists.write("SDN.CSV", text);
        let refused = lists.import();
        assert!(!refused.status.success(), "{refused:?}");
        assert!(
            refused.stderr.contains(&format!("line {line}")),
            "{refused:?}"
        );
        assert_eq!(lists.json(&["show", "--json"]), old);
    }
    lists.write("SDN.CSV", ENTRIES);
    lists.write("Alt.csv", &ALIASES.replace("7,1", "9,1"));
    let refused = lists.import();
    assert!(refused.stderr.contains("no number 9"), "{refused:?}");
    assert_eq!(lists.json(&["show", "--json"]), old);
}

#[test]
fn damage_in_any_of_the_files_refuses_the_whole_list() {
    let lists = Lists::new();
    assert!(lists.import().status.success());
    let old = lists.json(&["show", "--json"]);
    let sound = [
        ("SDN.CSV", ENTRIES),
        ("Alt.csv", ALIASES),
        ("add.CSV", ADDRESSES),
    ];
    for (file, text) in sound {
        let cut = &text[..text.len() - 12];
        let unclosed = text.replacen('"', "", 1);
        let garbled = text.replace('7', "\u{fffd}");
        let zeros = "\0".repeat(text.len());
        for damaged in ["", "\u{1a}", cut, &unclosed, &garbled, &zeros] {
            lists.write(file, damaged);
            let refused = lists.import();
            assert!(!refused.status.success(), "{file}: {damaged:?} {refused:?}");
            let told = refused.stderr.contains(&format!("{file}, line "));
            assert!(told, "{file}: {damaged:?} {refused:?}");
            assert_eq!(lists.json(&["show", "--json"]), old);
        }
        lists.write(file, text);
    }
}
