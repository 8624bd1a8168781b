-- Made from the migrations by `python -m bot.db.migrations`; not to be edited.

CREATE TABLE "artifacts" (
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER NOT NULL CHECK (nth >= 0), -- of the picture; 0 for the whole job
    role TEXT NOT NULL,
    media_type TEXT NOT NULL,
    sha256 TEXT CHECK (length(sha256) = 64), -- of the file
    path TEXT, -- relative to the data folder; NULL if it is withheld, or failed
    is_flagged INTEGER NOT NULL DEFAULT 0 CHECK (is_flagged IN (0, 1)),
    failed TEXT CHECK (failed IS NULL OR path IS NULL), -- why there is no file
    removed_at REAL, -- by moderators
    PRIMARY KEY (job, nth, role),
    CHECK ((path IS NULL) = (sha256 IS NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE "audit_log" (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    guild INTEGER, -- NULL in direct messages
    channel INTEGER,
    actor INTEGER NOT NULL,
    action TEXT NOT NULL CHECK (
        action IN (
            'refused', 'reported', 'removed', 'dismissed', 'blocked', 'unblocked',
            'word added', 'word removed', 'set'
        )
    ),
    person INTEGER, -- whom it is about, if not the actor
    job TEXT,
    detail TEXT NOT NULL CHECK (length(detail) <= 1000),
    request TEXT UNIQUE -- that was refused: a replay is refused again, and noted once
) STRICT;
CREATE TABLE ballots (
    message INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id), -- of a picture that it shows
    channel INTEGER NOT NULL,
    PRIMARY KEY (message, job)
) STRICT, WITHOUT ROWID;
CREATE TABLE banned_words (
    guild INTEGER NOT NULL,
    word TEXT NOT NULL CHECK (length(word) BETWEEN 1 AND 40),
    PRIMARY KEY (guild, word)
) STRICT;
CREATE TABLE blocks (
    guild INTEGER NOT NULL,
    person INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (length(reason) BETWEEN 1 AND 200), -- the person is told it
    moderator INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (guild, person)
) STRICT;
CREATE TABLE "cases" (
    job TEXT NOT NULL REFERENCES jobs (id),
    guild INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'removed', 'dismissed')),
    moderator INTEGER, -- who closed it
    closed_at REAL,
    PRIMARY KEY (job, guild),
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK ((closed_at IS NULL) = (moderator IS NULL))
) STRICT;
CREATE TABLE "deliveries" (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (
        kind IN (
            'result', 'picture', 'shown', 'direct', 'superseded', 'card', 'gallery', 'withdrawal'
        )
    ),
    job TEXT NOT NULL REFERENCES jobs (id),
    nth INTEGER CHECK (nth >= 1), -- of a picture; NULL for the whole job
    request TEXT UNIQUE, -- the interaction or reaction that asked; only until it is delivered
    channel INTEGER NOT NULL, -- 0 for direct messages that are not sent yet
    guild INTEGER,
    message INTEGER UNIQUE,
    application INTEGER,
    token TEXT, -- the interaction's; only until it is delivered
    reply_to INTEGER,
    recipient INTEGER, -- who asked for it; only until it is delivered
    created_at REAL NOT NULL,
    delivered_at REAL,
    CHECK (kind != 'picture' OR nth IS NOT NULL),
    CHECK (kind NOT IN ('result', 'superseded', 'card') OR (nth IS NULL AND request IS NULL)),
    CHECK (kind != 'shown' OR nth IS NULL),
    CHECK (kind NOT IN ('superseded', 'withdrawal') OR message IS NOT NULL),
    CHECK (kind != 'gallery' OR guild IS NOT NULL),
    CHECK (recipient IS NULL OR kind IN ('picture', 'shown', 'direct', 'gallery')),
    CHECK (delivered_at IS NULL OR (token IS NULL AND request IS NULL AND recipient IS NULL))
) STRICT;
CREATE TABLE "erasure_requests" (
    job TEXT PRIMARY KEY REFERENCES jobs (id)
) STRICT, WITHOUT ROWID;
CREATE TABLE "file_deletions" (
    kind TEXT NOT NULL CHECK (kind IN ('pictures', 'sketch')),
    name TEXT NOT NULL CHECK ( -- a job's id, or a sketch's sha256
        name NOT GLOB '*[^0-9a-z]*' AND length(name) BETWEEN 1 AND 64
    ),
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE guild_settings (
    guild INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value)),
    PRIMARY KEY (guild, name),
    CHECK (name != 'nsfw' OR json_extract(value, '$.guild') IN ('block', 'spoiler', 'allow')),
    CHECK (name != 'role_limits' OR json_type(value) = 'array'),
    CHECK (name != 'mod_channel_id' OR json_type(value) = 'integer')
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
    person INTEGER NOT NULL,
    created_at REAL NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    models TEXT NOT NULL, -- the name of each, between line feeds
    words TEXT NOT NULL, -- of the prompts, in lower case
    PRIMARY KEY (person, created_at, job)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_images (
    job TEXT NOT NULL REFERENCES jobs (id),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (job, sha256)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE "jobs" (
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
CREATE TABLE lineage (
    child TEXT NOT NULL, -- a picture's id; it may not be painted yet
    parent TEXT NOT NULL, -- the id of the picture that it was made from; it may be deleted
    relation TEXT NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id), -- of the child
    nth INTEGER NOT NULL CHECK (nth >= 1), -- of the child
    PRIMARY KEY (child, parent, relation)
) STRICT, WITHOUT ROWID;
CREATE TABLE "pictures" (
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
    fingerprint TEXT NOT NULL, omission TEXT CHECK (omission IS NULL OR json_valid(omission))
    /* words that the model did not read, as JSON; the next comment is on `fingerprint` */, differs_on TEXT
    /* what paints other pixels, like `fingerprint`, to which the next comment belongs */, -- the software and hardware that painted it
    UNIQUE (job, nth),
    CHECK ((coalesce(sha256, file_sha256) IS NULL) = (failed IS NOT NULL)),
    CHECK ((path IS NULL) = (blocked = 1 OR failed IS NOT NULL))
) STRICT;
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
CREATE TABLE preferences (
    layer TEXT NOT NULL CHECK (layer IN ('guild', 'channel', 'user')),
    owner INTEGER NOT NULL, -- the id of the guild, channel or user
    name TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value)), -- null is a choice, too: automatic
    PRIMARY KEY (layer, owner, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE presets (
    guild INTEGER NOT NULL,
    kind TEXT NOT NULL, -- style or wildcard
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 30),
    value TEXT CHECK (value IS NULL OR json_valid(value)), -- NULL: a built-in one that is removed
    PRIMARY KEY (guild, kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE "reports" (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    guild INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    message INTEGER NOT NULL,
    nth INTEGER CHECK (nth >= 1), -- NULL for the whole job
    reporter INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (length(reason) <= 400), -- '' for a reaction
    at REAL NOT NULL,
    UNIQUE (message, reporter),
    FOREIGN KEY (job, guild) REFERENCES "cases" (job, guild)
) STRICT;
CREATE TABLE "usage" (
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
CREATE TABLE votes (
    message INTEGER NOT NULL, -- that was reacted to
    person INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id), -- that the message shows
    nth INTEGER CHECK (nth >= 1), -- of the picture; NULL for all pictures of the job
    at REAL NOT NULL,
    PRIMARY KEY (message, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_log_by_time ON audit_log (at);
CREATE INDEX audit_log_of_guild ON audit_log (guild, id);
CREATE INDEX ballots_of_job ON ballots (job);
CREATE INDEX cases_open ON cases (job) WHERE state = 'open';
CREATE UNIQUE INDEX deliveries_card ON deliveries (job, guild) WHERE kind = 'card';
CREATE UNIQUE INDEX deliveries_gallery ON deliveries (job, guild, coalesce(nth, 0))
WHERE kind IN ('gallery', 'withdrawal');
CREATE INDEX deliveries_of_job ON deliveries (job);
CREATE UNIQUE INDEX deliveries_result ON deliveries (job) WHERE kind = 'result';
CREATE INDEX deliveries_undelivered ON deliveries (created_at) WHERE delivered_at IS NULL;
CREATE INDEX history_of_job ON history (job);
CREATE INDEX job_images_by_digest ON job_images (sha256);
CREATE INDEX job_inputs_pending ON job_inputs (job) WHERE url IS NOT NULL;
CREATE INDEX jobs_aging ON jobs (ended_at) WHERE erased IS NULL AND delivered_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (ended_at, status) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_newly_erased ON jobs (created_at)
WHERE erased IS NOT NULL AND request != 'erased:' || id;
CREATE INDEX jobs_served ON jobs (person, started_at);
CREATE INDEX jobs_undelivered ON jobs (ended_at) WHERE ended_at IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX jobs_unfinished ON jobs (status, person) WHERE ended_at IS NULL;
CREATE INDEX lineage_by_parent ON lineage (parent);
CREATE INDEX lineage_of_job ON lineage (job);
CREATE INDEX pictures_by_pixels ON pictures (sha256);
CREATE INDEX pictures_by_seed ON pictures (seed);
CREATE INDEX polls_of_person ON polls (person);
CREATE INDEX reports_by_time ON reports (at);
CREATE INDEX reports_of_job ON reports (job, guild);
CREATE INDEX reports_of_person ON reports (reporter, at);
CREATE INDEX usage_by_time ON usage (at);
CREATE INDEX usage_of_model ON usage (revision, at, pixels, work, seconds) WHERE work IS NOT NULL;
CREATE INDEX usage_of_person ON usage (person, at, seconds);
CREATE INDEX votes_by_time ON votes (at);
CREATE INDEX votes_of_job ON votes (job);
CREATE INDEX votes_of_person ON votes (person);
