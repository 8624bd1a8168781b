"""What one viewer of the page sees, streamed to it as it changes."""

import json

from aiohttp import web

from bot.playground.client.person import MENU, Person
from bot.playground.client.resolved_data import TAKES, Entity, ResolvedDataBuilder
from bot.playground.errors import Json
from bot.playground.model.guild import Channel, Guild
from bot.playground.model.state import Message, World
from bot.playground.model.subcommands import invokable_commands
from bot.playground.page.facade import Facade
from bot.playground.rest.serializers.messages import message_json, reactions_json

SHOWN = 100  # messages of a channel that a fresh page gets
KEEPALIVE_SECONDS = 15.0


class PageStream:
    """One open page: a person looking at a channel. Slow pages skip states, never miss the last."""

    def __init__(self, discord: Facade, person: Person, channel: Channel) -> None:
        self.closed = False
        self._discord = discord
        self._person = person
        self._channel = channel
        self._changed: dict[int, Message] = {}
        self._told: Json = {}

    async def run(self, response: web.StreamResponse) -> None:
        """Stream until the page goes away."""
        await self._send(response, "begin", {"messages": self._messages()})
        watchers = self._discord.world.watchers
        watchers.append(self._touched)
        try:
            while not self.closed:
                if not await self._discord.world.changes.until(
                    self._news, seconds=KEEPALIVE_SECONDS
                ):
                    await response.write(b": still here\n\n")
                await self._tell(response)
        finally:
            watchers.remove(self._touched)

    def _news(self) -> bool:
        return self.closed or bool(self._changed) or self._about() != self._told

    async def _tell(self, response: web.StreamResponse) -> None:
        changed, self._changed = self._changed, {}
        for message in changed.values():
            if message.deleted:
                await self._send(response, "gone", {"id": str(message.id)})
            else:
                await self._send(response, "message", self._shown(message))
        about = self._about()
        if about != self._told:
            self._told = about
            await self._send(response, "about", about)

    async def _send(self, response: web.StreamResponse, name: str, data: Json) -> None:
        await response.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def _touched(self, message: Message) -> None:
        mine = message.visible_to in (None, self._person.user)
        if mine and message.channel is self._channel:
            self._changed[message.id] = message

    def _messages(self) -> list[Json]:
        found = self._discord.messages(self._channel, to=self._person)
        return [self._shown(message) for message in found[-SHOWN:]]

    def _about(self) -> Json:
        return {
            "online": self._discord.online,
            "bot": self._discord.world.bot.name,
            "commands": self._commands(),
            "channels": places(self._discord.world, self._person),
            "menu": [command["name"] for command in self._person.offered(self._channel, MENU)],
            "picks": self._picks(),
            "names": names(self._discord.world),
        }

    def _picks(self) -> Json:
        """What can be picked for the options of each type, by name."""
        picker = ResolvedDataBuilder(self._discord.world, self._channel, self._person.user)
        return {str(kind): [_pick(p) for p in picker.offered(kind)] for kind in TAKES}

    def _commands(self) -> list[Json]:
        return [
            {"name": used.name, "description": used.description, "options": used.options}
            for used in invokable_commands(self._person.offered(self._channel))
        ]

    def _shown(self, message: Message) -> Json:
        made = message_json(message, self._discord.world.bot)
        made["name"] = message.author.name
        made["reactions"] = reactions_json(message, self._person.user)
        made["loading"] = message.loading
        made["ephemeral"] = message.ephemeral
        made["mine"] = message.author is self._person.user
        if message.origin and message.origin.command:
            made["used"] = {"name": message.origin.user.name, "command": message.origin.command}
        if message.reference:
            about = message.reference
            made["reply"] = {"name": about.author.name, "content": about.content[:120]}
        return made


def names(world: World) -> dict[str, str]:
    """What a mention shows, by what stands in its brackets."""
    people = {f"@{user.id}": f"@{user.name}" for user in world.users.values()}
    channels = {f"#{channel.id}": f"#{channel.name}" for channel in world.channels.values()}
    roles = {
        f"@&{role.id}": "@" + role.name.lstrip("@")
        for guild in world.guilds.values()
        for role in guild.roles
    }
    return people | channels | roles


def places(world: World, person: Person) -> list[Json]:
    """The channels that a person sees, each followed by its threads; more servers by name."""
    guilds = [guild for guild in world.guilds.values() if person.user in guild.members]
    return [
        _place(channel, guild if len(guilds) > 1 else None)
        for guild in guilds
        for channel in sorted(guild.channels, key=lambda c: (c.root.id, c.id))
    ]


def _place(channel: Channel, guild: Guild | None) -> Json:
    server = guild.name if guild else ""
    thread = channel.parent is not None
    return {"id": str(channel.id), "name": channel.name, "thread": thread, "server": server}


def _pick(picked: Entity) -> Json:
    made: Json = {"name": picked.name}
    return made | {"kind": picked.kind} if isinstance(picked, Channel) else made
