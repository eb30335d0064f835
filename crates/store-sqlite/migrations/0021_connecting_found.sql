-- Where somebody left for who connects at a provider that the door found by asking a server: they come back to that one, with
-- what was found then (issuer, resource and scope, as JSON). NULL at a provider that the configuration describes.
ALTER TABLE connecting ADD COLUMN found TEXT;
