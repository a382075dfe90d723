//! The rules of the house that a program can check. ARCHITECTURE.md, CONTRIBUTING.md.

mod asvs;
mod dialect;
mod statements;

use std::fs;
use std::path::{Path, PathBuf};

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources under {under}");
    found
}

fn refuse(under: &str, words: &[&str]) {
    for (path, text) in sources(under) {
        for word in words {
            let at = text.lines().position(|line| line.contains(word));
            assert!(
                at.is_none(),
                "{}:{} names {word}",
                path.display(),
                at.unwrap_or_default() + 1
            );
        }
    }
}

#[test]
fn the_core_names_no_transport_no_runtime_and_no_engine() {
    refuse(
        "src/core",
        &[
            "axum",
            "hyper",
            "tokio",
            "rusqlite",
            "crate::http",
            "crate::cli",
            "crate::jobs",
        ],
    );
}

#[test]
fn the_store_names_nobody_above_it() {
    refuse(
        "src/store",
        &["axum", "hyper", "crate::http", "crate::cli", "crate::jobs"],
    );
}

#[test]
fn only_the_store_names_its_engine() {
    for floor in ["src/core", "src/http", "src/jobs", "src/cli", "src/vault"] {
        refuse(floor, &["rusqlite"]);
    }
}

#[test]
fn every_source_opens_with_what_it_is() {
    for (path, text) in sources("src") {
        assert!(
            text.starts_with("//!"),
            "{} has no module doc",
            path.display()
        );
    }
}

#[test]
fn no_file_is_too_long_to_be_read() {
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_behind() {
    let leftovers = ["TO", "FIX"].map(|word| match word {
        "TO" => "TODO",
        _ => "FIXME",
    });
    refuse("src", &leftovers);
    refuse("src", &["todo!(", "unimplemented!(", "dbg!("]);
}

#[test]
fn the_unit_for_systemd_names_settings_that_there_are_and_keeps_memory_in_memory() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unit = fs::read_to_string(root.join("deploy/oms.service")).unwrap();
    let settings = fs::read_to_string(root.join("oms.example.toml")).unwrap();
    for line in unit.lines() {
        if let Some((name, _)) = line
            .strip_prefix("Environment=OMS_")
            .and_then(|rest| rest.split_once('='))
        {
            let key = format!("\n#{} =", name.to_ascii_lowercase());
            assert!(settings.contains(&key), "there is no setting {name}");
        }
    }
    for line in ["LimitCORE=0", "LimitMEMLOCK=infinity", "MemorySwapMax=0"] {
        assert!(unit.lines().any(|one| one == line), "no {line}");
    }
    assert!(unit.contains("Environment=OMS_CREDENTIALS_FILE="));
}

#[test]
fn every_dependency_has_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let reasons = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]" || line == "[dev-dependencies]";
        } else if inside && let Some((name, _)) = line.split_once(" = ") {
            assert!(
                reasons.contains(&format!("`{name}`")),
                "ARCHITECTURE.md does not say why {name}"
            );
        }
    }
}
