-- As migrations/sqlite/keys/0002_wrapping_keys.sql.
CREATE TABLE IF NOT EXISTS keys.wrapping_keys (
    id         BIGINT NOT NULL,
    by         BIGINT NOT NULL,
    rank       BIGINT NOT NULL,
    wrapped    BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id, by)
)
