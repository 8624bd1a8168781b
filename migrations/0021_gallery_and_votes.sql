-- Posts in a server's gallery, of which each picture has one, and votes for pictures.
CREATE TABLE new_deliveries (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (
        kind IN ('result', 'picture', 'direct', 'superseded', 'card', 'gallery', 'withdrawal')
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
    recipient INTEGER, -- who asked for a direct message or a post; only until it is delivered
    created_at REAL NOT NULL,
    delivered_at REAL,
    CHECK (kind != 'picture' OR nth IS NOT NULL),
    CHECK (kind NOT IN ('result', 'superseded', 'card') OR (nth IS NULL AND request IS NULL)),
    CHECK (kind NOT IN ('superseded', 'withdrawal') OR message IS NOT NULL),
    CHECK (kind != 'gallery' OR guild IS NOT NULL),
    CHECK (recipient IS NULL OR kind IN ('direct', 'gallery')),
    CHECK (delivered_at IS NULL OR (token IS NULL AND request IS NULL AND recipient IS NULL))
) STRICT;
INSERT INTO new_deliveries (
    id, kind, job, nth, request, channel, guild, message, application, token, reply_to, recipient,
    created_at, delivered_at
)
SELECT
    id, kind, job, nth, request, channel, guild, message, application, token, reply_to, recipient,
    created_at, delivered_at
FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE UNIQUE INDEX deliveries_result ON deliveries (job) WHERE kind = 'result';
CREATE UNIQUE INDEX deliveries_card ON deliveries (job) WHERE kind = 'card';
CREATE UNIQUE INDEX deliveries_gallery ON deliveries (job, guild, coalesce(nth, 0))
WHERE kind = 'gallery';
CREATE INDEX deliveries_of_job ON deliveries (job);
CREATE INDEX deliveries_undelivered ON deliveries (created_at) WHERE delivered_at IS NULL;

CREATE TABLE votes (
    message INTEGER NOT NULL, -- that was reacted to
    person INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id), -- that the message shows
    nth INTEGER CHECK (nth >= 1), -- of the picture; NULL for all pictures of the job
    at REAL NOT NULL,
    PRIMARY KEY (message, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX votes_by_time ON votes (at);
CREATE INDEX votes_of_job ON votes (job);
CREATE INDEX votes_of_person ON votes (person);
