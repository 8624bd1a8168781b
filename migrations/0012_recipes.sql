-- Recipes have a list of subseeds, a source and changes. Numbers are copied as JSON text, so that
-- they keep all digits.
DROP INDEX jobs_of_sketch;
UPDATE jobs SET recipes = (
    SELECT json_group_array(
        json_patch(
            value,
            json_object(
                'type', 'Recipe',
                'subseeds', json(
                    iif(
                        value ->> '$.subseed_strength' > 0,
                        json_array(
                            json_array(value -> '$.subseed', value -> '$.subseed_strength')
                        ),
                        NULL
                    )
                ),
                'source', json(
                    iif(
                        value ->> '$.source' IS NULL,
                        NULL,
                        json_object(
                            'type', 'Img2Img',
                            'image', value -> '$.source',
                            'strength', value -> '$.strength'
                        )
                    )
                ),
                'subseed', NULL,
                'subseed_strength', NULL,
                'strength', NULL,
                'adapters', NULL -- always empty
            )
        )
    )
    FROM (SELECT value FROM json_each(recipes) ORDER BY key)
);

-- The input images that the recipes of a job need.
CREATE TABLE job_images (
    job TEXT NOT NULL REFERENCES jobs (id),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (job, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_images_by_digest ON job_images (sha256);
INSERT OR IGNORE INTO job_images
SELECT jobs.id, value ->> '$.source.image' FROM jobs, json_each(recipes)
WHERE value ->> '$.source.image' IS NOT NULL;

-- Of a picture, `recipe` is complete; the columns of its settings are for queries.
CREATE TABLE new_pictures (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER NOT NULL CHECK (nth >= 1), -- in reading order
    recipe TEXT NOT NULL CHECK (json_valid(recipe)),
    model TEXT NOT NULL,
    revision TEXT NOT NULL,
    prompt TEXT NOT NULL,
    negative TEXT NOT NULL,
    seed INTEGER NOT NULL CHECK (seed BETWEEN 0 AND 4294967295),
    subseed INTEGER NOT NULL CHECK (subseed BETWEEN 0 AND 4294967295), -- the last one, or 0
    subseed_strength REAL NOT NULL CHECK (subseed_strength BETWEEN 0 AND 1),
    steps INTEGER NOT NULL CHECK (steps BETWEEN 1 AND 150),
    guidance REAL NOT NULL CHECK (guidance BETWEEN 0 AND 30),
    sampler TEXT NOT NULL,
    width INTEGER NOT NULL CHECK (width > 0),
    height INTEGER NOT NULL CHECK (height > 0),
    strength REAL CHECK (strength > 0 AND strength <= 1),
    row_class INTEGER NOT NULL CHECK (row_class > 0),
    sha256 TEXT CHECK (length(sha256) = 64), -- of the pixels; NULL before there was this digest
    file_sha256 TEXT CHECK (length(file_sha256) = 64), -- of the PNG
    path TEXT, -- relative to the data folder
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)), -- flagged, and not stored
    restricted INTEGER NOT NULL DEFAULT 0 CHECK ( -- flagged, but stored
        restricted = 0 OR (restricted = 1 AND blocked = 0 AND path IS NOT NULL)
    ),
    verdicts TEXT NOT NULL DEFAULT '[]' CHECK ( -- of each checker: its score, and whether it flagged
        json_valid(verdicts) AND (restricted = 0 OR json_array_length(verdicts) > 0)
    ),
    failed TEXT, -- why there is no picture, though its siblings came out
    removed_at REAL, -- by moderators; the file is gone, too
    fingerprint TEXT NOT NULL, -- the software and hardware that painted it
    UNIQUE (job, nth),
    CHECK ((coalesce(sha256, file_sha256) IS NULL) = (failed IS NOT NULL)),
    CHECK ((path IS NULL) = (blocked = 1 OR failed IS NOT NULL))
) STRICT;

INSERT INTO new_pictures (
    id, job, nth, recipe, model, revision, prompt, negative, seed, subseed, subseed_strength,
    steps, guidance, sampler, width, height, strength, row_class, file_sha256, path, blocked,
    restricted, verdicts, failed, removed_at, fingerprint
)
SELECT
    pictures.id, job, nth,
    json_set(recipes -> ('$[' || (nth - 1) || ']'), '$.row_class', row_class),
    model, revision, prompt, negative, seed, subseed, subseed_strength, steps, guidance, sampler,
    width, height, strength, row_class, sha256, path, blocked, restricted, verdicts, failed,
    removed_at, fingerprint
FROM pictures JOIN jobs ON jobs.id = job
ORDER BY pictures.rowid;
DROP TABLE pictures;
ALTER TABLE new_pictures RENAME TO pictures;
