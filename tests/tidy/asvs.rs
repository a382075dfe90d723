//! The table of security requirements in docs/asvs.md: none is left out, and every test that it
//! names is there.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::sources;

/// Requirements of level 1 and 2 in version 5.0.0 of the standard.
const REQUIREMENTS: usize = 253;

/// The names of all tests.
fn tests() -> HashSet<String> {
    let mut names = HashSet::new();
    for (_, text) in ["src", "tests"].into_iter().flat_map(sources) {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some((_, after)) = line.split_once("fn ")
                && std::mem::take(&mut is_test)
            {
                let name = after.split('(').next().unwrap_or_default();
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn every_security_requirement_is_answered_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("docs/asvs.md")).expect("a table");
    let tests = tests();
    let mut numbers: Vec<Vec<u32>> = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, level, how, shown_by] = cells[..] else {
            panic!("{line} has {} cells", cells.len());
        };
        if number == "no." {
            continue;
        }
        let number: Vec<u32> = number
            .split('.')
            .map(|part| part.parse().expect("a number"))
            .collect();
        assert!(matches!(level, "1" | "2") && !how.is_empty(), "{line}");
        for name in shown_by.split(", ").filter(|name| !name.is_empty()) {
            let name = name.trim_matches('`');
            assert!(
                tests.contains(name),
                "{number:?} names {name}, which is no test"
            );
        }
        numbers.push(number);
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "a number stands twice");
    assert_eq!(numbers.len(), REQUIREMENTS);
}
