-- Sanctions lists, which are public: nothing here is sealed. The highest version
-- is in force; the rows of the versions before it stay as history, without their
-- entries. `hash` is over the entries: the same list has the same one.
CREATE TABLE watchlists (
    version     INTEGER PRIMARY KEY,
    hash        TEXT NOT NULL,
    imported_at INTEGER NOT NULL,
    individuals INTEGER NOT NULL,
    entities    INTEGER NOT NULL,
    vessels     INTEGER NOT NULL,
    aircraft    INTEGER NOT NULL,
    aliases     INTEGER NOT NULL
);

-- A list is only ever read whole, so many entries share a row: `entries` is JSON.
CREATE TABLE watchlist_entries (
    version INTEGER NOT NULL,
    part    INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (version, part)
) WITHOUT ROWID;
