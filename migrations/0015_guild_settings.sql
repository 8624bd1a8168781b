-- One table for the settings of guilds: each row is a field of bot.domain.guild_settings as JSON,
-- so that a new setting needs no migration.
CREATE TABLE guild_settings (
    guild INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value)),
    PRIMARY KEY (guild, name),
    CHECK (name != 'nsfw' OR json_extract(value, '$.guild') IN ('block', 'spoiler', 'allow')),
    CHECK (name != 'role_limits' OR json_type(value) = 'array'),
    CHECK (name != 'mod_channel_id' OR json_type(value) = 'integer')
) STRICT, WITHOUT ROWID;

INSERT INTO guild_settings
SELECT
    guild, 'nsfw', json_object(
        'guild', coalesce(max(iif(channel = 0, level, NULL)), 'block'),
        'channels', json(json_group_object(CAST(channel AS TEXT), level) FILTER (WHERE channel > 0))
    )
FROM nsfw_levels
GROUP BY guild;

INSERT INTO guild_settings
SELECT
    guild, 'role_limits', json_group_array(
        json_object(
            'role_id', role, 'max_unfinished', waiting, 'max_running', running,
            'daily_seconds', daily
        )
    )
FROM (SELECT * FROM role_limits ORDER BY guild, role)
GROUP BY guild;

INSERT INTO guild_settings SELECT guild, 'mod_channel_id', CAST(channel AS TEXT) FROM mod_channels;

DROP TABLE nsfw_levels;
DROP TABLE role_limits;
DROP TABLE mod_channels;
