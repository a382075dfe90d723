-- As migrations/sqlite/data/0019_subscriptions.sql.
CREATE TABLE IF NOT EXISTS webhook_subscriptions (
    webhook BYTEA NOT NULL,
    through BIGINT NOT NULL,
    events  TEXT,
    PRIMARY KEY (webhook, through)
);
ALTER TABLE webhooks ADD COLUMN IF NOT EXISTS compliance_only BIGINT NOT NULL DEFAULT 0
