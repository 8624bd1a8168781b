-- A poll about which pictures of a channel to cross, until it has ended and they are crossed.
CREATE TABLE polls (
    message INTEGER PRIMARY KEY, -- that has the poll
    channel INTEGER NOT NULL,
    guild INTEGER,
    person INTEGER NOT NULL, -- who started it
    winners INTEGER NOT NULL CHECK (winners >= 2), -- how many pictures are crossed
    pictures TEXT NOT NULL, -- JSON: the id of that of each answer, in order
    options TEXT NOT NULL, -- JSON: the options of the request
    at REAL NOT NULL
) STRICT;
CREATE INDEX polls_of_person ON polls (person);
