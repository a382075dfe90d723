-- The epochs of hash keys (keys.hash_keys) by which look-ups of customers may stand here. 0 is the
-- installation's own key, by which versions before hashed; -1 says that some customers have no
-- look-ups at all. All customers up to `project` and `customer` stand under the newest epoch and no
-- longer under this one; when all do, the row goes. Whoever works holds it by a lease.
CREATE TABLE lookup_epochs (
    epoch        INTEGER PRIMARY KEY,
    project      INTEGER NOT NULL,
    customer     BLOB NOT NULL,
    owner        BLOB NOT NULL,
    leased_until INTEGER NOT NULL
);

-- Customers whose look-ups were written by an epoch that was in force no longer, or changed while
-- they were hashed anew: noted in the transaction that writes the customer, gone when the look-ups
-- are in order. `used` and `known`: the epoch that was used, and the newest that the server knew.
CREATE TABLE stale_lookups (
    project  INTEGER NOT NULL,
    customer BLOB NOT NULL,
    version  INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    known    INTEGER NOT NULL,
    PRIMARY KEY (customer, version)
) WITHOUT ROWID;
