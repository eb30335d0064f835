-- Connections by OAuth: an access token that runs out, and is renewed by one at a time.
-- When the access token runs out; NULL if nobody said.
ALTER TABLE connections ADD COLUMN expires_at BIGINT;
-- When it is to be renewed, before that.
ALTER TABLE connections ADD COLUMN renew_at BIGINT;
-- Who renews it at this moment, and until when nobody else does.
ALTER TABLE connections ADD COLUMN renewing UUID;
ALTER TABLE connections ADD COLUMN renewing_until BIGINT;

-- People who are at a provider to connect: from leaving to coming back, which is once.
CREATE TABLE connecting (
    -- SHA-256 of the state that the provider gives back.
    state      BYTEA   NOT NULL PRIMARY KEY,
    -- SHA-256 of the cookie of the browser that began it.
    browser    BYTEA   NOT NULL,
    connector  TEXT    NOT NULL,
    -- Whose session it was begun in.
    session_id UUID    NOT NULL,
    expires_at BIGINT  NOT NULL
);
CREATE INDEX connecting_by_end ON connecting (expires_at);
