-- As migrations/sqlite/data/0022_clock.sql.
ALTER TABLE customers ADD COLUMN IF NOT EXISTS created_at BIGINT;
ALTER TABLE customer_versions ADD COLUMN IF NOT EXISTS created_at BIGINT;
ALTER TABLE events ADD COLUMN IF NOT EXISTS happened_at BIGINT;
ALTER TABLE webhooks ADD COLUMN IF NOT EXISTS created_at BIGINT;
ALTER TABLE webhook_deliveries ADD COLUMN IF NOT EXISTS happened_at BIGINT;
ALTER TABLE verifications ADD COLUMN IF NOT EXISTS requested_at BIGINT;

CREATE INDEX IF NOT EXISTS customers_held_up ON customers (bucket, project, created_at, id)
    WHERE created_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_held_up ON events (bucket, happened_at, id)
    WHERE happened_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS clock (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    settled_at BIGINT NOT NULL
)
