-- As migrations/sqlite/data/0023_servers.sql.
CREATE TABLE IF NOT EXISTS servers (
    id   BIGINT PRIMARY KEY,
    beat BIGINT NOT NULL
);
ALTER TABLE verifications ADD COLUMN IF NOT EXISTS claimed_by BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rescreenings ADD COLUMN IF NOT EXISTS claimed_by BIGINT NOT NULL DEFAULT 0
