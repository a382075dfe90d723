-- The ledger of erasures: written in one transaction with the end of the data key, and
-- carried out again wherever a restored copy of the data still knows the customer.
CREATE TABLE keys.erased (
    customer    BLOB PRIMARY KEY,
    project     INTEGER NOT NULL,
    data_key    INTEGER NOT NULL,
    erased_at   INTEGER NOT NULL,
    certificate TEXT NOT NULL
) WITHOUT ROWID;

-- The newest checkpoint of the audit log: one row.
CREATE TABLE keys.audit_head (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    number    INTEGER NOT NULL,
    signature BLOB NOT NULL
);
