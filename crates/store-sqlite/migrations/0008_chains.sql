-- A refresh token is rotated when the next of its chain is there; that one holds itself, sealed under the one before.

ALTER TABLE refresh_tokens ADD COLUMN sealed BLOB;

UPDATE refresh_tokens SET sealed =
    (SELECT link FROM refresh_tokens AS before
     WHERE before.grant_id = refresh_tokens.grant_id AND before.generation = refresh_tokens.generation - 1);

ALTER TABLE refresh_tokens DROP COLUMN rotated_at;
ALTER TABLE refresh_tokens DROP COLUMN link;
