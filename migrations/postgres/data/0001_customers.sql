-- As migrations/sqlite/data/0001_customers.sql, whose notes hold here too. What differs:
--
-- Every key begins with something that does not rise with time, so that an engine which
-- splits tables into ranges by key spreads what is new over all of them. Where the rest of
-- the key is an id, that is `bucket`, the last three bits of the id, which are random. A
-- read by id computes it; a list in the order of ids is a merge of eight ordered reads.

CREATE TABLE IF NOT EXISTS projects (
    id         BIGINT PRIMARY KEY,
    name       TEXT NOT NULL,
    mode       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (name, mode)
);

CREATE TABLE IF NOT EXISTS api_keys (
    api_key     TEXT PRIMARY KEY,
    project     BIGINT NOT NULL REFERENCES projects (id),
    secret_hash BYTEA NOT NULL,
    scopes      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT,
    changed_at  BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS customers (
    bucket       INTEGER GENERATED ALWAYS AS (get_byte(id, 15) & 7) STORED,
    project      BIGINT NOT NULL,
    id           BYTEA NOT NULL,
    version      BIGINT NOT NULL,
    status       BIGINT NOT NULL,
    signed_at    BIGINT,
    updated_at   BIGINT NOT NULL,
    data_key     BIGINT NOT NULL,
    endorsements BIGINT NOT NULL,
    profile      BYTEA NOT NULL,
    identity     BYTEA NOT NULL,
    PRIMARY KEY (bucket, project, id)
);
CREATE INDEX IF NOT EXISTS customers_inactive ON customers (bucket, project, id) WHERE status = 1;

-- The key is unique by itself: of two servers that are asked for the same thing at once,
-- the second waits for the first and then finds what it made. No look-up leads here.
CREATE TABLE IF NOT EXISTS idempotency (
    bucket      INTEGER GENERATED ALWAYS AS (get_byte(id, 15) & 7) STORED,
    id          BYTEA NOT NULL,
    project     BIGINT NOT NULL,
    key_hash    BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    resource    TEXT NOT NULL,
    data_key    BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    answer      BYTEA NOT NULL,
    PRIMARY KEY (key_hash, project)
);
-- By age, for the sweep.
CREATE INDEX IF NOT EXISTS idempotency_age ON idempotency (bucket, id);

-- Random hashes spread by themselves; there is no journal before this table.
CREATE TABLE IF NOT EXISTS lookups (
    hash   BIGINT NOT NULL,
    target BYTEA NOT NULL,
    PRIMARY KEY (hash, target)
);

-- One row for each connection that writes (src/store/postgres/turn.rs): `turn` rises with
-- every commit, so that after a broken connection one can tell whether the last commit took
-- place; the constraint refuses one that comes late. `position` and `hash` are the head of
-- the connection's chain of events. Nobody but that connection writes the row.
CREATE TABLE IF NOT EXISTS writers (
    id         BIGINT PRIMARY KEY,
    before     BIGINT NOT NULL,
    turn       BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    hash       BYTEA NOT NULL,
    touched_at BIGINT NOT NULL,
    CHECK (before < turn)
)
