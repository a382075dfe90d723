-- What ties the chains of the audit log together: a checkpoint lists the head of every
-- writer that wrote since the checkpoint before it (`heads`: writer, position and hash,
-- 48 bytes each), up to the event of place `through`. `signature` (Ed25519) covers the
-- columns and the signature before it. The number of the newest stands in the key
-- register as well, so that cutting off the end of this file is noticed.
CREATE TABLE audit_checkpoints (
    number    INTEGER PRIMARY KEY,
    made_at   INTEGER NOT NULL,
    through   INTEGER NOT NULL,
    heads     BLOB NOT NULL,
    signature BLOB NOT NULL
);

-- Customers that must not be erased before `until`. Why stands in the events.
CREATE TABLE holds (
    customer  BLOB PRIMARY KEY,
    until     INTEGER NOT NULL,
    placed_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Customers that were erased. The row is written with the tombstone; while `done_at`
-- is empty the data key may still be there, and whoever opens the store destroys it.
CREATE TABLE erasures (
    customer    BLOB PRIMARY KEY,
    project     INTEGER NOT NULL,
    data_key    INTEGER NOT NULL,
    erased_at   INTEGER NOT NULL,
    certificate TEXT NOT NULL,
    done_at     INTEGER
) WITHOUT ROWID;
CREATE INDEX erasures_undone ON erasures (customer) WHERE done_at IS NULL;
