-- One picture of a job may fail while its siblings come out.
CREATE TABLE painted (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER NOT NULL CHECK (nth BETWEEN 1 AND 4), -- in reading order
    model TEXT NOT NULL,
    revision TEXT NOT NULL,
    prompt TEXT NOT NULL,
    negative TEXT NOT NULL,
    seed INTEGER NOT NULL CHECK (seed BETWEEN 0 AND 4294967295),
    subseed INTEGER NOT NULL CHECK (subseed BETWEEN 0 AND 4294967295),
    subseed_strength REAL NOT NULL CHECK (subseed_strength BETWEEN 0 AND 1),
    steps INTEGER NOT NULL CHECK (steps BETWEEN 1 AND 150),
    guidance REAL NOT NULL CHECK (guidance BETWEEN 0 AND 30),
    sampler TEXT NOT NULL,
    width INTEGER NOT NULL CHECK (width % 8 = 0 AND width BETWEEN 64 AND 2048),
    height INTEGER NOT NULL CHECK (height % 8 = 0 AND height BETWEEN 64 AND 2048),
    source TEXT CHECK (length(source) = 64), -- sha256 of the sketch
    strength REAL CHECK (strength > 0 AND strength <= 1),
    adapters TEXT NOT NULL CHECK (json_valid(adapters)),
    row_class INTEGER NOT NULL CHECK (row_class > 0),
    sha256 TEXT CHECK (length(sha256) = 64),
    path TEXT, -- relative to the data folder
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    failed TEXT, -- why there is no picture, though its siblings came out
    fingerprint TEXT NOT NULL, -- the software and hardware that painted it
    UNIQUE (job, nth),
    CHECK ((source IS NULL) = (strength IS NULL)),
    CHECK ((sha256 IS NULL) = (failed IS NOT NULL)),
    CHECK ((path IS NULL) = (blocked = 1 OR failed IS NOT NULL))
) STRICT;

INSERT INTO painted (
    id, job, nth, model, revision, prompt, negative, seed, subseed, subseed_strength, steps,
    guidance, sampler, width, height, source, strength, adapters, row_class, sha256, path,
    blocked, fingerprint
)
SELECT
    id, job, nth, model, revision, prompt, negative, seed, subseed, subseed_strength, steps,
    guidance, sampler, width, height, source, strength, adapters, row_class, sha256, path,
    blocked, fingerprint
FROM pictures;
DROP TABLE pictures;
ALTER TABLE painted RENAME TO pictures;
