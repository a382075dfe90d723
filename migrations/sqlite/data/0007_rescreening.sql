-- How far everybody is screened again by a list, one row a version: all customers up to
-- `project` and `customer`, in the order of projects and ids. `seen` of them were looked
-- at and `changed` of those got another standing; each change and its count are one
-- transaction. `finished_at` is empty until the last. Whoever works holds the row by a
-- lease: another process goes on from the same place when `leased_until` is over.
CREATE TABLE rescreenings (
    version      INTEGER PRIMARY KEY,
    project      INTEGER NOT NULL,
    customer     BLOB NOT NULL,
    seen         INTEGER NOT NULL,
    changed      INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    owner        BLOB NOT NULL,
    leased_until INTEGER NOT NULL
);
