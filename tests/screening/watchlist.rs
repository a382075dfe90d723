//! `oms watchlist import|list|show|remove|screen`.

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

const OTHER: &str = "7,\"HOLZAPFEL, Quirin\",\"individual\",\"X\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\u{1a}";

#[test]
fn several_lists_are_in_force_each_with_its_name_and_date() {
    let lists = Lists::new();
    assert_eq!(lists.json(&["list", "--json"]), serde_json::json!([]));
    assert!(lists.run(&["list"]).stdout.contains("no watch list"));
    assert!(lists.import().status.success());
    lists.write("eu.csv", OTHER);
    let eu = lists.path("eu.csv");
    let named = ["import", &eu, "--name", "eu", "--date", "2026-01-02"];
    let imported = lists.run(&named);
    // The aliases in the folder are another list's.
    assert!(imported.status.success(), "{imported:?}");
    assert!(imported.stdout.contains("no eu_alt.csv"), "{imported:?}");

    let shown = lists.json(&["list", "--json"]);
    assert_eq!(shown[0]["name"], "eu", "{shown}");
    assert_eq!(shown[0]["date"], "2026-01-02");
    assert_eq!(shown[0]["entries"], 1);
    assert_eq!(shown[1]["name"], "ofac-sdn");
    assert_eq!(shown[1]["entries"], 2);
    let imported_at = shown[1]["importedAt"].as_str().expect("a time");
    assert_eq!(shown[1]["date"], imported_at[..10], "the day of the import");
    assert_eq!(shown.as_array().map(Vec::len), Some(2));
    let text = lists.run(&["list"]).stdout;
    assert!(
        text.contains("eu ") && text.contains("of 2026-01-02"),
        "{text}"
    );
    let set = lists.json(&["show", "--json"]);
    assert_eq!(
        (&set["version"], &set["counts"]["individual"]),
        (&2.into(), &2.into())
    );

    // The number 7 is one person on one list and another on the other.
    for (name, list) in [
        ("Quirin Holzapfel", "eu"),
        ("Leonid Schwarzkopf", "ofac-sdn"),
    ] {
        let hits = lists.json(&["screen", "--json", "--name", name]);
        assert_eq!(
            (&hits[0]["list"], &hits[0]["entry"]),
            (&list.into(), &7.into())
        );
        assert_eq!(hits.as_array().map(Vec::len), Some(1), "{hits}");
    }

    // The same again is no step, but of a later day; an earlier one changes nothing.
    for (date, known) in [("2026-01-05", "2026-01-05"), ("2026-01-03", "2026-01-05")] {
        let again = lists.run(&["import", &eu, "--name", "eu", "--date", date]);
        assert!(again.stdout.contains("in force already"), "{again:?}");
        let shown = lists.json(&["list", "--json"]);
        assert_eq!(
            (&shown[0]["date"], &shown[0]["version"]),
            (&known.into(), &2.into())
        );
    }

    // One is replaced, one removed, and the other stays as it is.
    lists.write("SDN.CSV", &ENTRIES.replace("1962", "1963"));
    assert!(lists.import().status.success());
    let hits = lists.json(&["screen", "--json", "--name", "Quirin Holzapfel"]);
    assert_eq!(hits[0]["list"], "eu", "{hits}");
    assert!(lists.run(&["remove", "eu"]).status.success());
    let hits = lists.json(&["screen", "--json", "--name", "Quirin Holzapfel"]);
    assert_eq!(hits, serde_json::json!([]));
    let set = lists.json(&["show", "--json"]);
    assert_eq!(set["version"], 4);
    assert_eq!(set["lists"].as_array().map(Vec::len), Some(1), "{set}");

    // It may come back, and begins anew.
    assert!(lists.run(&named).status.success());
    assert_eq!(lists.json(&["list", "--json"])[0]["version"], 5);
}

#[test]
fn what_is_no_name_no_day_and_no_list_is_refused() {
    let lists = Lists::new();
    assert!(lists.import().status.success());
    let old = lists.json(&["show", "--json"]);
    let file = lists.path("SDN.CSV");
    for (arguments, why) in [
        (&["import", &file, "--name", "EU list"][..], "small letters"),
        (&["import", &file, "--date", "2999-01-01"], "still to come"),
        (&["import", &file, "--date", "2026-02-30"], "--date"),
        (&["remove", "eu"], "these are: ofac-sdn"),
        (&["remove", "ofac-sdn"], "the only list in force"),
    ] {
        let refused = lists.run(arguments);
        assert!(!refused.status.success(), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
        assert_eq!(lists.json(&["show", "--json"]), old);
    }
    for number in 1..16 {
        let name = format!("list-{number}");
        let imported = lists.run(&["import", &file, "--name", &name]);
        assert!(imported.status.success(), "{imported:?}");
    }
    let refused = lists.run(&["import", &file, "--name", "one-more"]);
    assert!(
        refused.stderr.contains("16 lists are in force"),
        "{refused:?}"
    );
}

#[test]
fn doctor_says_how_old_each_list_is() {
    let lists = Lists::new();
    let data = lists.path("data");
    let file = lists.path("SDN.CSV");
    assert!(lists.import().status.success());
    let ages = || {
        let output = oms(&["doctor", "--json", "--data", &data], &[]);
        let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let findings = report["findings"].as_array().expect("a list");
        let ages = findings.iter().filter(|one| one["check"] == "watchListAge");
        let ages = ages.map(|one| (one["what"].to_string(), one["problem"] == true));
        (output.status.success(), ages.collect::<Vec<_>>())
    };
    let (good, found) = ages();
    assert!(good && found.len() == 1 && !found[0].1, "{found:?}");
    assert!(found[0].0.contains("ofac-sdn"), "{found:?}");
    let stale = lists.run(&["import", &file, "--name", "eu", "--date", "2020-01-01"]);
    assert!(stale.status.success(), "{stale:?}");
    let (good, found) = ages();
    assert!(!good && found.len() == 2, "{found:?}");
    let told = "the watch list eu is of 2020-01-01";
    assert!(
        found
            .iter()
            .any(|(what, problem)| *problem && what.contains(told)),
        "{found:?}"
    );
}
