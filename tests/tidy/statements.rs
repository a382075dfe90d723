//! Every statement and every migration of the second engine says only what PostgreSQL's
//! distributed relatives understand as well. What is not on the list here is not in use.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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

/// Words with which a statement begins.
const BEGINNINGS: &[&str] = &[
    "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "BEGIN", "COMMIT", "ROLLBACK", "SET ", "SHOW ",
    "CREATE ", "ALTER ", "DROP ", "WITH ", "LOCK ", "LISTEN", "NOTIFY", "COPY ", "CALL ", "DO ",
];

/// Words of statements. Nothing here waits for a notification, locks by advice, counts in a
/// sequence, makes a temporary table, defers a constraint or skips what is locked.
const STATEMENT_WORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "BEGIN",
    "BIGINT",
    "BY",
    "CASE",
    "CAST",
    "COALESCE",
    "COMMIT",
    "CONFLICT",
    "COUNT",
    "CURRENT_TIMESTAMP",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EPOCH",
    "EXISTS",
    "EXTRACT",
    "FOR",
    "FROM",
    "GROUP",
    "IN",
    "INSERT",
    "INTO",
    "IS",
    "ISOLATION",
    "JOIN",
    "LEFT",
    "LEVEL",
    "LIMIT",
    "MAX",
    "MIN",
    "NOT",
    "NOTHING",
    "NULL",
    "ON",
    "ONLY",
    "OR",
    "ORDER",
    "READ",
    "REPEATABLE",
    "ROLLBACK",
    "SELECT",
    "SERIALIZABLE",
    "SET",
    "SHOW",
    "SUM",
    "THEN",
    "UNION",
    "UPDATE",
    "VALUES",
    "WHEN",
    "WHERE",
];

/// Words of migrations, beside those.
const MIGRATION_WORDS: &[&str] = &[
    "ADD",
    "ALTER",
    "ALWAYS",
    "BYTEA",
    "CHECK",
    "COLUMN",
    "CREATE",
    "DEFAULT",
    "GENERATED",
    "IF",
    "INDEX",
    "INTEGER",
    "KEY",
    "PRIMARY",
    "REFERENCES",
    "SCHEMA",
    "STORED",
    "TABLE",
    "TEXT",
    "UNIQUE",
];

/// Functions that are not written in capitals.
const FUNCTIONS: &[&str] = &["get_byte"];

/// Migrations that the second engine needs no counterpart of.
const EMBEDDED_MIGRATIONS: &[&str] = &["data/0008"];

/// Migrations that only several servers need.
const SHARED_MIGRATIONS: &[&str] = &["data/0012"];

/// The literals of a source that are statements.
fn statements(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: Vec<_> = lines.collect();
    let code = code.join("\n");
    // Every second piece between quotes is a literal; none of ours holds an escaped quote.
    let literals = code.split('"').skip(1).step_by(2);
    literals
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|text| BEGINNINGS.iter().any(|word| text.starts_with(word)))
        .collect()
}

/// What a text says that is not on the list.
fn strangers(text: &str, words: &[&[&str]]) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| is_word(c)) {
        let end = rest[start..]
            .find(|c: char| !is_word(c))
            .map_or(rest.len(), |length| start + length);
        let word = &rest[start..end];
        rest = &rest[end..];
        let shouts = word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let known = words.iter().any(|list| list.contains(&word));
        // A name before a bracket is a function, unless columns follow it.
        let calls = rest.starts_with('(') && !shouts;
        if (shouts && !known) || (calls && !FUNCTIONS.contains(&word)) {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn every_statement_is_understood_by_every_relative() {
    let mut count = 0;
    for (path, source) in sources("src/store") {
        if EMBEDDED_ONLY.iter().any(|file| path.ends_with(file)) {
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
    assert_eq!(
        statements("tx.all(\"SELECT 1\n FROM t\", &[])"),
        ["SELECT 1 FROM t"]
    );
}
