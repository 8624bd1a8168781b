-- How many words at the ends of its prompts the model did not read, as JSON.
ALTER TABLE pictures ADD COLUMN
    omission TEXT CHECK (omission IS NULL OR json_valid(omission));
