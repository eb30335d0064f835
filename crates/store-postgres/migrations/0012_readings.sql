-- When an issuer was last asked, or said by itself, who somebody there is and in which groups: what an older answer says
-- never takes the place of what a newer one said. NULL before the first time.
ALTER TABLE identities ADD COLUMN asked_at BIGINT;
-- When it last said that they are there and may come in; NULL once it said that they are not.
ALTER TABLE identities ADD COLUMN confirmed_at BIGINT;
