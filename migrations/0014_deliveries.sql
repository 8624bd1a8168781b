-- One table for all that must arrive on Discord or has arrived: results of jobs, single pictures,
-- direct messages, and the moderators' cards. It replaces pending_interactions, job_messages,
-- direct_messages, and columns of jobs and cases.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('result', 'picture', 'direct', 'superseded', 'card')),
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER CHECK (nth >= 1), -- of a picture; NULL for the whole job
    request TEXT UNIQUE, -- the interaction or reaction that asked; only until it is delivered
    channel INTEGER NOT NULL, -- 0 for direct messages that are not sent yet
    guild INTEGER,
    message INTEGER UNIQUE,
    application INTEGER,
    token TEXT, -- the interaction's; only until it is delivered
    reply_to INTEGER,
    recipient INTEGER, -- of direct messages; only until they are delivered
    created_at REAL NOT NULL,
    delivered_at REAL,
    CHECK (kind != 'picture' OR nth IS NOT NULL),
    CHECK (kind NOT IN ('result', 'superseded', 'card') OR (nth IS NULL AND request IS NULL)),
    CHECK (kind != 'superseded' OR message IS NOT NULL),
    CHECK (recipient IS NULL OR kind = 'direct'),
    CHECK (delivered_at IS NULL OR (token IS NULL AND request IS NULL AND recipient IS NULL))
) STRICT;
CREATE UNIQUE INDEX deliveries_result ON deliveries (job) WHERE kind = 'result';
CREATE UNIQUE INDEX deliveries_card ON deliveries (job) WHERE kind = 'card';
CREATE INDEX deliveries_of_job ON deliveries (job);
CREATE INDEX deliveries_undelivered ON deliveries (created_at) WHERE delivered_at IS NULL;

INSERT INTO deliveries (
    kind, job, channel, guild, message, application, token, reply_to, created_at, delivered_at
)
SELECT
    'result', id, channel, guild, message, application, token, reply_to, created_at, delivered_at
FROM jobs
WHERE erased IS NULL OR delivered_at IS NULL
ORDER BY rowid;

INSERT OR IGNORE INTO deliveries (
    kind, job, nth, channel, guild, message, created_at, delivered_at
)
SELECT
    iif(nth IS NULL, 'superseded', 'picture'), jobs.id, nth, channel, guild,
    job_messages.message, created_at, coalesce(delivered_at, created_at)
FROM job_messages JOIN jobs ON jobs.id = job
WHERE erased IS NULL
ORDER BY job_messages.message;

INSERT INTO deliveries (kind, job, nth, request, channel, application, token, created_at)
SELECT 'picture', job, nth, CAST(interaction AS TEXT), channel, application, token, at
FROM pending_interactions;

INSERT OR IGNORE INTO deliveries (kind, job, channel, message, created_at, delivered_at)
SELECT
    'direct', jobs.id, direct_messages.channel, direct_messages.message, created_at,
    coalesce(delivered_at, created_at)
FROM direct_messages JOIN jobs ON jobs.id = job;

INSERT OR IGNORE INTO deliveries (
    kind, job, channel, guild, message, created_at, delivered_at
)
SELECT 'card', cases.job, card_channel, guild, card, at, at
FROM cases JOIN (SELECT job, min(at) AS at FROM reports GROUP BY job) AS first
ON first.job = cases.job
WHERE card IS NOT NULL;

DROP TABLE pending_interactions;
DROP TABLE job_messages;
DROP TABLE direct_messages;

-- SQLite cannot drop columns that a CHECK names, so the tables are copied; rowids are the order of
-- the jobs.
CREATE TABLE new_jobs (
    id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 24),
    request TEXT NOT NULL UNIQUE, -- the interaction or reaction that asked: a replay is no new job
    kind TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'accepted' CHECK (
        status IN ('accepted', 'queued', 'running', 'done', 'failed', 'cancelled', 'refused')
    ),
    person INTEGER NOT NULL,
    channel INTEGER NOT NULL, -- where it was requested, as is the guild
    guild INTEGER,
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
                delivered_at IS NULL OR (channel = 0 AND guild IS NULL)
            )
        )
    ),
    CHECK ((status IN ('done', 'failed', 'cancelled', 'refused')) = (ended_at IS NOT NULL)),
    CHECK ((status IN ('failed', 'refused')) = (reason IS NOT NULL)),
    CHECK (delivered_at IS NULL OR ended_at IS NOT NULL)
) STRICT;

INSERT INTO new_jobs (
    rowid,
    id, request, kind, status, person, channel, guild, recipes, plan, attempt, crashes, reason,
    created_at, started_at, ended_at, delivered_at, reveal, seats, erased
)
SELECT
    rowid,
    id, request, kind, status, person, channel, guild, recipes, plan, attempt, crashes, reason,
    created_at, started_at, ended_at, delivered_at, reveal, seats, erased
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

CREATE TABLE new_cases (
    job TEXT PRIMARY KEY REFERENCES jobs (id),
    guild INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'removed', 'dismissed')),
    moderator INTEGER, -- who closed it
    closed_at REAL,
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK ((closed_at IS NULL) = (moderator IS NULL))
) STRICT;
INSERT INTO new_cases SELECT job, guild, state, moderator, closed_at FROM cases;
DROP TABLE cases;
ALTER TABLE new_cases RENAME TO cases;
CREATE INDEX cases_open ON cases (job) WHERE state = 'open';
