-- How the person proved who they are, as the consent had it: the class of the proof and its methods. None for what was granted
-- before, which counts as one factor.
ALTER TABLE codes ADD COLUMN acr TEXT;
ALTER TABLE codes ADD COLUMN amr TEXT;
ALTER TABLE grants ADD COLUMN acr TEXT;
ALTER TABLE grants ADD COLUMN amr TEXT;
