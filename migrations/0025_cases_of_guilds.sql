-- A result that another server shows too is reported there too: each server has a case of its own.
CREATE TABLE new_cases (
    job TEXT NOT NULL REFERENCES jobs (id),
    guild INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'removed', 'dismissed')),
    moderator INTEGER, -- who closed it
    closed_at REAL,
    PRIMARY KEY (job, guild),
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK ((closed_at IS NULL) = (moderator IS NULL))
) STRICT;
INSERT INTO new_cases (job, guild, state, moderator, closed_at)
SELECT job, guild, state, moderator, closed_at FROM cases ORDER BY rowid;
CREATE TABLE new_reports (
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
    FOREIGN KEY (job, guild) REFERENCES new_cases (job, guild)
) STRICT;
INSERT INTO new_reports (id, job, guild, channel, message, nth, reporter, reason, at)
SELECT id, reports.job, guild, channel, message, nth, reporter, reason, at
FROM reports JOIN cases ON cases.job = reports.job;
DROP TABLE reports;
DROP TABLE cases;
ALTER TABLE new_cases RENAME TO cases;
ALTER TABLE new_reports RENAME TO reports;
CREATE INDEX cases_open ON cases (job) WHERE state = 'open';
CREATE INDEX reports_by_time ON reports (at);
CREATE INDEX reports_of_job ON reports (job, guild);
CREATE INDEX reports_of_person ON reports (reporter, at);
DROP INDEX deliveries_card;
CREATE UNIQUE INDEX deliveries_card ON deliveries (job, guild) WHERE kind = 'card';

-- A picture whose post was withdrawn from a gallery is not posted there again. Of posts that came
-- back before, the one that is still to be deleted counts, or else the last.
CREATE TEMP TABLE posts AS
SELECT
    id,
    row_number() OVER (
        PARTITION BY job, guild, coalesce(nth, 0)
        ORDER BY kind = 'withdrawal' AND delivered_at IS NULL DESC, id DESC
    ) AS place
FROM deliveries WHERE kind IN ('gallery', 'withdrawal');
DELETE FROM deliveries
WHERE id IN (SELECT id FROM posts WHERE place > 1) AND (kind = 'withdrawal' OR message IS NULL);
UPDATE deliveries SET
    kind = 'superseded',
    nth = NULL,
    request = NULL,
    token = NULL,
    recipient = NULL,
    delivered_at = coalesce(delivered_at, created_at)
WHERE id IN (SELECT id FROM posts WHERE place > 1);
DROP TABLE posts;
DROP INDEX deliveries_gallery;
CREATE UNIQUE INDEX deliveries_gallery ON deliveries (job, guild, coalesce(nth, 0))
WHERE kind IN ('gallery', 'withdrawal');
