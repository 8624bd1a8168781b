-- What is deleted at the wish of a person, or because of its age. Of such a job its row stays, as
-- statistics: kind, ending, times, model, sizes, steps. Of its pictures no row stays.
UPDATE jobs SET sketch = NULL WHERE ended_at IS NOT NULL; -- it is needed no more, and it is signed
ALTER TABLE jobs ADD COLUMN erased TEXT CHECK (
    erased IS NULL OR (
        erased IN ('wish', 'age')
        AND ended_at IS NOT NULL
        AND person = 0
        AND request GLOB 'erased:*'
        AND sketch IS NULL
        AND parents = '[]'
        AND reveal = 0
        AND seats IS NULL
        AND json_extract(recipes, '$[0].prompt') = '(deleted)'
        AND json_extract(recipes, '$[0].negative') = ''
        AND json_extract(recipes, '$[0].source') IS NULL
        AND (reason IS NULL OR reason = '(deleted)')
        AND ( -- the place is kept until the ending is shown there
            delivered_at IS NULL OR (
                channel = 0 AND guild IS NULL AND message IS NULL
                AND application IS NULL AND reply_to IS NULL
            )
        )
    )
);

-- Files that go unless somebody needs them: noted before they lose their reason, or have one.
CREATE TABLE removals (
    kind TEXT NOT NULL CHECK (kind IN ('pictures', 'sketch')),
    name TEXT NOT NULL CHECK ( -- a job's id, or a sketch's sha256
        name NOT GLOB '*[^0-9a-z]*' AND length(name) BETWEEN 1 AND 64
    ),
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Deletions that wait until moderators have looked at a report.
CREATE TABLE wishes (
    job TEXT PRIMARY KEY REFERENCES jobs (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_of_sketch ON jobs (json_extract(recipes, '$[0].source'))
WHERE json_extract(recipes, '$[0].source') IS NOT NULL; -- all recipes of a job have the same
CREATE INDEX jobs_aging ON jobs (ended_at) WHERE erased IS NULL AND delivered_at IS NOT NULL;
CREATE INDEX jobs_newly_erased ON jobs (created_at)
WHERE erased IS NOT NULL AND request != 'erased:' || id;
CREATE INDEX posts_of_job ON posts (job);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX reports_by_time ON reports (at);
