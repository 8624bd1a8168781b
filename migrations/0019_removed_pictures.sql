-- Finds out whether an upload shows a picture that moderators removed.
CREATE INDEX pictures_removed ON pictures (sha256) WHERE removed_at IS NOT NULL;
