-- Since when an account is a program's, as which nobody can sign in; NULL for people.
ALTER TABLE accounts ADD COLUMN service_since BIGINT;
-- Tokens that a client had for itself up to this moment have ended. Enabling it again does not bring them back.
ALTER TABLE clients ADD COLUMN ended_before BIGINT;
UPDATE clients SET ended_before = disabled_at;
-- Since when a client is not in the configuration any more, which is why it is disabled; NULL of one that an operator disabled.
ALTER TABLE clients ADD COLUMN left_configuration BIGINT;
UPDATE clients SET left_configuration = disabled_at WHERE source = 'configuration';
