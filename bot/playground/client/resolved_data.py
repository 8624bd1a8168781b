"""Users, channels and roles as option values, and the `resolved` data of interactions."""

import re
from collections.abc import Iterable, Mapping

from bot.playground.client.options import NamedObject, PlainValue, Value
from bot.playground.errors import InvalidOption, Json
from bot.playground.model.attachments import Upload
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.guild import Channel, Guild, Role, User
from bot.playground.model.state import World
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.serializers.guilds import member_json, role_json
from bot.playground.rest.serializers.users import user_json

ENTITY_OPTIONS: dict[int, str] = {
    ApplicationCommandOptionType.USER: "a user",
    ApplicationCommandOptionType.CHANNEL: "a channel of this server",
    ApplicationCommandOptionType.ROLE: "a role of this server",
    ApplicationCommandOptionType.MENTIONABLE: "a user or a role of this server",
}
"""Description of the values by option type."""
MENTION = re.compile(r"<(?:@[!&]?|#)(\d+)>")
NOT_IN_RESOLVED = {"user", "deaf", "mute"}
Entity = User | Channel | Role
EntityValue = str | float | NamedObject
"""An object, id, name or mention."""


class ResolvedDataBuilder:
    """Resolves the values that a user can enter in a channel: objects, ids, names, mentions."""

    def __init__(self, world: World, channel: Channel, user: User) -> None:
        self._world = world
        self._channel = channel
        self._guild = channel.guild
        self._user = user

    def to_plain_values(
        self, options: Iterable[Json], values: Mapping[str, Value], *, checked: bool
    ) -> dict[str, PlainValue]:
        """Return the values with users, channels and roles replaced by their ids.

        Raise InvalidOption if one does not exist, or does not fit its option.
        """
        options_by_name = {option["name"]: option for option in options}
        result: dict[str, PlainValue] = {}
        for name, value in values.items():
            option = options_by_name.get(name)
            if option and option["type"] in ENTITY_OPTIONS and not isinstance(value, Upload):
                result[name] = self._resolve_id(option, value, checked=checked)
            elif isinstance(value, PlainValue):
                result[name] = value
            else:
                raise InvalidOption(f"The option {name} takes no user, channel or role.")
        return result

    def candidates(self, option_type: int) -> list[Entity]:
        """Return everything that the client offers for an option of this type."""
        guild = self._guild
        users = guild.members if guild else [self._user, self._world.bot]
        roles = guild.roles if guild else []
        candidates: dict[int, list[Entity]] = {
            ApplicationCommandOptionType.USER: [*users],
            ApplicationCommandOptionType.CHANNEL: [*guild.channels] if guild else [],
            ApplicationCommandOptionType.ROLE: [*roles],
            ApplicationCommandOptionType.MENTIONABLE: [*users, *roles],
        }
        return candidates[option_type]

    def resolved_data(self, options: Iterable[Json]) -> Json:
        """Return the `resolved` object for filled options."""
        data: dict[str, Json] = {}
        for option in options:
            if option["type"] not in ENTITY_OPTIONS:
                continue
            for entity in self._accepted(option["type"]):
                if str(entity.id) == option["value"]:
                    self._add(data, entity)
                    break
        return data

    def _accepted(self, option_type: int) -> list[Entity]:
        """Return the candidates, and users outside the guild, who can be entered by id."""
        takes_users = option_type in (
            ApplicationCommandOptionType.USER,
            ApplicationCommandOptionType.MENTIONABLE,
        )
        return self.candidates(option_type) + (
            list(self._world.users.values()) if takes_users else []
        )

    def candidate_id(self, option: Json, value: EntityValue, *, subject: str) -> str:
        """Return the id of a candidate; raise InvalidOption, about the `subject`, if it is none."""
        return str(_require(option, self.candidates(option["type"]), value, subject).id)

    def _resolve_id(self, option: Json, value: EntityValue, *, checked: bool) -> str:
        accepted = self._accepted(option["type"])
        if checked:
            return str(_require(option, accepted, value, f"The option {option['name']}").id)
        entity = _find(accepted, value)
        return str(entity.id) if entity else _text(value)

    def _add(self, data: dict[str, Json], entity: Entity) -> None:
        entity_id, guild = str(entity.id), self._guild
        if isinstance(entity, User):
            data.setdefault("users", {})[entity_id] = user_json(entity)
        if guild is None:
            return
        if isinstance(entity, Channel):
            data.setdefault("channels", {})[entity_id] = _channel_json(entity, self._user)
        elif isinstance(entity, Role):
            data.setdefault("roles", {})[entity_id] = role_json(entity, guild)
        elif entity in guild.members:
            data.setdefault("members", {})[entity_id] = _member_json(entity, guild, self._channel)


def _member_json(user: User, guild: Guild, channel: Channel) -> Json:
    member = member_json(user, guild)
    partial = {key: value for key, value in member.items() if key not in NOT_IN_RESOLVED}
    return partial | {"permissions": str(int(channel.permissions_of(user)))}


def _channel_json(channel: Channel, user: User) -> Json:
    partial = channel_json(channel)
    partial.pop("permission_overwrites", None)
    return partial | {
        "permissions": str(int(channel.permissions_of(user))),
        "app_permissions": str(int(channel.bot_permissions)),
    }


def _text(value: EntityValue) -> str:
    """Return the id in a mention, or the text of another value."""
    text = str(value.id if isinstance(value, NamedObject) else value)
    match = MENTION.fullmatch(text)
    return match[1] if match else text


def _find(entities: list[Entity], value: EntityValue) -> Entity | None:
    text = _text(value)
    name = text.strip().removeprefix("@").removeprefix("#").lower()
    for entity in entities:
        if text == str(entity.id) or name == entity.name.lower().removeprefix("@"):
            return entity
    return None


def _require(option: Json, entities: list[Entity], value: EntityValue, subject: str) -> Entity:
    entity = _find(entities, value)
    if entity is None:
        expected = ENTITY_OPTIONS[option["type"]]
        raise InvalidOption(f"{subject} takes {expected}, not “{_text(value)[:40]}”.")
    types = option.get("channel_types")
    if types and isinstance(entity, Channel) and entity.type not in types:
        raise InvalidOption(f"{subject} takes no channel like #{entity.name}.")
    return entity
