-- What a provider gave to be asked again about somebody who signed in there, such as its refresh token; goes with the link.
CREATE TABLE provider_grants (
    issuer         TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    -- In its envelope, for this account at this provider alone.
    sealed         BLOB    NOT NULL,
    -- Changes with what is in it.
    version        BLOB    NOT NULL,
    -- Who asks with it at this moment, and until when nobody else does.
    renewing       BLOB   ,
    renewing_until INTEGER,
    PRIMARY KEY (issuer, subject),
    FOREIGN KEY (issuer, subject) REFERENCES identities (issuer, subject) ON DELETE CASCADE
) STRICT;
