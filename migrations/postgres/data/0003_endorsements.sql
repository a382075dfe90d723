-- As migrations/sqlite/data/0003_endorsements.sql.
ALTER TABLE customers ADD COLUMN IF NOT EXISTS review BYTEA;

ALTER TABLE projects ADD COLUMN IF NOT EXISTS verification TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE projects ADD COLUMN IF NOT EXISTS clock_offset_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN IF NOT EXISTS revision BIGINT NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS policies (
    project    BIGINT NOT NULL REFERENCES projects (id),
    number     BIGINT NOT NULL,
    source     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project, number)
)
