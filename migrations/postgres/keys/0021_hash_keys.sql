-- As migrations/sqlite/keys/0021_hash_keys.sql.
CREATE TABLE IF NOT EXISTS keys.hash_keys (
    epoch       BIGINT PRIMARY KEY,
    wrapped     BYTEA NOT NULL,
    made_at     BIGINT NOT NULL,
    in_force_at BIGINT,
    spent_at    BIGINT
)
