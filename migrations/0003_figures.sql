-- What ended in a spell of time is counted without a look at every job there ever was.
CREATE INDEX jobs_ended ON jobs (ended_at, status) WHERE ended_at IS NOT NULL;
