-- Whose a task is that a server keeps for later.
CREATE TABLE tasks (
    server     TEXT    NOT NULL,
    -- SHA-256 of the task's id.
    digest     BLOB    NOT NULL,
    -- NULL if two people were answered with this id: it is nobody's.
    account_id BLOB    REFERENCES accounts (id) ON DELETE CASCADE,
    -- The tool whose call began it; NULL if nobody can tell.
    tool       TEXT,
    -- What the rules read of that call's arguments; NULL if nothing, or if nobody can tell.
    arguments  TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (server, digest)
) STRICT;
CREATE INDEX tasks_by_account ON tasks (account_id, server, created_at);
CREATE INDEX tasks_by_end ON tasks (expires_at);
