-- Wrapping keys stand between the master key and everything else in this file.
-- Each value wrapped elsewhere begins with the id of the wrapping key that
-- opens it. A key service is thus asked once at a start and not once per key.
--
-- One row per wrapping key and per key that wraps it, `by`: a master key, or,
-- while one wrapping key takes over from another, the other one. So either
-- master key opens everything until the change is done, and a running server,
-- which holds one of the two, opens the other without its master key.
--
-- The highest `rank` wraps what is new. More than one id: a change is under way.
CREATE TABLE keys.wrapping_keys (
    id         INTEGER NOT NULL,
    by         INTEGER NOT NULL,
    rank       INTEGER NOT NULL,
    wrapped    BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (id, by)
) WITHOUT ROWID;
