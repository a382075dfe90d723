-- What is known of a customer's endorsements beyond their statuses: requirement
-- lists, reasons, decisions. Sealed with the customer's data key. NULL where
-- all follows from the statuses alone, as in a sandbox that verifies by itself.
ALTER TABLE customers ADD COLUMN review BLOB;

-- `verification` is auto or policy; live projects follow the policy whatever
-- stands here. `clock_offset_s` moves the test clock of a sandbox. `revision`
-- rises with every change, so that running servers read again.
ALTER TABLE projects ADD COLUMN verification TEXT NOT NULL DEFAULT 'auto';
ALTER TABLE projects ADD COLUMN clock_offset_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- The policies that a project ever had, as their authors wrote them. The newest
-- is in force; an empty text returns to the server's own.
CREATE TABLE policies (
    project    INTEGER NOT NULL REFERENCES projects (id),
    number     INTEGER NOT NULL,
    source     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project, number)
);
