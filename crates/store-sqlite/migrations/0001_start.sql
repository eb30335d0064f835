-- Times are milliseconds since the Unix epoch, ids are 16-byte UUIDs, digests are SHA-256.
-- Every table's growth is bounded by crates/store/engine/clean_up.rs.

CREATE TABLE accounts (
    id                BLOB    NOT NULL PRIMARY KEY,
    username          TEXT    NOT NULL UNIQUE,
    display_name      TEXT    NOT NULL,
    email             TEXT,
    email_verified    INTEGER NOT NULL,
    status            TEXT    NOT NULL CHECK (status IN ('invited', 'active', 'disabled')),
    administrator     INTEGER NOT NULL,
    password_hash     TEXT,
    -- Grants made up to this moment have ended with a disabling.
    grants_end_before INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    last_sign_in_at   INTEGER
) STRICT;

CREATE TABLE groups (
    name        TEXT    NOT NULL PRIMARY KEY,
    description TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    PRIMARY KEY (account_id, group_name)
) STRICT;
CREATE INDEX memberships_by_group ON memberships (group_name);

CREATE TABLE invitations (
    digest     BLOB    NOT NULL PRIMARY KEY,
    account_id BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;
CREATE INDEX invitations_by_account ON invitations (account_id);

CREATE TABLE sessions (
    id               BLOB    NOT NULL PRIMARY KEY,
    digest           BLOB    NOT NULL UNIQUE,
    account_id       BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at       INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    -- The authorization request that asked for this sign-in, if one did (prompt=login).
    fresh_for        BLOB,
    last_seen_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    user_agent       TEXT    NOT NULL,
    address          TEXT    NOT NULL,
    ended_at         INTEGER
) STRICT;
CREATE INDEX sessions_by_account ON sessions (account_id);

CREATE TABLE browsers (
    digest       BLOB    NOT NULL,
    account_id   BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (digest, account_id)
) STRICT;

CREATE TABLE guesses (
    counter  BLOB    NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE clients (
    id                  TEXT    NOT NULL PRIMARY KEY,
    source              TEXT    NOT NULL CHECK (source IN ('configuration', 'command', 'registration', 'document')),
    metadata            TEXT    NOT NULL,
    registration_digest BLOB,
    -- Of a metadata document: its digest and until when it is fresh.
    document_digest     BLOB,
    fresh_until         INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    -- When somebody first completed a sign-in with it; one that never was is deleted after a while.
    completed_at        INTEGER,
    last_used_at        INTEGER NOT NULL,
    disabled_at         INTEGER
) STRICT;

CREATE TABLE client_secrets (
    digest     BLOB    NOT NULL,
    client_id  TEXT    NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, digest)
) STRICT;

CREATE TABLE client_assertions (
    digest     BLOB    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE transactions (
    id           BLOB    NOT NULL PRIMARY KEY,
    session_id   BLOB    NOT NULL,
    query_digest BLOB    NOT NULL,
    account_id   BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id    TEXT    NOT NULL,
    request      TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    decided_at   INTEGER,
    outcome      BLOB,
    UNIQUE (session_id, query_digest)
) STRICT;

CREATE TABLE codes (
    digest       BLOB    NOT NULL PRIMARY KEY,
    grant_id     BLOB    NOT NULL,
    account_id   BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    session_id   BLOB    NOT NULL,
    client_id    TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    challenge    TEXT    NOT NULL,
    -- Absent for a sign-in that is for no MCP server.
    server       TEXT,
    resource     TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    nonce        TEXT,
    auth_time    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    redeemed_at  INTEGER
) STRICT;

CREATE TABLE grants (
    id            BLOB    NOT NULL PRIMARY KEY,
    account_id    BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id     TEXT    NOT NULL,
    session_id    BLOB    NOT NULL,
    server        TEXT,
    resource      TEXT    NOT NULL,
    scopes        TEXT    NOT NULL,
    redirect_host TEXT    NOT NULL,
    nonce         TEXT,
    auth_time     INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    -- Rotated refresh tokens that came again while their successor was in use.
    repeats       INTEGER NOT NULL,
    replaced_at   INTEGER,
    ended_at      INTEGER,
    ended_because TEXT
) STRICT;
CREATE INDEX grants_by_account ON grants (account_id);
CREATE INDEX grants_by_client ON grants (client_id);
CREATE INDEX grants_by_end ON grants (ended_at);

CREATE TABLE refresh_tokens (
    digest     BLOB    NOT NULL PRIMARY KEY,
    grant_id   BLOB    NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rotated_at INTEGER,
    -- When an access token that came with it was first accepted.
    used_at    INTEGER,
    -- The successor, sealed under this token.
    link       BLOB,
    UNIQUE (grant_id, generation)
) STRICT;

CREATE TABLE revoked_tokens (
    id         BLOB    NOT NULL PRIMARY KEY,
    revoked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE consents (
    account_id      BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id       TEXT    NOT NULL,
    redirect_uri    TEXT    NOT NULL,
    resource        TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    document_digest BLOB,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (account_id, client_id, redirect_uri, resource)
) STRICT;

CREATE TABLE signing_keys (
    kid             TEXT    NOT NULL PRIMARY KEY,
    algorithm       TEXT    NOT NULL,
    private         BLOB    NOT NULL,
    public          TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    -- Published from the beginning, signing from then on, still published until then.
    signs_from      INTEGER NOT NULL,
    published_until INTEGER
) STRICT;

CREATE TABLE audit_blocks (
    chain    BLOB    NOT NULL,
    number   INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    previous BLOB    NOT NULL,
    hash     BLOB    NOT NULL,
    body     TEXT    NOT NULL,
    personal TEXT    NOT NULL,
    PRIMARY KEY (chain, number)
) STRICT;
CREATE INDEX audit_blocks_by_time ON audit_blocks (last_at);

CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    change TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

CREATE TABLE leases (
    name       TEXT    NOT NULL PRIMARY KEY,
    holder     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
