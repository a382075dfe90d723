-- As migrations/sqlite/data/0010_moves.sql.
CREATE TABLE IF NOT EXISTS unfinished_move (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    source TEXT NOT NULL,
    owner  BYTEA NOT NULL,
    part   TEXT NOT NULL,
    edge   BYTEA NOT NULL
)
