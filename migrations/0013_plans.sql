-- A job has a plan, of any number of pictures. What its pictures were made from, its inputs and
-- its files beside the pictures have tables of their own.
CREATE TABLE lineage (
    child TEXT NOT NULL, -- a picture's id; it may not be painted yet
    parent TEXT NOT NULL, -- the id of the picture that it was made from; it may be deleted
    relation TEXT NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id), -- of the child
    nth INTEGER NOT NULL CHECK (nth >= 1), -- of the child
    PRIMARY KEY (child, parent, relation)
) STRICT, WITHOUT ROWID;
CREATE INDEX lineage_by_parent ON lineage (parent);
CREATE INDEX lineage_of_job ON lineage (job);

-- Several parents have one child each; a single one has all of them.
INSERT OR IGNORE INTO lineage (child, parent, relation, job, nth)
SELECT jobs.id || '-' || (recipe.key + 1), parent.value, 'variation', jobs.id, recipe.key + 1
FROM jobs, json_each(recipes) AS recipe, json_each(parents) AS parent
WHERE json_array_length(parents) != json_array_length(recipes) OR parent.key = recipe.key;

CREATE TABLE job_inputs (
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER NOT NULL CHECK (nth >= 1), -- in the order of the request
    role TEXT NOT NULL,
    url TEXT, -- of the attachment; only until it is fetched
    options TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(options)),
    sha256 TEXT CHECK (length(sha256) = 64), -- of the stored file, once it is fetched
    PRIMARY KEY (job, nth),
    CHECK ((url IS NULL) = (sha256 IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX job_inputs_pending ON job_inputs (job) WHERE url IS NOT NULL;

INSERT INTO job_inputs (job, nth, role, url, options)
SELECT
    id, 1, 'sketch', sketch ->> '$.url', json_object('keep_size', json(sketch -> '$.keep_size'))
FROM jobs
WHERE sketch IS NOT NULL AND ended_at IS NULL;
INSERT INTO job_inputs (job, nth, role, sha256)
SELECT job, 1, 'sketch', min(sha256) FROM job_images GROUP BY job;

-- Until the sketch is fetched, recipes name a placeholder as its digest.
UPDATE jobs SET recipes = (
    SELECT json_group_array(
        json_set(
            value, '$.source', json_object(
                'type', 'Img2Img',
                'image', '0000000000000000000000000000000000000000000000000000000000000000',
                'strength', jobs.sketch -> '$.strength'
            )
        )
    )
    FROM (SELECT value FROM json_each(recipes) ORDER BY key)
)
WHERE sketch IS NOT NULL AND ended_at IS NULL;

CREATE TABLE artifacts (
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER NOT NULL CHECK (nth >= 0), -- of the picture; 0 for the whole job
    role TEXT NOT NULL,
    media_type TEXT NOT NULL,
    sha256 TEXT CHECK (length(sha256) = 64), -- of the file
    path TEXT, -- relative to the data folder; NULL if it is withheld
    is_flagged INTEGER NOT NULL DEFAULT 0 CHECK (is_flagged IN (0, 1)),
    removed_at REAL, -- by moderators
    PRIMARY KEY (job, nth, role),
    CHECK ((path IS NULL) = (sha256 IS NULL))
) STRICT, WITHOUT ROWID;

-- SQLite cannot drop a CHECK, so the table is copied; rowids are the order of the jobs.
CREATE TABLE new_jobs (
    id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 24),
    request TEXT NOT NULL UNIQUE, -- the interaction or reaction that asked: a replay is no new job
    kind TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'accepted' CHECK (
        status IN ('accepted', 'queued', 'running', 'done', 'failed', 'cancelled', 'refused')
    ),
    person INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    guild INTEGER,
    message INTEGER UNIQUE, -- that shows the job
    application INTEGER,
    token TEXT, -- the interaction's; kept only until the result is delivered
    reply_to INTEGER,
    recipes TEXT NOT NULL CHECK (json_array_length(recipes) >= 1),
    plan TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(plan)), -- all of it but recipes and edges
    attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    reason TEXT,
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    delivered_at REAL,
    reveal INTEGER NOT NULL DEFAULT 0 CHECK (reveal IN (0, 1)), -- flagged pictures are stored
    seats INTEGER CHECK (seats > 0), -- jobs of the person at the engine; NULL for the default
    erased TEXT CHECK (
        erased IS NULL OR (
            erased IN ('wish', 'age')
            AND ended_at IS NOT NULL
            AND person = 0
            AND request GLOB 'erased:*'
            AND plan = '{}'
            AND reveal = 0
            AND seats IS NULL
            AND coalesce(
                json_extract(recipes, '$[0].prompt'), json_extract(recipes, '$[0].picture.prompt')
            ) = '(deleted)'
            AND coalesce(
                json_extract(recipes, '$[0].negative'),
                json_extract(recipes, '$[0].picture.negative'),
                ''
            ) = ''
            AND json_extract(recipes, '$[0].source') IS NULL
            AND json_extract(recipes, '$[0].picture.source') IS NULL
            AND (reason IS NULL OR reason = '(deleted)')
            AND ( -- the channel stays until the ending is shown there
                delivered_at IS NULL OR (
                    channel = 0 AND guild IS NULL AND message IS NULL
                    AND application IS NULL AND reply_to IS NULL
                )
            )
        )
    ),
    CHECK ((status IN ('done', 'failed', 'cancelled', 'refused')) = (ended_at IS NOT NULL)),
    CHECK ((status IN ('failed', 'refused')) = (reason IS NOT NULL)),
    CHECK (delivered_at IS NULL OR ended_at IS NOT NULL),
    CHECK (delivered_at IS NULL OR token IS NULL)
) STRICT;

