"""What the page uses of the playground."""

from typing import Protocol

from bot.playground.client.person import Person
from bot.playground.model.guild import Channel
from bot.playground.model.interactions import Interactions
from bot.playground.model.state import Message, World


class Facade(Protocol):
    """The part of `Playground` that the page depends on."""

    world: World
    interactions: Interactions

    @property
    def online(self) -> bool:
        """Whether a bot is connected."""

    @property
    def people(self) -> list[Person]:
        """All users, in the order in which they were created."""

    def person(self, name: str, *, moderator: bool = False, admin: bool = False) -> Person:
        """The user of that name, created if necessary."""

    def messages(
        self, channel: Channel | None = None, *, to: Person | None = None
    ) -> list[Message]:
        """The messages of a channel; `to` adds the ephemeral messages of that user."""
