-- The finished jobs of each user in the order of time, with what they are searched by. The table is
-- sorted by user, so that a search reads the rows of one user alone.
CREATE TABLE history (
    person INTEGER NOT NULL,
    created_at REAL NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    models TEXT NOT NULL, -- the name of each, between line feeds
    words TEXT NOT NULL, -- of the prompts, in lower case
    PRIMARY KEY (person, created_at, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX history_of_job ON history (job);

INSERT INTO history (person, created_at, job, models, words)
SELECT
    person, created_at, id,
    char(10) || (
        SELECT group_concat(model, char(10))
        FROM (SELECT DISTINCT model FROM pictures WHERE pictures.job = jobs.id)
    ) || char(10),
    lower(
        coalesce(json_extract(plan, '$.prompt'), '') || char(10) || (
            SELECT group_concat(prompt, char(10))
            FROM (SELECT DISTINCT prompt FROM pictures WHERE pictures.job = jobs.id)
        )
    )
FROM jobs
WHERE status = 'done' AND erased IS NULL
AND EXISTS (SELECT 1 FROM pictures WHERE pictures.job = jobs.id);
