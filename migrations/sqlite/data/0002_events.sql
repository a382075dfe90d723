-- What happened, one row a change, written in the transaction of the change and
-- never altered after. This is the history and the audit log in one.
-- A change may be several events (a customer is made and three endorsements with
-- it): `count` of them, whose sequences begin at `sequence` and whose ids at `id`.
-- `sequence` rises by one with every event of a resource. `kinds` names them in
-- order, with commas. `actor` is an API key or the person at the command line.
-- `detail` is sealed, with the resource's data key where it tells of the resource's
-- data, with the installation's own key (`data_key` 0) where it tells what somebody did
-- to it: names of changed fields, statuses, reasons; never a write-only value.
--
-- `place` is the order of writing. Each opening of the store is a `writer` with a chain
-- of its own, so that no two writers wait for one row: `position` rises by one from 1,
-- and `hash` is a keyed hash over the hash before it and every other column of the row
-- but `place`. The heads live in the writers' memory: an append is one insert.
-- Rows and both indexes lie in time order.
CREATE TABLE events (
    place      INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    project    INTEGER NOT NULL,
    resource   BLOB NOT NULL,
    sequence   INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    kinds      TEXT NOT NULL,
    actor      TEXT NOT NULL,
    request_id TEXT NOT NULL,
    data_key   INTEGER NOT NULL,
    detail     BLOB NOT NULL,
    writer     INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    hash       BLOB NOT NULL
);
-- The history of one resource. Resources' ids rise with time too, so that the
-- events of new ones go to the last page. The zero id is the installation itself.
CREATE UNIQUE INDEX events_resource ON events (resource, sequence);
