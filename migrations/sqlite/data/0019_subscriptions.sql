-- What a webhook subscribed to before: of everything up to the place `through`, and behind the
-- row before this one, it is told what fits `events`; nothing where that is NULL, as before the
-- webhook was made. Behind the last row `webhooks.events` counts. From this and the events of a
-- resource follows which number an event has among those that the webhook is told of it, so that no
-- count is kept for each webhook and resource.
CREATE TABLE webhook_subscriptions (
    webhook BLOB NOT NULL,
    through INTEGER NOT NULL,
    events  TEXT,
    PRIMARY KEY (webhook, through)
) WITHOUT ROWID;

-- A published field that is kept and shown; it changes nothing of what is told.
ALTER TABLE webhooks ADD COLUMN compliance_only INTEGER NOT NULL DEFAULT 0;