INSERT INTO new_jobs (
    rowid,
    id, request, kind, status, person, channel, guild, message, application, token,
    reply_to, recipes, attempt, crashes, reason, created_at, started_at, ended_at, delivered_at,
    reveal, seats, erased
)
SELECT
    rowid,
    id, request, kind, status, person, channel, guild, message, application, token,
    reply_to, recipes, attempt, crashes, reason, created_at, started_at, ended_at, delivered_at,
    reveal, seats, erased
FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

CREATE INDEX jobs_unfinished ON jobs (status, person) WHERE ended_at IS NULL;
CREATE INDEX jobs_undelivered ON jobs (ended_at) WHERE ended_at IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX jobs_served ON jobs (person, started_at);
CREATE INDEX jobs_ended ON jobs (ended_at, status) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_aging ON jobs (ended_at) WHERE erased IS NULL AND delivered_at IS NOT NULL;
CREATE INDEX jobs_newly_erased ON jobs (created_at)
WHERE erased IS NOT NULL AND request != 'erased:' || id;

-- Results may have more than four pictures.
CREATE TABLE new_job_messages (
    message INTEGER PRIMARY KEY,
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER CHECK (nth >= 1) -- NULL for the whole job
) STRICT;
INSERT INTO new_job_messages (message, job, nth) SELECT message, job, nth FROM job_messages;
DROP TABLE job_messages;
ALTER TABLE new_job_messages RENAME TO job_messages;
CREATE INDEX job_messages_of_job ON job_messages (job);

CREATE TABLE new_pending_interactions (
    interaction INTEGER PRIMARY KEY,
    application INTEGER NOT NULL,
    token TEXT NOT NULL, -- the interaction's; the row goes as soon as the picture is shown
    channel INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER NOT NULL CHECK (nth >= 1),
    at REAL NOT NULL
) STRICT;
INSERT INTO new_pending_interactions (interaction, application, token, channel, job, nth, at)
SELECT interaction, application, token, channel, job, nth, at FROM pending_interactions;
DROP TABLE pending_interactions;
ALTER TABLE new_pending_interactions RENAME TO pending_interactions;
CREATE INDEX pending_interactions_by_time ON pending_interactions (at);

CREATE TABLE new_reports (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL REFERENCES cases (job),
    channel INTEGER NOT NULL,
    message INTEGER NOT NULL,
    nth INTEGER CHECK (nth >= 1), -- NULL for the whole job
    reporter INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (length(reason) <= 400), -- '' for a reaction
    at REAL NOT NULL,
    UNIQUE (message, reporter)
) STRICT;
INSERT INTO new_reports (id, job, channel, message, nth, reporter, reason, at)
SELECT id, job, channel, message, nth, reporter, reason, at FROM reports;
DROP TABLE reports;
ALTER TABLE new_reports RENAME TO reports;
CREATE INDEX reports_by_time ON reports (at);
CREATE INDEX reports_of_job ON reports (job);
CREATE INDEX reports_of_person ON reports (reporter, at);
