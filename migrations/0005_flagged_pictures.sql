-- Pictures that the safety check flagged may be kept for places where they may be shown.
ALTER TABLE jobs ADD COLUMN
    reveal INTEGER NOT NULL DEFAULT 0 CHECK (reveal IN (0, 1)); -- it was asked for in such a place
ALTER TABLE pictures ADD COLUMN
    restricted INTEGER NOT NULL DEFAULT 0 CHECK (
        restricted = 0 OR (restricted = 1 AND blocked = 0 AND path IS NOT NULL)
    ); -- flagged, but kept; what is blocked is flagged, and not kept
ALTER TABLE pictures ADD COLUMN
    verdicts TEXT NOT NULL DEFAULT '[]' CHECK (
        json_valid(verdicts) AND (restricted = 0 OR json_array_length(verdicts) > 0)
    ); -- of each checker: its score, and whether it flagged the picture

-- What becomes of flagged pictures in age-restricted channels; elsewhere they are blocked.
CREATE TABLE nsfw_levels (
    guild INTEGER NOT NULL,
    channel INTEGER NOT NULL CHECK (channel >= 0), -- 0 for all channels that are not named
    level TEXT NOT NULL CHECK (level IN ('block', 'spoiler', 'allow')),
    PRIMARY KEY (guild, channel)
) STRICT, WITHOUT ROWID;
