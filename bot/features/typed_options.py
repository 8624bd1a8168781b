"""The options of a command with a prompt: those that the user set, and the flags of the prompt."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import discord
from discord import app_commands

from bot.attachments import sanitize
from bot.context import Interaction
from bot.domain import prompt_flags, rules
from bot.domain.kinds.imagine import ImagineOptions, parse
from bot.domain.picture_size import SUGGESTED
from bot.domain.steering import words


class TypedOptions(NamedTuple):
    """What a user asks for."""

    values: Mapping[str, Any]
    """By option, without attachments; the prompt has no flags and no invisible characters."""
    notes: tuple[str, ...]
    """Sentences for the user."""

    def imagine_options(self) -> ImagineOptions:
        """Those that have a value of `ImagineOptions`. Raises Refused for a value of the wrong
        type."""
        fields = ImagineOptions.__struct_fields__
        return parse(**{name: value for name, value in self.values.items() if name in fields})


def read(
    interaction: Interaction,
    default_prompt: str = "",
    prompt_option: str = "prompt",
    flags: Sequence[str] = (),
) -> TypedOptions:
    """The options of this command. Discord's own clients check ranges and types, others may not.

    `default_prompt` is the prompt if there are no words, and `prompt_option` the one that has them.
    `flags` are those that are no options of the command.
    Raises Refused, with a sentence for the user, for a flag that the command does not have, and for
    an attachment that is too large.
    """
    command = interaction.command
    parameters = command.parameters if isinstance(command, app_commands.Command) else ()
    types = {parameter.display_name: parameter.type for parameter in parameters}
    options: dict[str, Any] = {}
    for name, value in interaction.namespace:
        if isinstance(value, discord.Attachment):
            sanitize.check_size(value.size)
        elif name in types and value is not None:
            is_text = name in (prompt_option, "negative") and isinstance(value, str)
            options[name] = rules.strip_invisible(value) if is_text else value
    prompt = options.pop(prompt_option, "")
    if not isinstance(prompt, str):
        return TypedOptions({**options, "prompt": prompt}, ())
    texts = [name for name, type in types.items() if type is discord.AppCommandOptionType.string]
    flagged = prompt_flags.read(prompt, {*types, *flags}, texts)
    values, notes = prompt_flags.merged(options, flagged)
    return TypedOptions({**values, "prompt": words(flagged.prompt) or default_prompt}, notes)


async def autocomplete_aspect(_: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The aspects that begin with what was typed."""
    start = typed.strip().casefold()
    names = [name for name in SUGGESTED if name.startswith(start)]
    return [app_commands.Choice(name=name, value=name) for name in names]
