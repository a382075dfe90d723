-- Customers whom a server screened by a watch list that was in force no longer when it wrote
-- them, because it had not read the next one yet: noted in the transaction that writes the
-- customer, and gone when somebody screened them by the list in force. `version` is the
-- customer's: whoever is written so twice stands here twice.
CREATE TABLE stale_screenings (
    project  INTEGER NOT NULL,
    customer BLOB NOT NULL,
    version  INTEGER NOT NULL,
    PRIMARY KEY (customer, version)
) WITHOUT ROWID;
