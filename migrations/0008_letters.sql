-- Direct messages with pictures of a job, so that moderators who remove them reach these as well.
CREATE TABLE letters (
    message INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id)
) STRICT;
CREATE INDEX letters_of_job ON letters (job);
