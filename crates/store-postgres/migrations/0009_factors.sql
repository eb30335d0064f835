-- Passkeys: what is kept of each is public, and useless without the device that made it.
CREATE TABLE passkeys (
    id           UUID    NOT NULL PRIMARY KEY,
    account_id   UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The credential id, by which the device says which passkey it is (Web Authentication section 5.1).
    credential   BYTEA   NOT NULL UNIQUE,
    -- Public key, signature counter and backup state, as JSON.
    passkey      TEXT    NOT NULL,
    -- What its owner calls it.
    name         TEXT    NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    -- How often it was used: what two uses at the same moment are told apart by.
    uses         BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX passkeys_by_account ON passkeys (account_id);

-- The secret that an authenticator app holds too; one for each account.
CREATE TABLE totp_secrets (
    account_id   UUID    NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    -- Sealed under the master key, for this account.
    sealed       BYTEA   NOT NULL,
    -- The last time step whose code was taken: no code counts twice (RFC 6238 section 5.2).
    last_step    BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);

-- Codes for the day on which every other factor is lost. New ones replace all.
CREATE TABLE recovery_codes (
    account_id UUID    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- SHA-256 of account and code.
    digest     BYTEA   NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (account_id, digest)
);

-- What has begun in a browser and has to be finished there: a challenge for a passkey, or a sign-in whose first factor is
-- proved. Finished once.
CREATE TABLE ceremonies (
    -- SHA-256 of the id that the page holds.
    id         BYTEA   NOT NULL PRIMARY KEY,
    -- SHA-256 of the cookie of the browser that began it.
    browser    BYTEA   NOT NULL,
    -- What it is, in a word.
    purpose    TEXT    NOT NULL,
    -- Whose it is, if that is known.
    account_id UUID    REFERENCES accounts (id) ON DELETE CASCADE,
    state      TEXT    NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ceremonies_by_end ON ceremonies (expires_at);
CREATE INDEX ceremonies_by_account ON ceremonies (account_id);
