-- A message with pictures of several jobs, about which a poll is.
CREATE TABLE ballots (
    message INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id), -- of a picture that it shows
    channel INTEGER NOT NULL,
    PRIMARY KEY (message, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX ballots_of_job ON ballots (job);
