-- What each server let through lately, for the others (src/store/limit_use.rs): a row a second
-- of a server that limited somebody, swept after a minute. Nobody but that server writes it,
-- and only who waits for no answer reads it. `uses` names senders by keyed hashes.
CREATE TABLE IF NOT EXISTS limit_uses (
    server  BIGINT NOT NULL,
    beat    BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    uses    BYTEA NOT NULL,
    PRIMARY KEY (server, beat)
)
