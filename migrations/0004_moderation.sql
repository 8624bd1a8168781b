-- What moderators decided, what was reported to them, and a log of it all.
ALTER TABLE pictures ADD COLUMN removed_at REAL; -- by moderators; the file is gone, too

CREATE TABLE moderators (
    guild INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL -- that reports are written to
) STRICT;

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

-- One for each job that somebody reported.
CREATE TABLE cases (
    job TEXT PRIMARY KEY REFERENCES jobs (id),
    guild INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'removed', 'dismissed')),
    moderator INTEGER, -- who closed it
    closed_at REAL,
    card_channel INTEGER,
    card INTEGER, -- the message that shows the newest state to the moderators
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK ((closed_at IS NULL) = (moderator IS NULL)),
    CHECK ((card IS NULL) = (card_channel IS NULL))
) STRICT;
CREATE INDEX cases_unseen ON cases (guild) WHERE state = 'open' AND card IS NULL;

CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL REFERENCES cases (job),
    channel INTEGER NOT NULL,
    message INTEGER NOT NULL,
    nth INTEGER CHECK (nth BETWEEN 1 AND 4), -- NULL for the whole job
    reporter INTEGER NOT NULL,
    reason TEXT NOT NULL CHECK (length(reason) <= 400), -- '' for a reaction
    at REAL NOT NULL,
    UNIQUE (message, reporter)
) STRICT;
CREATE INDEX reports_of_job ON reports (job);
CREATE INDEX reports_of_person ON reports (reporter, at);

-- Only added to.
CREATE TABLE audit (
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
CREATE INDEX audit_of_guild ON audit (guild, id);
