"""A user of the local Discord, with the actions and checks of Discord's client."""

from collections.abc import Mapping

from bot.playground.client import access
from bot.playground.client.message_components import find_button, find_menu, find_option
from bot.playground.client.messenger import Messenger
from bot.playground.client.modals import FieldValue, submit_components
from bot.playground.client.options import FilledOptions, Value, fill_options
from bot.playground.client.resolved_data import ResolvedDataBuilder
from bot.playground.client.selects import SelectValue, resolved_select_data, selected_values
from bot.playground.errors import (
    Json,
    NoSuchButton,
    UnknownCommand,
)
from bot.playground.gateway import changes, departures
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.attachments import Attachment, Upload
from bot.playground.model.enums import ApplicationCommandOptionType, ComponentType
from bot.playground.model.guild import Channel, Guild, Role, User
from bot.playground.model.installations import Owners, command_owners
from bot.playground.model.interactions import Interaction, InteractionType
from bot.playground.model.messages import Message, walk_components
from bot.playground.model.subcommands import InvokableCommand, find_command, invokable_commands
from bot.playground.rest.serializers.messages import attachment_json, message_json

CHAT_INPUT, USER, MESSAGE = 1, 2, 3  # application command types


class Person(Messenger):
    """A user who acts through Discord's client.

    Actions raise NotPermitted if the user cannot view the channel or message.
    """

    def give(self, role: Role) -> None:
        """Add a role to the user."""
        changes.join(self._world, self._guild_of(role), self.user, role)

    def take(self, role: Role) -> None:
        """Remove a role from the user."""
        changes.take_role(self._world, self._guild_of(role), self.user, role)

    def join(self, guild: Guild, *roles: Role) -> None:
        """Join a guild, and get roles of this guild."""
        changes.join(self._world, guild, self.user, *roles)

    def leave(self, guild: Guild) -> None:
        """Leave a guild; to a bot, a kick looks the same."""
        departures.remove_member(self._world, guild, self.user)

    async def slash(
        self, command: str, *, where: Channel | None = None, checked: bool = True, **values: Value
    ) -> Interaction:
        """Invoke a slash command by its full name, with option values as keywords.

        Raise UnknownCommand, or InvalidOption if Discord's client would not send the values. If
        `checked` is false, values are sent without validation.
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
        """Invoke a slash command like `slash`, with option values as a mapping."""
        channel = where or self._state.default_channel
        self._check_can_enter(channel)
        invokable = self._find_command(command, channel)
        builder = ResolvedDataBuilder(self._world, channel, self.user)
        plain_values = builder.to_plain_values(invokable.options, values, checked=checked)
        filled_options = fill_options(invokable, plain_values, checked=checked)
        data = self._command_data(invokable.command) | {
            "options": invokable.nest(filled_options.options)
        }
        resolved = builder.resolved_data(filled_options.options)
        if filled_options.uploads:
            resolved["attachments"] = self._upload(filled_options, channel)
        if resolved:
            data["resolved"] = resolved
        owners = command_owners(invokable.command, channel, self.user)
        return self._interact(InteractionType.APPLICATION_COMMAND, channel, data, owners)

    async def use(self, command: str, message: Message) -> Interaction:
        """Use a message command on a message."""
        self._check_can_see(message)
        target = message_json(message, self._world.bot)
        resolved = {"messages": {str(message.id): target}}
        return self._use_menu(MESSAGE, command, message, message.channel, resolved)

    async def use_on_user(
        self, command: str, person: "Person", *, where: Channel | None = None
    ) -> Interaction:
        """Use a user command on a user, by default in the default channel."""
        channel = where or self._state.default_channel
        self._check_can_enter(channel)
        builder = ResolvedDataBuilder(self._world, channel, self.user)
        option = {"type": ApplicationCommandOptionType.USER, "value": str(person.id)}
        resolved = builder.resolved_data([option])
        return self._use_menu(USER, command, person.user, channel, resolved)

    def _use_menu(
        self, type: int, name: str, target: Message | User, channel: Channel, resolved: Json
    ) -> Interaction:
        commands = {c["name"]: c for c in self.available_commands(channel, type)}
        if name not in commands:
            kind = "user" if type == USER else "message"
            raise UnknownCommand(f"There is no {kind} command called {name} here.")
        data = self._command_data(commands[name]) | {"target_id": str(target.id)}
        data["resolved"] = resolved
        owners = command_owners(commands[name], channel, self.user)
        return self._interact(InteractionType.APPLICATION_COMMAND, channel, data, owners)

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
        """Type into an option with autocompletion; `choices` of the interaction has the result.

        Values of other options are keywords, or are in `others`.
        """
        channel = where or self._state.default_channel
        self._check_can_enter(channel)
        invokable = self._find_command(command, channel)
        builder = ResolvedDataBuilder(self._world, channel, self.user)
        option_values = {**(others or {}), **values}
        plain_values = builder.to_plain_values(invokable.options, option_values, checked=False)
        filled_options = fill_options(invokable, plain_values | {option: text}, checked=False)
        for item in filled_options.options:
            if item["name"] == option:
                item["focused"] = True
        data = self._command_data(invokable.command) | {
            "options": invokable.nest(filled_options.options)
        }
        owners = command_owners(invokable.command, channel, self.user)
        kind = InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE
        return self._interact(kind, channel, data, owners)

    async def click(
        self, message: Message, label: str | None = None, *, custom_id: str | None = None
    ) -> Interaction:
        """Click a button by its label, emoji or custom id, or choose the option of a menu that has
        this label; raise NoSuchButton."""
        self._check_can_see(message)
        option = None if label is None else find_option(message, label)
        if option is not None:
            return await self.choose(message, *option)
        button = find_button(message, label, custom_id)
        data = {
            "custom_id": button["custom_id"],
            "component_type": ComponentType.BUTTON,
            "id": button["id"],
        }
        return self._interact(InteractionType.MESSAGE_COMPONENT, message.channel, data, message)

    async def choose(self, message: Message, custom_id: str, *values: SelectValue) -> Interaction:
        """Choose values of a select menu: texts, or users, channels and roles as in options.

        Raise NoSuchButton if there is no such menu, and InvalidOption for other values.
        """
        self._check_can_see(message)
        menu = find_menu(message, custom_id)
        builder = ResolvedDataBuilder(self._world, message.channel, self.user)
        selection = selected_values(menu, values, builder, subject=f"The menu {custom_id}")
        data = {
            "custom_id": custom_id,
            "component_type": menu["type"],
            "id": menu["id"],
            "values": selection,
        }
        submitted = {"type": menu["type"], "values": selection}
        if resolved := resolved_select_data([submitted], builder):
            data["resolved"] = resolved
        return self._interact(InteractionType.MESSAGE_COMPONENT, message.channel, data, message)

    async def submit(
        self, interaction: Interaction, values: Mapping[str, FieldValue]
    ) -> Interaction:
        """Submit the modal that the bot responded with; `values` are by custom id."""
        if interaction.modal is None or interaction.user is not self.user:
            raise NoSuchButton("There is no form to submit.")
        builder = ResolvedDataBuilder(self._world, interaction.channel, self.user)
        attachments: Json = {}

        def store(upload: Upload) -> str:
            attachment = attachment_json(self._store(upload, interaction.channel))
            attachments[attachment["id"]] = attachment
            return str(attachment["id"])

        components = submit_components(interaction.modal, values, builder, store)
        data = {"custom_id": interaction.modal["custom_id"], "components": components}
        resolved = resolved_select_data(walk_components(components), builder)
        if attachments:
            resolved["attachments"] = attachments
        if resolved:
            data["resolved"] = resolved
        return self._interact(InteractionType.MODAL_SUBMIT, interaction.channel, data, interaction)

    def available_commands(self, channel: Channel, type: int = CHAT_INPUT) -> list[Json]:
        """Return the commands that the user's client shows in a channel."""
        commands: dict[str, Json] = {}
        registered = self._state.commands
        for command in registered.available_in(channel.guild):
            if command["type"] == type and registered.is_available(command, channel, self.user):
                commands.setdefault(command["name"], command)
        return list(commands.values())

    def _guild_of(self, role: Role) -> Guild:
        return next(guild for guild in self._world.guilds.values() if role in guild.roles)

    def _find_command(self, name: str, channel: Channel) -> InvokableCommand:
        return find_command(invokable_commands(self.available_commands(channel)), name)

    def _command_data(self, command: Json) -> Json:
        data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return data

    def _upload(self, filled_options: FilledOptions, channel: Channel) -> Json:
        resolved: Json = {}
        for option in filled_options.options:
            if option["name"] in filled_options.uploads:
                attachment = self._store(filled_options.uploads[option["name"]], channel)
                option["value"] = str(attachment.id)
                resolved[str(attachment.id)] = attachment_json(attachment)
        return resolved

    def _store(self, upload: Upload, channel: Channel) -> Attachment:
        attachment = self._world.cdn.store(
            upload,
            attachment_id=self._world.snowflakes.new(),
            channel_id=channel.id,
            ephemeral=True,
        )
        self._world.add_command_attachment(attachment)
        return attachment

    def _interact(
        self,
        type: InteractionType,
        channel: Channel,
        data: Json,
        source: Message | Interaction | Owners,
    ) -> Interaction:
        self._check_can_enter(channel)
        access.check_not_timed_out(self.user, channel)
        interaction = self._state.interactions.open(type, self.user, channel, data, source)
        if interaction.owners:
            self._world.emit("INTERACTION_CREATE", interaction_json(interaction), channel)
        self._world.changes.notify()
        return interaction
