-- What somebody linked at an upstream provider: one per person and connector.
CREATE TABLE connections (
    account_id    UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- What the configuration calls the provider.
    connector     TEXT    NOT NULL,
    -- How it was made: 'token', typed by its owner.
    kind          TEXT    NOT NULL,
    -- The credential in an envelope: a data key under the master key, the credential under the data key.
    sealed        BYTEA   NOT NULL,
    -- Changes with the credential; a part of what binds the envelope.
    version       UUID    NOT NULL,
    -- Who the person is there.
    upstream_id   TEXT    NOT NULL,
    upstream_name TEXT,
    created_at    BIGINT  NOT NULL,
    -- Since when, and why, it does not count any more.
    ended_at      BIGINT,
    ended_because TEXT,
    last_used_at  BIGINT,
    last_client   TEXT,
    last_server   TEXT,
    last_tool     TEXT,
    PRIMARY KEY (account_id, connector)
);
