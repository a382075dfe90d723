-- As migrations/sqlite/data/0004_watchlist.sql.
CREATE TABLE IF NOT EXISTS watchlists (
    version     BIGINT PRIMARY KEY,
    hash        TEXT NOT NULL,
    imported_at BIGINT NOT NULL,
    individuals BIGINT NOT NULL,
    entities    BIGINT NOT NULL,
    vessels     BIGINT NOT NULL,
    aircraft    BIGINT NOT NULL,
    aliases     BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS watchlist_entries (
    version BIGINT NOT NULL,
    part    BIGINT NOT NULL,
    entries BYTEA NOT NULL,
    PRIMARY KEY (version, part)
)
