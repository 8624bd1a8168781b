-- The enlarged versions of pictures are made by the bot's order after their jobs and can be made
-- again, so only their files are stored, and their scale is no longer the engine's.
DELETE FROM artifacts WHERE role = 'display';

UPDATE jobs
SET plan = json_set(
    json_remove(plan, '$.capture.display_scale'),
    '$.display_scale', json_extract(plan, '$.capture.display_scale')
)
WHERE json_extract(plan, '$.capture.display_scale') IS NOT NULL;
