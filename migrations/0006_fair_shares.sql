-- How many jobs the person might have at the engine at once; NULL for as many as everybody.
ALTER TABLE jobs ADD COLUMN seats INTEGER CHECK (seats > 0);

-- What people had of the engine in the last 24 hours.
CREATE TABLE charges (
    job TEXT NOT NULL,
    attempt INTEGER NOT NULL CHECK (attempt > 0),
    person INTEGER NOT NULL,
    seconds REAL NOT NULL CHECK (seconds >= 0),
    at REAL NOT NULL,
    revision TEXT NOT NULL, -- of the model
    pixels INTEGER NOT NULL CHECK (pixels > 0), -- of one picture
    work REAL CHECK (work > 0), -- that took those seconds; NULL if it was stopped
    PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;

CREATE INDEX charges_of_person ON charges (person, at, seconds);
CREATE INDEX charges_by_time ON charges (at);
CREATE INDEX charges_of_model ON charges (revision, at, pixels, work, seconds) WHERE work IS NOT NULL;

-- What the roles of a server allow, where it is not what everybody may.
CREATE TABLE role_limits (
    guild INTEGER NOT NULL,
    role INTEGER NOT NULL,
    waiting INTEGER CHECK (waiting > 0),
    running INTEGER CHECK (running > 0),
    daily INTEGER CHECK (daily >= 0), -- seconds of the engine in 24 hours
    PRIMARY KEY (guild, role),
    CHECK (waiting IS NOT NULL OR running IS NOT NULL OR daily IS NOT NULL)
) STRICT, WITHOUT ROWID;
