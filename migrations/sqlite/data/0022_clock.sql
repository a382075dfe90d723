-- When something was made, where the time in its id is not that: ids rise whatever the clock does,
-- so behind those that were made while it was ahead they go on there. Empty in almost every row.
ALTER TABLE customers ADD COLUMN created_at INTEGER;
ALTER TABLE customer_versions ADD COLUMN created_at INTEGER;
ALTER TABLE events ADD COLUMN happened_at INTEGER;
ALTER TABLE webhooks ADD COLUMN created_at INTEGER;
ALTER TABLE webhook_deliveries ADD COLUMN happened_at INTEGER;
ALTER TABLE verifications ADD COLUMN requested_at INTEGER;

-- Lists by time look whether there is such a row.
CREATE INDEX customers_held_up ON customers (project, created_at, id) WHERE created_at IS NOT NULL;
CREATE INDEX events_held_up ON events (happened_at, id) WHERE happened_at IS NOT NULL;

-- The time that a server last believed, in one row: a start whose clock is far ahead of it waits
-- before anything expires (src/clock.rs).
CREATE TABLE clock (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    settled_at INTEGER NOT NULL
);
