-- AUTOINCREMENT keeps its count in a table of its own, one more page to write with every
-- commit. The writer knows the next number anyway: it has read every row of the journal,
-- and `lookup_fold.through` tells of those that are gone.
CREATE TABLE lookup_journal_counted (
    id  INTEGER PRIMARY KEY,
    ops BLOB NOT NULL
);
INSERT INTO lookup_journal_counted (id, ops) SELECT id, ops FROM lookup_journal;
DROP TABLE lookup_journal;
ALTER TABLE lookup_journal_counted RENAME TO lookup_journal;
