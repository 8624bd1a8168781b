-- Files that belong to a picture may fail, though their picture came out.
CREATE TABLE new_artifacts (
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
INSERT INTO new_artifacts (job, nth, role, media_type, sha256, path, is_flagged, removed_at)
SELECT job, nth, role, media_type, sha256, path, is_flagged, removed_at FROM artifacts;
DROP TABLE artifacts;
ALTER TABLE new_artifacts RENAME TO artifacts;
