-- Whose a task is that a server keeps for later.
CREATE TABLE tasks (
    server     TEXT    NOT NULL,
    -- SHA-256 of the task's id.
    digest     BLOB    NOT NULL,
    account_id BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The tool whose call began it; NULL if the answer came where nobody could tell.
    tool       TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (server, digest)
) STRICT;
CREATE INDEX tasks_by_account ON tasks (account_id, server, created_at);
CREATE INDEX tasks_by_end ON tasks (expires_at);
