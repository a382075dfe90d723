-- Times are milliseconds since 1970 in UTC; ids are the 16 bytes of a UUIDv7.
-- Every sealed column opens only in its own project, row and column.

-- A project is one name in one mode: the wall between tenants. The number is
-- part of every key below it.
CREATE TABLE projects (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    mode       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (name, mode)
);

-- `secret_hash` is keyed; `changed_at` tells running servers what to read again.
CREATE TABLE api_keys (
    api_key     TEXT PRIMARY KEY,
    project     INTEGER NOT NULL REFERENCES projects (id),
    secret_hash BLOB NOT NULL,
    scopes      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER,
    changed_at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX api_keys_changed_at ON api_keys (changed_at);

-- Rows lie in the order of their making (implicit rowid), and so does the
-- index, because ids rise with time: inserts touch the last page only.
-- `created_at` is the id's own time. `profile` and `identity` are sealed with
-- `data_key`: the one holds what answers return, the other what they never do.
-- `endorsements` holds four bits for each of basic, cryptoCustody and usd: 0
-- where it was not requested, else one more than the number of its status.
CREATE TABLE customers (
    project      INTEGER NOT NULL,
    id           BLOB NOT NULL,
    version      INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    signed_at    INTEGER,
    updated_at   INTEGER NOT NULL,
    data_key     INTEGER NOT NULL,
    endorsements INTEGER NOT NULL,
    profile      BLOB NOT NULL,
    identity     BLOB NOT NULL,
    PRIMARY KEY (project, id)
);
-- Inactive customers are few; the filter finds them without passing the rest.
CREATE INDEX customers_inactive ON customers (project, id) WHERE status = 1;

-- What an idempotency key made. `key_hash` and `fingerprint` are keyed hashes of
-- the key and of the request; `answer` is sealed with the resource's data key.
-- Rows lie in time order, so that the sweep deletes a range.
CREATE TABLE idempotency (
    id          BLOB PRIMARY KEY,
    project     INTEGER NOT NULL,
    key_hash    BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    resource    TEXT NOT NULL,
    data_key    INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    answer      BLOB NOT NULL
);

-- Where to look for what stands only sealed, or under a random key: a keyed
-- 64-bit hash of project, kind and value leads to the id of a row. Whoever
-- follows it compares the row itself.
CREATE TABLE lookups (
    hash   INTEGER NOT NULL,
    target BLOB NOT NULL,
    PRIMARY KEY (hash, target)
) WITHOUT ROWID;

-- The newest look-ups, all those of a commit as one row in time order: 25 bytes
-- each of hash, target and whether it removes. They are folded into `lookups` many
-- at once, in the order of their hashes (src/store/tail.rs).
CREATE TABLE lookup_journal (
    id  INTEGER PRIMARY KEY AUTOINCREMENT,
    ops BLOB NOT NULL
);

-- The last journal row that was folded and deleted. A process that has not read
-- so far reads the journal anew.
CREATE TABLE lookup_fold (
    through INTEGER NOT NULL
);
INSERT INTO lookup_fold (through) VALUES (0);
