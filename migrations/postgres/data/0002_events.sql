-- As migrations/sqlite/data/0002_events.sql. There is no `place`: one order of all writing
-- would be one row that all writers wait for. A writer's own order is its `position`, and
-- writers stand beside each other in the key, so that each appends at a place of its own.
CREATE TABLE IF NOT EXISTS events (
    writer          BIGINT NOT NULL,
    position        BIGINT NOT NULL,
    bucket          INTEGER GENERATED ALWAYS AS (get_byte(id, 15) & 7) STORED,
    id              BYTEA NOT NULL,
    project         BIGINT NOT NULL,
    resource_bucket INTEGER GENERATED ALWAYS AS (get_byte(resource, 15) & 7) STORED,
    resource        BYTEA NOT NULL,
    sequence        BIGINT NOT NULL,
    count           BIGINT NOT NULL,
    kinds           TEXT NOT NULL,
    actor           TEXT NOT NULL,
    request_id      TEXT NOT NULL,
    data_key        BIGINT NOT NULL,
    detail          BYTEA NOT NULL,
    hash            BYTEA NOT NULL,
    PRIMARY KEY (writer, position)
);
-- By time, for reading the log out.
CREATE UNIQUE INDEX IF NOT EXISTS events_time ON events (bucket, id);
-- The history of one resource.
CREATE UNIQUE INDEX IF NOT EXISTS events_resource ON events (resource_bucket, resource, sequence)
;

-- The order that is given afterwards (src/store/order.rs): the rows of a writer behind
-- the position `start` have the places from `first` to `last`. `placed_writers` has the
-- last position of each writer that has a place.
CREATE TABLE IF NOT EXISTS event_places (
    last   BIGINT PRIMARY KEY,
    first  BIGINT NOT NULL,
    writer BIGINT NOT NULL,
    start  BIGINT NOT NULL,
    UNIQUE (writer, start)
);
CREATE TABLE IF NOT EXISTS placed_writers (
    writer   BIGINT PRIMARY KEY,
    position BIGINT NOT NULL
)
