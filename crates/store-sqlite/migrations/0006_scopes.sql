-- What a person added to a grant later on, separated by spaces, and when last: access tokens from before get it too.
ALTER TABLE grants ADD COLUMN widened    TEXT;
ALTER TABLE grants ADD COLUMN widened_at INTEGER;

-- What a service token was granted beyond its servers, separated by spaces.
ALTER TABLE service_tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
