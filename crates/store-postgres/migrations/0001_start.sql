-- Times are milliseconds since the Unix epoch, ids are UUIDs, digests are SHA-256.
-- Every table's growth is bounded by crates/store/engine/clean_up.rs.

CREATE TABLE accounts (
    id                UUID    NOT NULL PRIMARY KEY,
    username          TEXT    NOT NULL UNIQUE,
    display_name      TEXT    NOT NULL,
    email             TEXT,
    email_verified    BOOLEAN NOT NULL,
    status            TEXT    NOT NULL CHECK (status IN ('invited', 'active', 'disabled')),
    administrator     BOOLEAN NOT NULL,
    password_hash     TEXT,
    -- Grants made up to this moment have ended with a disabling.
    grants_end_before BIGINT  NOT NULL,
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL,
    last_sign_in_at   BIGINT
);

CREATE TABLE groups (
    name        TEXT    NOT NULL PRIMARY KEY,
    description TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL
);

CREATE TABLE memberships (
    account_id UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    group_name TEXT    NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    PRIMARY KEY (account_id, group_name)
);
CREATE INDEX memberships_by_group ON memberships (group_name);

CREATE TABLE invitations (
    digest     BYTEA   NOT NULL PRIMARY KEY,
    account_id UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    used_at    BIGINT
);
CREATE INDEX invitations_by_account ON invitations (account_id);

CREATE TABLE sessions (
    id               UUID    NOT NULL PRIMARY KEY,
    digest           BYTEA   NOT NULL UNIQUE,
    account_id       UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at       BIGINT  NOT NULL,
    authenticated_at BIGINT  NOT NULL,
    -- The authorization request that asked for this sign-in, if one did (prompt=login).
    fresh_for        BYTEA,
    last_seen_at     BIGINT  NOT NULL,
    expires_at       BIGINT  NOT NULL,
    user_agent       TEXT    NOT NULL,
    address          TEXT    NOT NULL,
    ended_at         BIGINT
);
CREATE INDEX sessions_by_account ON sessions (account_id);

CREATE TABLE browsers (
    digest       BYTEA   NOT NULL,
    account_id   UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    last_seen_at BIGINT  NOT NULL,
    PRIMARY KEY (digest, account_id)
);

CREATE TABLE guesses (
    counter  BYTEA   NOT NULL PRIMARY KEY,
    failures BIGINT  NOT NULL,
    last_at  BIGINT  NOT NULL
);

CREATE TABLE clients (
    id                  TEXT    NOT NULL PRIMARY KEY,
    source              TEXT    NOT NULL CHECK (source IN ('configuration', 'command', 'registration', 'document')),
    metadata            TEXT    NOT NULL,
    registration_digest BYTEA,
    -- Of a metadata document: its digest and until when it is fresh.
    document_digest     BYTEA,
    fresh_until         BIGINT,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL,
    -- When somebody first completed a sign-in with it; one that never was is deleted after a while.
    completed_at        BIGINT,
    last_used_at        BIGINT  NOT NULL,
    disabled_at         BIGINT
);

CREATE TABLE client_secrets (
    digest     BYTEA   NOT NULL,
    client_id  TEXT    NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    created_at BIGINT  NOT NULL,
    PRIMARY KEY (client_id, digest)
);

CREATE TABLE client_assertions (
    digest     BYTEA   NOT NULL PRIMARY KEY,
    expires_at BIGINT  NOT NULL
);

CREATE TABLE transactions (
    id           UUID    NOT NULL PRIMARY KEY,
    session_id   UUID    NOT NULL,
    query_digest BYTEA   NOT NULL,
    account_id   UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id    TEXT    NOT NULL,
    request      TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    decided_at   BIGINT,
    outcome      BYTEA,
    UNIQUE (session_id, query_digest)
);

CREATE TABLE codes (
    digest       BYTEA   NOT NULL PRIMARY KEY,
    grant_id     UUID    NOT NULL,
    account_id   UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    session_id   UUID    NOT NULL,
    client_id    TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    -- Absent for a sign-in that is for no MCP server.
    server       TEXT,
    resource     TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    nonce        TEXT,
    auth_time    BIGINT  NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    redeemed_at  BIGINT
);

CREATE TABLE grants (
    id            UUID    NOT NULL PRIMARY KEY,
    account_id    UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id     TEXT    NOT NULL,
    session_id    UUID    NOT NULL,
    server        TEXT,
    resource      TEXT    NOT NULL,
    scopes        TEXT    NOT NULL,
    redirect_host TEXT    NOT NULL,
    nonce         TEXT,
    auth_time     BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    last_used_at  BIGINT  NOT NULL,
    expires_at    BIGINT  NOT NULL,
    -- Rotated refresh tokens that came again while their successor was in use.
    repeats       BIGINT  NOT NULL,
    replaced_at   BIGINT,
    ended_at      BIGINT,
    ended_because TEXT
);
CREATE INDEX grants_by_account ON grants (account_id);
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_end ON grants (ended_at);

CREATE TABLE refresh_tokens (
    digest     BYTEA   NOT NULL PRIMARY KEY,
    grant_id   UUID    NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    generation BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    rotated_at BIGINT,
    -- When an access token that came with it was first accepted.
    used_at    BIGINT,
    -- The successor, sealed under this token.
    link       BYTEA,
    UNIQUE (grant_id, generation)
);

CREATE TABLE revoked_tokens (
    id         UUID    NOT NULL PRIMARY KEY,
    revoked_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL
);

CREATE TABLE consents (
    account_id      UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id       TEXT    NOT NULL,
    redirect_uri    TEXT    NOT NULL,
    resource        TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    document_digest BYTEA,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (account_id, client_id, redirect_uri, resource)
);

CREATE TABLE signing_keys (
    kid             TEXT    NOT NULL PRIMARY KEY,
    algorithm       TEXT    NOT NULL,
    private         BYTEA   NOT NULL,
    public          TEXT    NOT NULL,
    created_at      BIGINT  NOT NULL,
    -- Published from the beginning, signing from then on, still published until then.
    signs_from      BIGINT  NOT NULL,
    published_until BIGINT
);

CREATE TABLE audit_blocks (
    chain    UUID    NOT NULL,
    number   BIGINT  NOT NULL,
    first_at BIGINT  NOT NULL,
    last_at  BIGINT  NOT NULL,
    events   BIGINT  NOT NULL,
    previous BYTEA   NOT NULL,
    hash     BYTEA   NOT NULL,
    body     TEXT    NOT NULL,
    personal TEXT    NOT NULL,
    PRIMARY KEY (chain, number)
);
CREATE INDEX audit_blocks_by_time ON audit_blocks (last_at);

CREATE TABLE changes (
    number BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change TEXT    NOT NULL,
    at     BIGINT  NOT NULL
);

CREATE TABLE leases (
    name       TEXT    NOT NULL PRIMARY KEY,
    holder     UUID    NOT NULL,
    expires_at BIGINT  NOT NULL
);
