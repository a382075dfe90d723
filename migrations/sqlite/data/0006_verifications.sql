-- Customers whose identity an outside provider is asked about. A row is written with the
-- change that makes `identityVerification` pending, and is the order to ask. No personal
-- data: what is sent is opened from the customer when it is sent, and what comes back
-- becomes a decision in `customers.review`, where the customer names the one open row.
--
-- `state`: 0 is being asked, 1 the provider could not be asked and a person decides,
-- 2 superseded (the customer changed, a person decided, the customer left),
-- 3 approved, 4 rejected, 5 issues. While it is 0, `due_at` is when to ask next: at once,
-- after a wait, when a lease ends, or when an answer is overdue. `attempts` rises with every
-- claim and so tells a claim from a later one. `trouble` says what became of the last
-- attempt. `fingerprint` is a keyed hash of the result that was taken, so that the same
-- one may come again.
CREATE TABLE verifications (
    id          BLOB PRIMARY KEY,
    project     INTEGER NOT NULL,
    customer    BLOB NOT NULL,
    state       INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    accepted_at INTEGER,
    trouble     TEXT,
    fingerprint BLOB,
    answered_at INTEGER
);
CREATE INDEX verifications_due ON verifications (due_at) WHERE state = 0;
