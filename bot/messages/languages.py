"""Which language a message is in: that of its reader, or of the place where all can read it.

A user or a place may have a language as a setting. Otherwise it is Discord's locale of the user, or
that of the server, which is English unless the server is a Community.
"""

from collections import OrderedDict
from typing import Any, Final

import discord

from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.job import Job, ResponseTarget
from bot.i18n import ENGLISH, language_of
from bot.services.preferences import PreferenceService

_MAX_LOCALES: Final = 10_000


class Languages:
    """Locales come with interactions; those of the last ones are kept in memory."""

    def __init__(self, client: discord.Client, preferences: PreferenceService) -> None:
        self._client = client
        self._preferences = preferences
        self._locales: OrderedDict[int, str] = OrderedDict()
        """By the ids of users, and of guilds in which the bot is no member."""

    def of_interaction(self, interaction: discord.Interaction[Any]) -> str:
        """The language of the user, whose locale is kept for messages to come."""
        self._remember(interaction.user.id, interaction.locale)
        if interaction.guild_id is not None and interaction.guild_locale is not None:
            self._remember(interaction.guild_id, interaction.guild_locale)
        return self.of_user(interaction.user.id)

    def _remember(self, id: int, locale: discord.Locale) -> None:
        self._locales[id] = str(locale)
        self._locales.move_to_end(id)
        if len(self._locales) > _MAX_LOCALES:
            self._locales.popitem(last=False)

    def of_user(self, user_id: int, default: str = ENGLISH) -> str:
        """The language of a user; `default` if nothing is known of them."""
        language = self._preferences.of(None, None, user_id).language
        if language is not None:
            return language
        locale = self._locales.get(user_id)
        return default if locale is None else language_of(locale)

    def of_place(self, guild_id: int | None, channel_id: int | None) -> str:
        """The language of what all members of a channel or thread can read."""
        channel = None if channel_id is None else self._client.get_channel(channel_id)
        if isinstance(channel, discord.Thread):
            channel_id = channel.parent_id
        language = self._preferences.of(guild_id, channel_id, None).language
        if language is not None:
            return language
        guild = None if guild_id is None else self._client.get_guild(guild_id)
        if guild is not None:
            return language_of(str(guild.preferred_locale))
        return language_of(self._locales.get(guild_id or 0))

    def in_place(self, user_id: int, guild_id: int | None, channel_id: int | None) -> str:
        """The language of a reply to a user, which all can read unless it is a direct message."""
        place = self.of_place(guild_id, channel_id)
        return self.of_user(user_id, place) if guild_id is None else place

    def of_job(self, job: Job) -> str:
        """The language of the message of a job."""
        if job.plan.is_private:
            return self.of_user(job.user_id, self._of_target(job.target))
        return self.in_place(job.user_id, job.target.guild_id, job.target.channel_id)

    def of_delivery(self, delivery: Delivery) -> str:
        """The language of a message; English for a job's, whose language is `of_job`."""
        if delivery.kind is DeliveryKind.RESULT:
            return ENGLISH
        if delivery.kind is DeliveryKind.DIRECT and delivery.recipient_id is not None:
            return self.of_user(delivery.recipient_id)
        return self._of_target(delivery.target)

    def _of_target(self, target: ResponseTarget) -> str:
        return self.of_place(target.guild_id, target.channel_id)
