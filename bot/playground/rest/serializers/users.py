"""Users as JSON of API version 10."""

from bot.playground.errors import Json
from bot.playground.model.guild import (
    User,
)


def user_json(user: User) -> Json:
    return {
        "id": str(user.id),
        "username": user.name if user.is_webhook else user.name.lower().replace(" ", "_"),
        "global_name": None if user.bot else user.name,
        "discriminator": "0000" if user.bot else "0",
        "avatar": None,
        "bot": user.bot,
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
    }
