-- A move into this store that is not finished: one row, gone with the last step. While it is
-- there nobody but `oms data move` opens the store. `source` is where the rows come from,
-- without a password. `owner` is a number by chance of the process that works: who comes
-- later replaces it, and who finds it replaced stops. All rows of the tables before `part`
-- are here, and those of `part` up to `edge`, a key as src/store/relocation/field.rs packs it.
CREATE TABLE unfinished_move (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    source TEXT NOT NULL,
    owner  BLOB NOT NULL,
    part   TEXT NOT NULL,
    edge   BLOB NOT NULL
);
