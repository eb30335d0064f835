-- Requests of programs without a browser (RFC 8628). The person answers from a browser of their own; the program asks for the
-- answer until it has it.
CREATE TABLE device_authorizations (
    id          UUID NOT NULL PRIMARY KEY,
    -- SHA-256 of the device code.
    digest      BYTEA NOT NULL UNIQUE,
    -- SHA-256 of the user code, which is short: it protects against a glance, and no more.
    user_digest BYTEA NOT NULL UNIQUE,
    client_id   TEXT NOT NULL,
    -- What was asked, as the issuer wrote it.
    request     TEXT NOT NULL,
    -- The machine that asks, as the person is shown it, and the network it is counted in.
    address     TEXT NOT NULL,
    user_agent  TEXT NOT NULL,
    network     TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- Milliseconds between two questions of the program; grows with each that comes too soon.
    poll_every  BIGINT NOT NULL,
    decided_at  BIGINT,
    -- What was allowed; none of it if the person said no.
    grant_id    UUID,
    account_id  UUID REFERENCES accounts (id) ON DELETE CASCADE,
    session_id  UUID,
    server      TEXT,
    resource    TEXT,
    scopes      TEXT,
    auth_time   BIGINT,
    acr         TEXT,
    amr         TEXT,
    redeemed_at BIGINT
);
CREATE INDEX device_authorizations_network ON device_authorizations (network, expires_at);
CREATE INDEX device_authorizations_client ON device_authorizations (client_id, expires_at);
CREATE INDEX device_authorizations_account ON device_authorizations (account_id);
CREATE INDEX device_authorizations_expires_at ON device_authorizations (expires_at);
