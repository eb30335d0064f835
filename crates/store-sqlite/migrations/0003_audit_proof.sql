-- Blocks of the audit record are signed from here on; those of before stay as they are.
ALTER TABLE audit_blocks ADD COLUMN sequence  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_blocks ADD COLUMN reserved  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_blocks ADD COLUMN signed_by TEXT;
ALTER TABLE audit_blocks ADD COLUMN signature BLOB;

-- The key that signs them, sealed under the master key. One for all replicas.
CREATE TABLE audit_key (
    place      INTEGER    NOT NULL PRIMARY KEY CHECK (place = 1),
    kid        TEXT   NOT NULL,
    private    BLOB  NOT NULL,
    public     TEXT   NOT NULL,
    created_at INTEGER    NOT NULL
) STRICT;
