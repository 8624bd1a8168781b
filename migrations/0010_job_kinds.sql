-- The kinds of jobs are in bot/domain/kinds: a new one needs no migration. SQLite cannot drop a
-- CHECK, so the table is copied; rowids are the order of the jobs.
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
    recipes TEXT NOT NULL CHECK (json_array_length(recipes) BETWEEN 1 AND 4),
    parents TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(parents)),
    sketch TEXT CHECK (sketch IS NULL OR json_valid(sketch)), -- only until it is fetched
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
            AND sketch IS NULL
            AND parents = '[]'
            AND reveal = 0
            AND seats IS NULL
            AND json_extract(recipes, '$[0].prompt') = '(deleted)'
            AND json_extract(recipes, '$[0].negative') = ''
            AND json_extract(recipes, '$[0].source') IS NULL
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
    CHECK (delivered_at IS NULL OR token IS NULL),
    CHECK (status IN ('accepted', 'cancelled', 'failed', 'refused') OR sketch IS NULL)
) STRICT;

INSERT INTO new_jobs (
    rowid,
    id, request, kind, status, person, channel, guild, message, application, token,
    reply_to, recipes, parents, sketch, attempt, crashes, reason, created_at, started_at,
    ended_at, delivered_at, reveal, seats, erased
)
SELECT
    rowid,
    id, request, kind, status, person, channel, guild, message, application, token,
    reply_to, recipes, parents, sketch, attempt, crashes, reason, created_at, started_at,
    ended_at, delivered_at, reveal, seats, erased
FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

CREATE INDEX jobs_unfinished ON jobs (status, person) WHERE ended_at IS NULL;
CREATE INDEX jobs_undelivered ON jobs (ended_at) WHERE ended_at IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX jobs_served ON jobs (person, started_at);
CREATE INDEX jobs_ended ON jobs (ended_at, status) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_of_sketch ON jobs (json_extract(recipes, '$[0].source'))
WHERE json_extract(recipes, '$[0].source') IS NOT NULL; -- all recipes of a job have the same
CREATE INDEX jobs_aging ON jobs (ended_at) WHERE erased IS NULL AND delivered_at IS NOT NULL;
CREATE INDEX jobs_newly_erased ON jobs (created_at)
WHERE erased IS NOT NULL AND request != 'erased:' || id;
