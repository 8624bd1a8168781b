-- Tables and their indexes are named after what the code calls the rows. Columns stay as they are.
ALTER TABLE presses RENAME TO pending_interactions;
ALTER TABLE posts RENAME TO job_messages;
ALTER TABLE letters RENAME TO direct_messages;
ALTER TABLE removals RENAME TO file_deletions;
ALTER TABLE wishes RENAME TO erasure_requests;
ALTER TABLE moderators RENAME TO mod_channels;
ALTER TABLE charges RENAME TO usage;
ALTER TABLE audit RENAME TO audit_log;

DROP INDEX presses_by_time;
DROP INDEX posts_of_job;
DROP INDEX letters_of_job;
DROP INDEX charges_of_person;
DROP INDEX charges_by_time;
DROP INDEX charges_of_model;
DROP INDEX audit_of_guild;
DROP INDEX audit_by_time;
CREATE INDEX pending_interactions_by_time ON pending_interactions (at);
CREATE INDEX job_messages_of_job ON job_messages (job);
CREATE INDEX direct_messages_of_job ON direct_messages (job);
CREATE INDEX usage_of_person ON usage (person, at, seconds);
CREATE INDEX usage_by_time ON usage (at);
CREATE INDEX usage_of_model ON usage (revision, at, pixels, work, seconds) WHERE work IS NOT NULL;
CREATE INDEX audit_log_of_guild ON audit_log (guild, id);
CREATE INDEX audit_log_by_time ON audit_log (at);
