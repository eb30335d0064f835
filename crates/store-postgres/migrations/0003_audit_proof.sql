-- Blocks of the audit record are signed from here on; those of before stay as they are.
ALTER TABLE audit_blocks ADD COLUMN sequence  BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_blocks ADD COLUMN reserved  BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_blocks ADD COLUMN signed_by TEXT;
ALTER TABLE audit_blocks ADD COLUMN signature BYTEA;

-- The key that signs them, sealed under the master key. One for all replicas.
CREATE TABLE audit_key (
    place      BIGINT    NOT NULL PRIMARY KEY CHECK (place = 1),
    kid        TEXT   NOT NULL,
    private    BYTEA  NOT NULL,
    public     TEXT   NOT NULL,
    created_at BIGINT    NOT NULL
);
