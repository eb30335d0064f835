-- This door as a client that registered itself at a connector's provider (RFC 7591): one for each redirect address there.
CREATE TABLE upstream_clients (
    connector     TEXT NOT NULL,
    issuer        TEXT NOT NULL,
    redirect_uri  TEXT NOT NULL,
    -- Changes with the registration, and is a part of what binds the envelope; all zero before the first.
    version       BLOB NOT NULL,
    -- What the provider called us; NULL before it did.
    client_id     TEXT,
    -- The secret in an envelope, with how it is shown.
    sealed        BLOB,
    registered_at INTEGER,
    -- From then on it counts no longer: the provider said so, or refused it.
    expires_at    INTEGER,
    -- Who registers at this moment, and until when nobody else does.
    holder        BLOB,
    leased_until  INTEGER,
    PRIMARY KEY (connector, issuer, redirect_uri)
) STRICT;
