-- As migrations/sqlite/data/0021_lookup_epochs.sql.
CREATE TABLE IF NOT EXISTS lookup_epochs (
    epoch        BIGINT PRIMARY KEY,
    project      BIGINT NOT NULL,
    customer     BYTEA NOT NULL,
    owner        BYTEA NOT NULL,
    leased_until BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS stale_lookups (
    project  BIGINT NOT NULL,
    customer BYTEA NOT NULL,
    version  BIGINT NOT NULL,
    used     BIGINT NOT NULL,
    known    BIGINT NOT NULL,
    PRIMARY KEY (customer, version)
)
