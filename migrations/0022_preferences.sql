-- What guilds, channels and users prefer: each row is a field of bot.domain.preferences as JSON, at
-- one layer. The settings of guilds that are such preferences move here.
CREATE TABLE preferences (
    layer TEXT NOT NULL CHECK (layer IN ('guild', 'channel', 'user')),
    owner INTEGER NOT NULL, -- the id of the guild, channel or user
    name TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value)), -- null is a choice, too: automatic
    PRIMARY KEY (layer, owner, name)
) STRICT, WITHOUT ROWID;

INSERT INTO preferences
SELECT 'guild', guild, name, value FROM guild_settings
WHERE name IN ('display_scale', 'default_model');

DELETE FROM guild_settings WHERE name IN ('display_scale', 'default_model');
