-- What its owner calls a session; NULL if they gave it no name.
ALTER TABLE sessions ADD COLUMN name TEXT;
-- In which browser it was begun, so that the name stays when somebody signs in there again; NULL before this was kept.
ALTER TABLE sessions ADD COLUMN browser BLOB;
ALTER TABLE browsers ADD COLUMN name TEXT;
