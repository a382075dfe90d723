-- As migrations/sqlite/data/0009_webhooks.sql.
CREATE TABLE IF NOT EXISTS webhooks (
    id              BYTEA PRIMARY KEY,
    project         BIGINT NOT NULL,
    version         BIGINT NOT NULL,
    events          TEXT NOT NULL,
    scheme          TEXT NOT NULL,
    enabled         BIGINT NOT NULL,
    disabled_reason TEXT,
    deleted_at      BIGINT,
    data_key        BIGINT NOT NULL,
    target          BYTEA NOT NULL
);
CREATE INDEX IF NOT EXISTS webhooks_project ON webhooks (project, id);

CREATE TABLE IF NOT EXISTS webhook_progress (
    webhook       BYTEA PRIMARY KEY,
    through       BIGINT NOT NULL,
    failing_since BIGINT,
    claimed_by    BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS webhook_deliveries (
    webhook  BYTEA NOT NULL,
    id       BYTEA NOT NULL,
    event    BYTEA NOT NULL,
    kind     TEXT NOT NULL,
    state    BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    last_at  BIGINT,
    next_at  BIGINT,
    status   BIGINT,
    error    TEXT,
    PRIMARY KEY (webhook, id)
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_due ON webhook_deliveries (webhook, next_at)
    WHERE next_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS customer_versions (
    customer_bucket INTEGER GENERATED ALWAYS AS (get_byte(customer, 15) & 7) STORED,
    customer     BYTEA NOT NULL,
    until        BIGINT NOT NULL,
    kept_at      BIGINT NOT NULL,
    project      BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    status       BIGINT NOT NULL,
    signed_at    BIGINT,
    updated_at   BIGINT NOT NULL,
    data_key     BIGINT NOT NULL,
    endorsements BIGINT NOT NULL,
    profile      BYTEA NOT NULL,
    review       BYTEA,
    PRIMARY KEY (customer_bucket, customer, until)
);
CREATE INDEX IF NOT EXISTS customer_versions_kept_at ON customer_versions (kept_at)
