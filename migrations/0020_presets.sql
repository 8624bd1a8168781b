-- Styles and wildcards of guilds, beside or in place of the built-in ones.
CREATE TABLE presets (
    guild INTEGER NOT NULL,
    kind TEXT NOT NULL, -- style or wildcard
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 30),
    value TEXT CHECK (value IS NULL OR json_valid(value)), -- NULL: a built-in one that is removed
    PRIMARY KEY (guild, kind, name)
) STRICT, WITHOUT ROWID;
