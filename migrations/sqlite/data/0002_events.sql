-- What happened, one row a change, written in the transaction of the change and
-- never altered after. Rows and the index over ids lie in time order.
-- A change may be several events (a customer is made and three endorsements with
-- it): `count` of them, whose sequences begin at `sequence` and whose ids at `id`.
-- `sequence` rises by one with every event of a resource. `kinds` names them in
-- order, with commas. `actor` is an API key or the person at the command line.
-- `detail` is sealed with the resource's data key: names of changed fields, statuses,
-- reasons; never a write-only value.
CREATE TABLE events (
    id         BLOB PRIMARY KEY,
    project    INTEGER NOT NULL,
    resource   BLOB NOT NULL,
    sequence   INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    kinds      TEXT NOT NULL,
    actor      TEXT NOT NULL,
    request_id TEXT NOT NULL,
    data_key   INTEGER NOT NULL,
    detail     BLOB NOT NULL
);
-- The history of one resource. Resources' ids rise with time too, so that the
-- events of new ones go to the last page.
CREATE UNIQUE INDEX events_resource ON events (resource, sequence);
