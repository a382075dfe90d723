//! Every statement and every migration of the second engine says only what PostgreSQL's
//! distributed relatives understand as well (`dialect.rs`). What the engine is told while
//! servers run is held against the same list by tests/cluster/statements.rs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::dialect::{BEGINNINGS, MIGRATION_WORDS, STATEMENT_WORDS, strangers};
use super::sources;

/// Files whose statements only the embedded engine sees.
const EMBEDDED_ONLY: &[&str] = &[
    "store/sqlite.rs",
    "store/writer.rs",
    "store/wal.rs",
    "store/tail.rs",
    "store/migrate.rs",
    "store/inspect.rs",
    "store/backup.rs",
    "relocation/folder.rs",
];

/// Migrations that the second engine needs no counterpart of.
const EMBEDDED_MIGRATIONS: &[&str] = &["data/0008"];

/// Migrations that only several servers need.
const SHARED_MIGRATIONS: &[&str] = &["data/0012"];

/// The literals of a source that are statements, or parts of them.
fn statements(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: Vec<_> = lines.collect();
    let code = code.join("\n");
    for mark in ["\\\"", "'\"'", "r#\""] {
        assert!(!code.contains(mark), "{mark} hides where literals begin");
    }
    // Every second piece between quotes is a literal.
    let literals = code.split('"').skip(1).step_by(2);
    literals
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| is_sql(text))
        .collect()
}

/// Whether a literal is a statement, or is put into one: it shouts what a statement does.
fn is_sql(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    BEGINNINGS.iter().any(|word| text.starts_with(word))
        || words
            .into_iter()
            .any(|word| word.len() > 1 && STATEMENT_WORDS.contains(&word))
}

/// Files whose literals are no statements of ours.
const OTHER_LITERALS: &[&str] = &["postgres/garbled.rs"];

#[test]
fn every_statement_is_understood_by_every_relative() {
    let mut count = 0;
    for (path, source) in sources("src/store") {
        let passed_over = EMBEDDED_ONLY.iter().chain(OTHER_LITERALS);
        if passed_over.into_iter().any(|file| path.ends_with(file)) {
            continue;
        }
        for text in statements(&source) {
            count += 1;
            let words = if path.ends_with("postgres/migrate.rs") {
                &[STATEMENT_WORDS, MIGRATION_WORDS][..]
            } else {
                &[STATEMENT_WORDS][..]
            };
            let found = strangers(&text, words);
            assert!(found.is_empty(), "{}: {found:?} in {text}", path.display());
        }
    }
    assert!(count > 100, "only {count} statements were found");
}

#[test]
fn nobody_but_the_store_has_statements() {
    for (path, source) in sources("src") {
        if path.components().any(|part| part.as_os_str() == "store") {
            continue;
        }
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let literals = code.split('"').map(str::trim_start);
        let clauses = [" FROM ", " INTO ", " SET ", " TABLE "];
        let mut found = literals.filter(|text| {
            let begins = BEGINNINGS.iter().any(|word| text.starts_with(word));
            begins && clauses.iter().any(|clause| text.contains(clause))
        });
        assert_eq!(found.next(), None, "{}", path.display());
    }
}

fn migrations(engine: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(engine);
    let mut all = Vec::new();
    for part in ["data", "keys"] {
        for entry in fs::read_dir(root.join(part)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            let text = fs::read_to_string(&path).expect("text");
            all.push((format!("{part}/{name}"), text));
        }
    }
    all.sort();
    all
}

#[test]
fn every_migration_is_understood_by_every_relative() {
    for (name, text) in migrations("postgres") {
        let code: String = text
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n");
        let found = strangers(&code, &[STATEMENT_WORDS, MIGRATION_WORDS]);
        assert!(found.is_empty(), "{name}: {found:?}");
        for line in code.lines().filter(|line| line.starts_with("CREATE")) {
            assert!(line.contains("IF NOT EXISTS"), "{name}: {line}");
        }
    }
}

#[test]
fn both_engines_have_the_same_migrations() {
    let number = |name: &str| name.split('_').next().unwrap_or_default().to_owned();
    let numbers = |engine| -> BTreeSet<String> {
        let all = migrations(engine).into_iter();
        all.map(|(name, _)| number(&name)).collect()
    };
    let embedded: BTreeSet<String> = numbers("sqlite")
        .into_iter()
        .filter(|name| !EMBEDDED_MIGRATIONS.contains(&name.as_str()))
        .collect();
    let shared: BTreeSet<String> = numbers("postgres")
        .into_iter()
        .filter(|name| !SHARED_MIGRATIONS.contains(&name.as_str()))
        .collect();
    assert_eq!(embedded, shared);
}

#[test]
fn what_the_relatives_lack_is_noticed() {
    for text in [
        "SELECT pg_advisory_lock(1)",
        "SELECT nextval($1)",
        "LISTEN things",
        "SELECT id FROM t FOR UPDATE SKIP LOCKED",
        "CREATE TEMPORARY TABLE t (id BIGSERIAL)",
        "ALTER TABLE t ADD CHECK (x) DEFERRABLE",
    ] {
        let found = strangers(text, &[STATEMENT_WORDS, MIGRATION_WORDS]);
        assert!(!found.is_empty(), "{text}");
    }
    let source = "tx.all(\"SELECT 1\n FROM t\", &[]); text.push_str(\" AND x FOR UPDATE NOWAIT\")";
    let found = statements(source);
    assert_eq!(found, ["SELECT 1 FROM t", "AND x FOR UPDATE NOWAIT"]);
    assert!(!strangers(&found[1], &[STATEMENT_WORDS]).is_empty());
}
