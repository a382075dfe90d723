-- The key register, as migrations/sqlite/keys/0001_keys.sql has it in a file of its own:
-- here a schema of its own, which can be dumped, kept and destroyed apart
-- (`pg_dump -n keys`). Everything in it is wrapped by the master key.
CREATE SCHEMA IF NOT EXISTS keys;

-- Ids begin with three random bits (src/vault/pool.rs), so that new keys go to eight places.
CREATE TABLE IF NOT EXISTS keys.data_keys (
    id      BIGINT PRIMARY KEY,
    wrapped BYTEA NOT NULL
);

CREATE TABLE IF NOT EXISTS keys.secrets (
    name    TEXT PRIMARY KEY,
    wrapped BYTEA NOT NULL
);

CREATE TABLE IF NOT EXISTS keys.signing_keys (
    id         TEXT PRIMARY KEY,
    wrapped    BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
)
