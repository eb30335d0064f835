-- Connecting within an authorization: the approval that waits for it, sealed; NULL if none does.
ALTER TABLE connecting ADD COLUMN approved TEXT;
