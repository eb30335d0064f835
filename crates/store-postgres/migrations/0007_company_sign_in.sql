-- Company sign-ins that are under way: from leaving for the provider to coming back, which is once.
CREATE TABLE sign_ins (
    -- SHA-256 of the state that the provider gives back.
    state      BYTEA    NOT NULL PRIMARY KEY,
    -- SHA-256 of the cookie of the browser that began it.
    browser    BYTEA    NOT NULL,
    -- What the configuration calls the provider.
    provider   TEXT    NOT NULL,
    -- The page that comes then, and its query.
    onward     TEXT    NOT NULL,
    query      TEXT    NOT NULL,
    -- The session of somebody who links what they are at the provider to their account; NULL for a sign-in.
    session_id UUID,
    -- How many seconds old the proof at the provider may be, if the program that asked cares.
    max_age    BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sign_ins_by_end ON sign_ins (expires_at);

-- Groups in which a provider says that somebody is; replaced as one at each sign-in.
CREATE TABLE provided_groups (
    account_id UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    issuer     TEXT    NOT NULL,
    group_name TEXT    NOT NULL,
    PRIMARY KEY (account_id, issuer, group_name)
);
CREATE INDEX provided_groups_by_group ON provided_groups (group_name);

-- By which provider a session was begun, and what it said of how; all NULL for a password.
ALTER TABLE sessions ADD COLUMN provider TEXT;
ALTER TABLE sessions ADD COLUMN acr      TEXT;
ALTER TABLE sessions ADD COLUMN amr      TEXT;

CREATE INDEX accounts_by_email ON accounts (lower(email));
