-- Servers that may hold claims: a claim holds for as long as its server stands here, whatever any
-- clock says. `beat` rises as long as the server lives, where several share a database; of a
-- folder one server is in charge (src/jobs/servers.rs).
CREATE TABLE servers (
    id   INTEGER PRIMARY KEY,
    beat INTEGER NOT NULL
);

-- The server that works on it, 0 for none. Beside these, `webhook_progress.claimed_until`,
-- `rescreenings.owner` and `rescreenings.leased_until` say nothing any more.
ALTER TABLE verifications ADD COLUMN claimed_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rescreenings ADD COLUMN claimed_by INTEGER NOT NULL DEFAULT 0;
