"""People who use the local Discord: what their clients let them do, and refuse."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.playground.client.modals import Answer, submitted
from bot.playground.client.options import FilledOptions, Value, fill
from bot.playground.client.resolved_data import ResolvedDataBuilder
from bot.playground.errors import Json, NoSuchButton, NotPermitted, UnknownCommand
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.attachments import Upload
from bot.playground.model.guild import Channel, Guild, Role, User
from bot.playground.model.interactions import About, Interaction, Interactions, InteractionType
from bot.playground.model.permissions import EVERYONE, Permission
from bot.playground.model.state import Message, World, button_label, walk_components
from bot.playground.model.subcommands import InvokableCommand, find, invokable_commands
from bot.playground.rest import message_writer
from bot.playground.rest.commands import Commands, is_available
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.reactions import add_reaction, drop_reaction
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.messages import attachment_json

SLASH, MENU = 1, 3  # command types: typed, and of a message's Apps menu
BUTTON = 2
LINK = 5


@dataclass(frozen=True)
class ClientState:
    """What a person's client works with."""

    world: World
    interactions: Interactions
    commands: Commands
    default_channel: Channel


class Person:
    """A member of the guild, acting as through Discord's own client."""

    def __init__(self, user: User, desk: ClientState) -> None:
        self.user = user
        self._desk = desk
        self._world = desk.world

    @property
    def id(self) -> int:
        """The person's user id."""
        return self.user.id

    @property
    def name(self) -> str:
        """The person's name."""
        return self.user.name

    @property
    def dm(self) -> Channel:
        """Their direct messages with the bot."""
        return self._world.dm_with(self.user)

    def give(self, role: Role) -> None:
        """Get a role."""
        self._guild_of(role).join(self.user, role)

    def take(self, role: Role) -> None:
        """Lose a role."""
        self._guild_of(role).take(self.user, role)

    def join(self, guild: Guild, *roles: Role) -> None:
        """Become a member of another server, with roles of it."""
        guild.join(self.user, *roles)

    async def slash(
        self, command: str, *, where: Channel | None = None, checked: bool = True, **values: Value
    ) -> Interaction:
        """Use a command by all its words; raise InvalidOption when the client would not send it.

        Unchecked, the values go to the bot as they are.
        """
        return await self.invoke(command, values, where=where, checked=checked)

    async def invoke(
        self,
        command: str,
        values: Mapping[str, Value],
        *,
        where: Channel | None = None,
        checked: bool = True,
    ) -> Interaction:
        """Use a command, as `slash` does; its options may have any names."""
        channel = where or self._desk.default_channel
        self._check_enters(channel)
        used = self._usable(command, channel)
        picker = ResolvedDataBuilder(self._world, channel, self.user)
        plain = picker.plain(used.options, values, checked=checked)
        filled = fill(used, plain, checked=checked)
        data = self._command_data(used.command) | {"options": used.nested(filled.options)}
        resolved = picker.resolved(filled.options)
        if filled.uploads:
            resolved["attachments"] = self._upload(filled, channel)
        if resolved:
            data["resolved"] = resolved
        return self._ask(InteractionType.APPLICATION_COMMAND, channel, data)

    async def use(self, command: str, message: Message) -> Interaction:
        """Use a command of a message's Apps menu."""
        self._check_visible(message)
        offered = {c["name"]: c for c in self.offered(message.channel, MENU)}
        if command not in offered:
            raise UnknownCommand(f"There is no message command called {command} here.")
        registered = offered[command]
        shown = message_writer.event_json(self._world, message)
        data = self._command_data(registered) | {"target_id": str(message.id)}
        data["resolved"] = {"messages": {str(message.id): shown}}
        return self._ask(InteractionType.APPLICATION_COMMAND, message.channel, data)

    async def complete(
        self,
        command: str,
        option: str,
        text: str,
        *,
        where: Channel | None = None,
        others: Mapping[str, Value] | None = None,
        **values: Value,
    ) -> Interaction:
        """Type into an option with autocompletion; look at the interaction's `choices`.

        The other options that are filled in already come by name or in `others`.
        """
        channel = where or self._desk.default_channel
        self._check_enters(channel)
        used = self._usable(command, channel)
        picker = ResolvedDataBuilder(self._world, channel, self.user)
        plain = picker.plain(used.options, {**(others or {}), **values}, checked=False)
        filled = fill(used, plain | {option: text}, checked=False)
        for item in filled.options:
            if item["name"] == option:
                item["focused"] = True
        data = self._command_data(used.command) | {"options": used.nested(filled.options)}
        return self._ask(InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE, channel, data)

    async def click(
        self, message: Message, label: str | None = None, *, custom_id: str | None = None
    ) -> Interaction:
        """Press a button, found by what stands on it or by its custom id."""
        self._check_visible(message)
        button = _button(message, label, custom_id)
        data = {"custom_id": button["custom_id"], "component_type": BUTTON, "id": button["id"]}
        return self._ask(InteractionType.MESSAGE_COMPONENT, message.channel, data, message)

    async def choose(self, message: Message, custom_id: str, *values: str) -> Interaction:
        """Choose from a select menu."""
        self._check_visible(message)
        for part in walk_components(message.components):
            if part.get("custom_id") == custom_id and not part.get("disabled"):
                data = {
                    "custom_id": custom_id,
                    "component_type": part["type"],
                    "id": part["id"],
                    "values": list(values),
                }
                return self._ask(InteractionType.MESSAGE_COMPONENT, message.channel, data, message)
        raise NoSuchButton(f"The message has no menu with the id {custom_id}.")

    async def submit(self, asked: Interaction, values: Mapping[str, Answer]) -> Interaction:
        """Fill in and send the form that an interaction was answered with, by custom ids."""
        if asked.modal is None or asked.user is not self.user:
            raise NoSuchButton("There is no form to fill in.")
        rows = submitted(asked.modal, values)
        data = {"custom_id": asked.modal["custom_id"], "components": rows}
        return self._ask(InteractionType.MODAL_SUBMIT, asked.channel, data, asked)

    async def react(self, message: Message, emoji: str) -> None:
        """Add a reaction."""
        self._check_visible(message)
        if message.ephemeral:
            raise NotPermitted("Nobody can react to a message that only one person sees.")
        add_reaction(self._world, message, emoji, self.user)

    async def unreact(self, message: Message, emoji: str) -> None:
        """Take a reaction back."""
        drop_reaction(self._world, message, emoji, self.user)

    async def say(self, text: str, *uploads: Upload, where: Channel | None = None) -> Message:
        """Write an ordinary message."""
        self._check_enters(where or self._desk.default_channel)
        body = RequestBody({"content": text}, files=dict(enumerate(uploads)))
        return message_writer.create(
            self._world, body, MessageTarget(where or self._desk.default_channel, self.user)
        )

    async def delete(self, message: Message) -> None:
        """Delete one's own message; moderators, anyone's. Ephemeral ones are dismissed."""
        self._check_visible(message)
        own = message.author is self.user or message.visible_to is self.user
        if not own and Permission.MANAGE_MESSAGES not in self.permissions(message.channel):
            raise NotPermitted("Only its author and moderators may delete a message.")
        message_writer.delete(self._world, message)

    def offered(self, channel: Channel, kind: int = SLASH) -> list[Json]:
        """The commands that this person's client offers in a channel."""
        found: dict[str, Json] = {}
        permissions = self.permissions(channel)
        for command in self._desk.commands.available_in(channel.guild):
            if command["type"] == kind and is_available(command, channel, permissions):
                found.setdefault(command["name"], command)
        return list(found.values())

    def permissions(self, channel: Channel) -> Permission:
        """What this person may do in a channel."""
        return channel.guild.permissions(self.user) if channel.guild else EVERYONE

    def enters(self, channel: Channel) -> bool:
        """Whether this person can look into a channel."""
        if channel.guild:
            return self.user in channel.guild.members
        return channel.recipient is self.user

    def sees(self, message: Message) -> bool:
        """Whether this person can see a message."""
        return (
            self.enters(message.channel)
            and not message.deleted
            and message.visible_to in (None, self.user)
        )

    def _guild_of(self, role: Role) -> Guild:
        return next(guild for guild in self._world.guilds.values() if role in guild.roles)

    def _check_enters(self, channel: Channel) -> None:
        if not self.enters(channel):
            raise NotPermitted(f"{self.name} cannot enter #{channel.name}.")

    def _check_visible(self, message: Message) -> None:
        if not self.sees(message):
            raise NotPermitted(f"{self.name} does not see that message.")

    def _usable(self, words: str, channel: Channel) -> InvokableCommand:
        return find(invokable_commands(self.offered(channel)), words)

    def _command_data(self, command: Json) -> Json:
        data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return data

    def _upload(self, filled: FilledOptions, channel: Channel) -> Json:
        resolved: Json = {}
        for option in filled.options:
            if option["name"] in filled.uploads:
                stored = self._world.cdn.store(
                    filled.uploads[option["name"]],
                    id=self._world.snowflakes.new(),
                    channel_id=channel.id,
                    ephemeral=True,
                )
                self._world.add_command_attachment(stored)
                option["value"] = str(stored.id)
                resolved[str(stored.id)] = attachment_json(stored)
        return resolved

    def _ask(
        self, kind: InteractionType, channel: Channel, data: Json, about: About = None
    ) -> Interaction:
        self._check_enters(channel)
        interaction = self._desk.interactions.open(kind, self.user, channel, data, about)
        self._world.emit("INTERACTION_CREATE", interaction_json(interaction), channel)
        self._world.changes.notify()
        return interaction


def _button(message: Message, label: str | None, custom_id: str | None) -> Json:
    for part in walk_components(message.components):
        if part["type"] != BUTTON or part.get("style") == LINK:
            continue
        emoji = (part.get("emoji") or {}).get("name")
        named = label is not None and label in (button_label(part), part.get("label"), emoji)
        if named or (custom_id is not None and part["custom_id"] == custom_id):
            if part.get("disabled"):
                raise NoSuchButton(f"The button {label or custom_id} is disabled.")
            return part
    there = ", ".join(message.buttons) or "none"
    raise NoSuchButton(f"There is no button {label or custom_id}; the buttons are: {there}.")
