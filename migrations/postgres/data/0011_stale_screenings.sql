-- As migrations/sqlite/data/0011_stale_screenings.sql.
CREATE TABLE IF NOT EXISTS stale_screenings (
    project  BIGINT NOT NULL,
    customer BYTEA NOT NULL,
    version  BIGINT NOT NULL,
    PRIMARY KEY (customer, version)
)
