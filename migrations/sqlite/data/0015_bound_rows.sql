-- Rows that grant something carry a keyed hash over all that they say, so that an intruder who
-- can write this file but has no keys makes and alters none. Empty in rows of before, until
-- the next start fills it (src/core/binding.rs).
ALTER TABLE api_keys ADD COLUMN mac BLOB;
ALTER TABLE projects ADD COLUMN mac BLOB;

-- What a customer's row, an API key or a project was after the change: 16 bytes of the tag of
-- the sealed profile or of `mac`, which tell any two states apart. Empty where the row tells
-- of no change of them, and in rows of before. An older row that is put back is found by it.
ALTER TABLE events ADD COLUMN state BLOB;

-- What stands for the sealed identity, which is not kept: the profile opens only with it.
ALTER TABLE customer_versions ADD COLUMN identity_tag BLOB NOT NULL DEFAULT x'';
