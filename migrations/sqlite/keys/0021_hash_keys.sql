-- Keys of the hashes by which customers are found, one an epoch, wrapped as everything here. A new
-- one is made after an erasure; from `in_force_at` on what is stored is hashed by it, and when
-- everybody is, the one before is destroyed here. `spent_at`: the first erasure since.
CREATE TABLE keys.hash_keys (
    epoch       INTEGER PRIMARY KEY,
    wrapped     BLOB NOT NULL,
    made_at     INTEGER NOT NULL,
    in_force_at INTEGER,
    spent_at    INTEGER
);
