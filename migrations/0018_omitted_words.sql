-- How many words at the ends of its prompts the model did not read, as JSON. SQLite puts the column
-- between `fingerprint` and its comment, so the column's own comment says so.
ALTER TABLE pictures ADD COLUMN
    omission TEXT CHECK (omission IS NULL OR json_valid(omission))
    /* words that the model did not read, as JSON; the next comment is on `fingerprint` */;
