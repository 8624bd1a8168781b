-- Pictures whose files are gone are painted again for the user who asks for them, which the table of
-- deliveries knows of all kinds, and not where they are known to get other pixels. SQLite cannot
-- change a CHECK, so the table is copied.
CREATE TABLE new_deliveries (
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
CREATE UNIQUE INDEX deliveries_card ON deliveries (job, guild) WHERE kind = 'card';
CREATE UNIQUE INDEX deliveries_gallery ON deliveries (job, guild, coalesce(nth, 0))
WHERE kind IN ('gallery', 'withdrawal');
CREATE INDEX deliveries_of_job ON deliveries (job);
CREATE INDEX deliveries_undelivered ON deliveries (created_at) WHERE delivered_at IS NULL;

-- As in migration 0018, SQLite puts the column before the comment of `fingerprint`.
ALTER TABLE pictures ADD COLUMN differs_on TEXT
    /* what paints other pixels, like `fingerprint`, to which the next comment belongs */;

-- Migration 0024 has lowered ASCII letters only. `searchable` is the function of the searches.
UPDATE history SET words = searchable(words) WHERE words != searchable(words);
