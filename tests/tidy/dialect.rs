//! What may be said to the second engine: words that PostgreSQL's distributed relatives
//! understand as well. What is not on the list here is not in use.

use std::collections::BTreeSet;

/// Words with which a statement begins.
pub const BEGINNINGS: &[&str] = &[
    "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "BEGIN", "COMMIT", "ROLLBACK", "SET ", "SHOW ",
    "CREATE ", "ALTER ", "DROP ", "WITH ", "LOCK ", "LISTEN", "NOTIFY", "COPY ", "CALL ", "DO ",
];

/// Words of statements. Nothing here waits for a notification, locks by advice, counts in a
/// sequence, makes a temporary table, defers a constraint or skips what is locked.
pub const STATEMENT_WORDS: &[&str] = &[
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
pub const MIGRATION_WORDS: &[&str] = &[
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
pub const FUNCTIONS: &[&str] = &["get_byte"];

/// What a text says that is not on the list.
pub fn strangers(text: &str, words: &[&[&str]]) -> BTreeSet<String> {
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
