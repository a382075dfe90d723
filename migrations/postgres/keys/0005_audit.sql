-- As migrations/sqlite/keys/0005_audit.sql.
CREATE TABLE IF NOT EXISTS keys.erased (
    customer    BYTEA PRIMARY KEY,
    project     BIGINT NOT NULL,
    data_key    BIGINT NOT NULL,
    erased_at   BIGINT NOT NULL,
    certificate TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS keys.audit_head (
    id        BIGINT PRIMARY KEY CHECK (id = 1),
    number    BIGINT NOT NULL,
    signature BYTEA NOT NULL
)
