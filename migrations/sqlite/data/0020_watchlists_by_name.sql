-- Several lists side by side. A row is a step of the set of lists: a list that came in force under a
-- name in place of the one before it, or, where `removed` is 1, the end of the list of that name. In
-- force is the newest row of each name that is no end; its entries are kept, those of the rows
-- before it are not. `version` counts the steps of the whole set. `dated` is the day of which the
-- list is, YYYY-MM-DD; where it is NULL, which rows of before are, the day of the import.
ALTER TABLE watchlists ADD COLUMN name TEXT NOT NULL DEFAULT 'ofac-sdn';
ALTER TABLE watchlists ADD COLUMN dated TEXT;
ALTER TABLE watchlists ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

CREATE INDEX watchlists_by_name ON watchlists (name, version);
