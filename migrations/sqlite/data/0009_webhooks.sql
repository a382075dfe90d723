-- Where a project wants to be told what happens. `target` is sealed with the webhook's
-- own data key: the URL and the secrets that sign. `events` are patterns with commas,
-- empty for all. A deleted webhook stays until its history is swept. `version` rises
-- with every change, so that running servers read again.
CREATE TABLE webhooks (
    id              BLOB PRIMARY KEY,
    project         INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    events          TEXT NOT NULL,
    scheme          TEXT NOT NULL,
    enabled         INTEGER NOT NULL,
    disabled_reason TEXT,
    deleted_at      INTEGER,
    data_key        INTEGER NOT NULL,
    target          BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX webhooks_project ON webhooks (project, id);

-- How far a webhook is: of every event up to the place `through`, what it wants is recorded
-- in `webhook_deliveries`. What lies behind waits as rows of `events`, so that a
-- dead receiver costs nothing when something happens. One process at a time works for
-- a webhook: whoever holds the claim until `claimed_until`.
CREATE TABLE webhook_progress (
    webhook       BLOB PRIMARY KEY,
    through       INTEGER NOT NULL,
    failing_since INTEGER,
    claimed_by    INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL
) WITHOUT ROWID;

-- Deliveries that were attempted, or are to be at `next_at`. The id follows from webhook and
-- event, so that whoever sends again after a crash sends the same one; it rises with the
-- event's time, so that rows of a webhook lie in time order. `state`: 0 to be attempted, 1
-- delivered, 2 given up.
CREATE TABLE webhook_deliveries (
    webhook  BLOB NOT NULL,
    id       BLOB NOT NULL,
    event    BLOB NOT NULL,
    kind     TEXT NOT NULL,
    state    INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_at  INTEGER,
    next_at  INTEGER,
    status   INTEGER,
    error    TEXT,
    PRIMARY KEY (webhook, id)
) WITHOUT ROWID;
-- Only what waits is in it: a delivery that succeeds at once never touches it.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_at) WHERE next_at IS NOT NULL;

-- What a customer was until a change, so that events can be told with the state they left:
-- the row as it was, copied when it is replaced, without what answers never return. `until` is the
-- sequence of the event that ended it. A customer that never changes has no row here. Sealed as
-- it was, with the customer's data key, so that an erasure reaches it.
CREATE TABLE customer_versions (
    customer     BLOB NOT NULL,
    until        INTEGER NOT NULL,
    kept_at      INTEGER NOT NULL,
    project      INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    signed_at    INTEGER,
    updated_at   INTEGER NOT NULL,
    data_key     INTEGER NOT NULL,
    endorsements INTEGER NOT NULL,
    profile      BLOB NOT NULL,
    review       BLOB,
    PRIMARY KEY (customer, until)
) WITHOUT ROWID;
CREATE INDEX customer_versions_kept_at ON customer_versions (kept_at);
