"""The interface of the playground that the page depends on."""

from typing import Protocol

from bot.playground.client.person import Person
from bot.playground.conditions.switches import Conditions
from bot.playground.model.guild import Channel, Guild
from bot.playground.model.interactions import Interactions
from bot.playground.model.messages import Message
from bot.playground.model.state import World


class PlaygroundFacade(Protocol):
    """The attributes of `Playground` that the page uses."""

    world: World
    interactions: Interactions
    conditions: Conditions

    @property
    def online(self) -> bool:
        """Whether a bot is connected."""

    @property
    def presences(self) -> dict[int, str]:
        """What the bot shows of itself, by shard."""

    @property
    def people(self) -> list[Person]:
        """All users, in order of creation."""

    def person(self, name: str, *, moderator: bool = False, admin: bool = False) -> Person:
        """Return the user with this name, created if necessary."""

    def add_foreign_guild(self, name: str) -> Guild:
        """Create a guild that the bot is no member of."""

    def add_private_channel(self, *people: Person) -> Channel:
        """Create a DM of two users, or a group DM of more."""

    def messages(
        self, channel: Channel | None = None, *, to: Person | None = None
    ) -> list[Message]:
        """Return the messages of a channel; `to` adds the ephemeral messages of that user."""
