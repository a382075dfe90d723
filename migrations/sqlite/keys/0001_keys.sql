-- The key register: a file of its own, so that it can be kept, backed up and
-- destroyed apart from the data. Everything here is wrapped by the master key.

-- One row per data key. Ids rise with time and are never used again. A key is
-- durable here before anything is sealed with it; a row that nothing refers to
-- was made ahead of time and lost in a crash, and does no harm.
CREATE TABLE keys.data_keys (
    id      INTEGER PRIMARY KEY,
    wrapped BLOB NOT NULL
);

-- Installation-wide secrets (`root`) by name.
CREATE TABLE keys.secrets (
    name    TEXT PRIMARY KEY,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;

-- Keys that sign access tokens. A retired one still verifies until its last
-- token has expired.
CREATE TABLE keys.signing_keys (
    id         TEXT PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) WITHOUT ROWID;
