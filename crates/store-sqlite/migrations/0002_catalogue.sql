-- What upstreams say they have, as it was last listed, and as it was accepted.
CREATE TABLE catalogue (
    server              TEXT    NOT NULL,
    -- Under which of the door's credentials it was listed; people with their own see lists of their own.
    credential          TEXT    NOT NULL,
    list                TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    definition          TEXT    NOT NULL,
    fingerprint         BLOB    NOT NULL,
    accepted_definition TEXT    NOT NULL,
    accepted            BLOB    NOT NULL,
    first_seen_at       INTEGER NOT NULL,
    changed_at          INTEGER NOT NULL,
    PRIMARY KEY (server, credential, list, name)
) STRICT;
