-- The session at the provider by which one here was begun: the provider names it when it has ended (back-channel logout).
ALTER TABLE sessions ADD COLUMN provider_session TEXT;
CREATE INDEX sessions_by_provider_session ON sessions (provider_session) WHERE provider_session IS NOT NULL;
