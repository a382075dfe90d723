-- As migrations/sqlite/data/0005_audit.sql. `through` is a time of the database's clock: the
-- next checkpoint lists every writer that was touched since, a little before included.
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    number    BIGINT PRIMARY KEY,
    made_at   BIGINT NOT NULL,
    through   BIGINT NOT NULL,
    heads     BYTEA NOT NULL,
    signature BYTEA NOT NULL
);

CREATE TABLE IF NOT EXISTS holds (
    customer  BYTEA PRIMARY KEY,
    until     BIGINT NOT NULL,
    placed_at BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS erasures (
    customer    BYTEA PRIMARY KEY,
    project     BIGINT NOT NULL,
    data_key    BIGINT NOT NULL,
    erased_at   BIGINT NOT NULL,
    certificate TEXT NOT NULL,
    done_at     BIGINT
);
CREATE INDEX IF NOT EXISTS erasures_undone ON erasures (customer) WHERE done_at IS NULL
