"""What people pick for an option: other people, channels and roles; and how a bot is told of it."""

import re
from collections.abc import Iterable, Mapping

from bot.playground.client.options import PlainValue, Value
from bot.playground.errors import InvalidOption, Json
from bot.playground.model.attachments import Upload
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.guild import Channel, Guild, Role, User
from bot.playground.model.state import World
from bot.playground.rest.serializers.guilds import member_json, role_json
from bot.playground.rest.serializers.messages import channel_json, user_json

TAKES: dict[int, str] = {
    ApplicationCommandOptionType.USER: "a person",
    ApplicationCommandOptionType.CHANNEL: "a channel of this server",
    ApplicationCommandOptionType.ROLE: "a role of this server",
    ApplicationCommandOptionType.MENTIONABLE: "a person or a role of this server",
}
MENTION = re.compile(r"<(?:@[!&]?|#)(\d+)>")
NOT_IN_RESOLVED = {"user", "deaf", "mute"}
Entity = User | Channel | Role


class ResolvedDataBuilder:
    """Somebody's client in a channel: what can be picked there, by object, id, name or mention."""

    def __init__(self, world: World, channel: Channel, person: User) -> None:
        self._world = world
        self._guild = channel.guild
        self._person = person

    def plain(
        self, options: Iterable[Json], values: Mapping[str, Value], *, checked: bool
    ) -> dict[str, PlainValue]:
        """The same values with the ids of what was picked; raise InvalidOption in words."""
        known = {option["name"]: option for option in options}
        made: dict[str, PlainValue] = {}
        for name, value in values.items():
            option = known.get(name)
            if option and option["type"] in TAKES and not isinstance(value, Upload):
                made[name] = self._id(option, value, checked=checked)
            elif isinstance(value, PlainValue):
                made[name] = value
            else:
                raise InvalidOption(f"The option {name} takes nothing that is picked.")
        return made

    def offered(self, kind: int) -> list[Entity]:
        """All that can be picked for an option of this type."""
        guild = self._guild
        people = guild.members if guild else [self._person, self._world.bot]
        roles = guild.roles if guild else []
        found: dict[int, list[Entity]] = {
            ApplicationCommandOptionType.USER: [*people],
            ApplicationCommandOptionType.CHANNEL: [*guild.channels] if guild else [],
            ApplicationCommandOptionType.ROLE: [*roles],
            ApplicationCommandOptionType.MENTIONABLE: [*people, *roles],
        }
        return found[kind]

    def resolved(self, filled: Iterable[Json]) -> Json:
        """`resolved` of an interaction: what these filled options name, by kind and id."""
        made: dict[str, Json] = {}
        for option in filled:
            if option["type"] not in TAKES:
                continue
            for picked in self._all(option["type"]):
                if str(picked.id) == option["value"]:
                    self._tell(made, picked)
                    break
        return made

    def _all(self, kind: int) -> list[Entity]:
        """Also who is no member: a client can name anybody by their id."""
        everybody = kind in (
            ApplicationCommandOptionType.USER,
            ApplicationCommandOptionType.MENTIONABLE,
        )
        return self.offered(kind) + (list(self._world.users.values()) if everybody else [])

    def _id(self, option: Json, value: Value, *, checked: bool) -> str:
        wanted = str(value if isinstance(value, PlainValue) else value.id)
        if match := MENTION.fullmatch(wanted):
            wanted = match[1]
        name = wanted.strip().removeprefix("@").removeprefix("#").lower()
        for picked in self._all(option["type"]):
            if wanted == str(picked.id) or name == picked.name.lower().removeprefix("@"):
                _check_kind(option, picked, checked=checked)
                return str(picked.id)
        if checked:
            takes = TAKES[option["type"]]
            raise InvalidOption(f"The option {option['name']} takes {takes}, not “{wanted[:40]}”.")
        return wanted

    def _tell(self, made: dict[str, Json], picked: Entity) -> None:
        id, guild = str(picked.id), self._guild
        if isinstance(picked, User):
            made.setdefault("users", {})[id] = user_json(picked)
        if guild is None:
            return
        if isinstance(picked, Channel):
            made.setdefault("channels", {})[id] = _partial(picked, guild, self._person)
        elif isinstance(picked, Role):
            made.setdefault("roles", {})[id] = role_json(picked, guild)
        elif picked in guild.members:
            made.setdefault("members", {})[id] = _member(picked, guild)


def _member(user: User, guild: Guild) -> Json:
    whole = member_json(user, guild)
    partial = {key: value for key, value in whole.items() if key not in NOT_IN_RESOLVED}
    return partial | {"permissions": str(int(guild.permissions(user)))}


def _partial(channel: Channel, guild: Guild, reader: User) -> Json:
    whole = channel_json(channel)
    whole.pop("permission_overwrites", None)
    return whole | {
        "permissions": str(int(guild.permissions(reader))),
        "app_permissions": str(int(channel.root.bot_permissions)),
    }


def _check_kind(option: Json, picked: Entity, *, checked: bool) -> None:
    kinds = option.get("channel_types")
    if checked and kinds and isinstance(picked, Channel) and picked.kind not in kinds:
        raise InvalidOption(f"The option {option['name']} takes no channel like #{picked.name}.")
