"""Server-sent events with what a user sees in a channel."""

import json

from aiohttp import web

from bot.playground.client.person import MESSAGE, Person
from bot.playground.client.resolved_data import ENTITY_OPTIONS, Entity, ResolvedDataBuilder
from bot.playground.errors import Json
from bot.playground.model.guild import Channel, Guild, User
from bot.playground.model.messages import Message, MessageType
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.model.subcommands import invokable_commands, localized_description
from bot.playground.page.facade import PlaygroundFacade
from bot.playground.rest.serializers.messages import message_json, reactions_json, snapshot_json

MESSAGES_LIMIT = 100  # messages of a channel that a new stream starts with
KEEPALIVE_SECONDS = 15.0
_CHAT: Json = {"server": "Chats without the bot", "chat": True}


class PageStream:
    """The event stream of a page that shows a channel as one user.

    Slow pages may miss intermediate states of a message, but never the last one.
    """

    def __init__(self, playground: PlaygroundFacade, person: Person, channel: Channel) -> None:
        self.closed = False
        self._playground = playground
        self._person = person
        self._channel = channel
        self._pending_messages: dict[int, Message] = {}
        self._sent_overview: Json = {}

    async def run(self, response: web.StreamResponse) -> None:
        """Send events until the page disconnects or `closed` is set."""
        await self._send(response, "reset", {"messages": self._messages()})
        watchers = self._playground.world.watchers
        watchers.append(self._on_change)
        try:
            while not self.closed:
                if not await self._playground.world.changes.until(
                    self._has_updates, seconds=KEEPALIVE_SECONDS
                ):
                    await response.write(b": keepalive\n\n")
                await self._send_updates(response)
        finally:
            watchers.remove(self._on_change)

    def _has_updates(self) -> bool:
        return (
            self.closed or bool(self._pending_messages) or self._overview() != self._sent_overview
        )

    async def _send_updates(self, response: web.StreamResponse) -> None:
        messages, self._pending_messages = self._pending_messages, {}
        for message in messages.values():
            if message.deleted:
                await self._send(response, "delete", {"id": str(message.id)})
            else:
                await self._send(response, "message", self._message_json(message))
        overview = self._overview()
        if overview != self._sent_overview:
            self._sent_overview = overview
            await self._send(response, "overview", overview)

    async def _send(self, response: web.StreamResponse, name: str, data: Json) -> None:
        await response.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def _on_change(self, message: Message) -> None:
        is_visible = message.visible_to in (None, self._person.user)
        if is_visible and message.channel is self._channel:
            self._pending_messages[message.id] = message

    def _messages(self) -> list[Json]:
        messages = self._playground.messages(self._channel, to=self._person)
        return [self._message_json(message) for message in messages[-MESSAGES_LIMIT:]]

    def _overview(self) -> Json:
        world = self._playground.world
        message_commands = self._person.available_commands(self._channel, MESSAGE)
        return {
            "online": self._playground.online,
            "bot": world.bot.name,
            "locale": self._person.user.locale,
            "presence": next(iter(self._playground.presences.values()), ""),
            "commands": self._slash_commands(),
            "channels": channel_list(world, self._person),
            "message_commands": [command["name"] for command in message_commands],
            "moderates": self._channel.allows(self._person.user, Permission.MANAGE_MESSAGES),
            "candidates": self._candidates(),
            "conditions": [condition.key for condition in self._playground.conditions.active],
            "names": mention_names(world),
        }

    def _candidates(self) -> Json:
        """Return the users, channels and roles that each option type offers, by option type."""
        builder = ResolvedDataBuilder(self._playground.world, self._channel, self._person.user)
        return {
            str(option_type): [_entity_json(e) for e in builder.candidates(option_type)]
            for option_type in ENTITY_OPTIONS
        }

    def _slash_commands(self) -> list[Json]:
        """Return the commands, described in the language of the user's client."""
        locale = self._person.user.locale
        return [
            {
                "name": command.name,
                "description": command.description(locale),
                "options": [
                    option | {"description": localized_description(option, locale)}
                    for option in command.options
                ],
            }
            for command in invokable_commands(self._person.available_commands(self._channel))
        ]

    def _message_json(self, message: Message) -> Json:
        result = message_json(message, self._playground.world.bot)
        result["name"] = message.author.name
        result["reactions"] = reactions_json(message, self._person.user)
        result["loading"] = message.loading
        result["ephemeral"] = message.ephemeral
        result["announces_pin"] = message.type is MessageType.CHANNEL_PINNED_MESSAGE
        metadata = message.interaction_metadata
        if metadata and metadata.command:
            is_in_menu = metadata.target_user or metadata.target_message_id
            command = metadata.command if is_in_menu else f"/{metadata.command}"
            result["invocation"] = {"name": metadata.user.name, "command": command}
        if message.poll:
            result["poll"]["mine"] = message.poll.answers_of(self._person.user)
        if message.snapshot:
            result |= _forwarded_json(message.snapshot, self._playground.world.bot)
        if message.reference and message.type is MessageType.REPLY:
            replied_to = message.reference
            result["reply"] = {
                "name": replied_to.author.name,
                "content": replied_to.content,
                "deleted": replied_to.deleted,
            }
        return result


def _forwarded_json(snapshot: Message, bot: User) -> Json:
    """Return what the page shows of a forwarded message: its content, without components."""
    copy = snapshot_json(snapshot, bot)["message"]
    return {"forwarded": True} | {name: copy[name] for name in ("content", "embeds", "attachments")}


def mention_names(world: World) -> dict[str, str]:
    """Return the text of each mention by what is between its angle brackets."""
    users = {f"@{user.id}": f"@{user.name}" for user in world.users.values()}
    channels = {f"#{channel.id}": f"#{channel.name}" for channel in world.channels.values()}
    roles = {
        f"@&{role.id}": "@" + role.name.lstrip("@")
        for guild in world.guilds.values()
        for role in guild.roles
    }
    return users | channels | roles


def channel_list(world: World, person: Person) -> list[Json]:
    """Return the channels that the user can enter, each followed by its threads, and the chats with
    other users.

    Guild names are included if there are several guilds.
    """
    with_channels = (c.guild for c in world.channels.values() if c.guild is not None)
    every_guild = dict.fromkeys((*world.guilds.values(), *with_channels))
    guilds = [guild for guild in every_guild if person.user in guild.members]
    in_guilds = [
        _channel_json(channel, guild if len(guilds) > 1 else None)
        for guild in guilds
        for channel in sorted(guild.channels, key=lambda c: (c.root.id, c.id))
        if person.can_enter(channel)
    ]
    chats = [channel for channel in world.channels.values() if person.user in channel.people]
    return in_guilds + [_channel_json(channel, None) | _CHAT for channel in chats]


def _channel_json(channel: Channel, guild: Guild | None) -> Json:
    return {
        "id": str(channel.id),
        "name": channel.name,
        "thread": channel.parent is not None,
        "server": guild.name if guild else "",
        "chat": False,
    }


def _entity_json(entity: Entity) -> Json:
    result: Json = {"id": str(entity.id), "name": entity.name}
    return result | {"kind": entity.type} if isinstance(entity, Channel) else result
