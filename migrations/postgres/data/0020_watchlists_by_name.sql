-- As migrations/sqlite/data/0020_watchlists_by_name.sql.
ALTER TABLE watchlists ADD COLUMN IF NOT EXISTS name TEXT NOT NULL DEFAULT 'ofac-sdn';
ALTER TABLE watchlists ADD COLUMN IF NOT EXISTS dated TEXT;
ALTER TABLE watchlists ADD COLUMN IF NOT EXISTS removed BIGINT NOT NULL DEFAULT 0;

CREATE INDEX IF NOT EXISTS watchlists_by_name ON watchlists (name, version)
