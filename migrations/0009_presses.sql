-- Presses of U whose picture is not shown yet: the next bot shows what a killed one could not.
CREATE TABLE presses (
    interaction INTEGER PRIMARY KEY,
    application INTEGER NOT NULL,
    token TEXT NOT NULL, -- the interaction's; the row goes as soon as the picture is shown
    channel INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER NOT NULL CHECK (nth BETWEEN 1 AND 4),
    at REAL NOT NULL
) STRICT;
CREATE INDEX presses_by_time ON presses (at);
