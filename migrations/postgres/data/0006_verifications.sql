-- As migrations/sqlite/data/0006_verifications.sql.
CREATE TABLE IF NOT EXISTS verifications (
    bucket      INTEGER GENERATED ALWAYS AS (get_byte(id, 15) & 7) STORED,
    id          BYTEA NOT NULL,
    project     BIGINT NOT NULL,
    customer    BYTEA NOT NULL,
    state       BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    accepted_at BIGINT,
    trouble     TEXT,
    fingerprint BYTEA,
    answered_at BIGINT,
    PRIMARY KEY (bucket, id)
);
CREATE INDEX IF NOT EXISTS verifications_due ON verifications (due_at) WHERE state = 0
