-- As migrations/sqlite/data/0007_rescreening.sql.
CREATE TABLE IF NOT EXISTS rescreenings (
    version      BIGINT PRIMARY KEY,
    project      BIGINT NOT NULL,
    customer     BYTEA NOT NULL,
    seen         BIGINT NOT NULL,
    changed      BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    finished_at  BIGINT,
    owner        BYTEA NOT NULL,
    leased_until BIGINT NOT NULL
)
