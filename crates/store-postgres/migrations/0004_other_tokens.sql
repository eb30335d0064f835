-- Tokens that the operator gave to programs without a browser.
CREATE TABLE service_tokens (
    id           UUID    NOT NULL PRIMARY KEY,
    digest       BYTEA   NOT NULL UNIQUE,
    account_id   UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    -- Names of servers, separated by spaces.
    servers      TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    created_by   TEXT    NOT NULL,
    expires_at   BIGINT  NOT NULL,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX service_tokens_by_account ON service_tokens (account_id);

-- Who at another issuer is who here.
CREATE TABLE identities (
    issuer     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    account_id UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT  NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_by_account ON identities (account_id);

-- Who still uses tokens of the time before.
CREATE TABLE old_token_uses (
    server     TEXT    NOT NULL,
    account_id UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- What the configuration calls the token.
    token      TEXT    NOT NULL,
    -- An address, or a network of IPv6.
    place      TEXT    NOT NULL,
    user_agent TEXT    NOT NULL,
    first_at   BIGINT  NOT NULL,
    last_at    BIGINT  NOT NULL,
    uses       BIGINT  NOT NULL,
    PRIMARY KEY (server, account_id, token, place)
);
