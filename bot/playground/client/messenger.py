"""What a user of the local Discord does with messages."""

from collections.abc import Collection
from dataclasses import dataclass

from bot.playground.client import access
from bot.playground.errors import InvalidOption, NotPermitted
from bot.playground.model.attachments import Upload
from bot.playground.model.forum import ForumTag
from bot.playground.model.guild import POSTS_ONLY, Channel, User
from bot.playground.model.interactions import Interactions
from bot.playground.model.messages import Message, MessageType
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest import forwards, message_writer, pins, polls, posts
from bot.playground.rest.commands import Commands
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.reactions import add_reaction, clear_reactions, remove_reaction
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.threads import update_thread


@dataclass(frozen=True)
class ClientState:
    """The parts of the playground that a client uses."""

    world: World
    interactions: Interactions
    commands: Commands
    default_channel: Channel


class Messenger:
    """A user who reads, sends and changes messages.

    Actions raise NotPermitted if the user cannot view the channel or message.
    """

    def __init__(self, user: User, state: ClientState) -> None:
        self.user = user
        self._state = state
        self._world = state.world

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def dm(self) -> Channel:
        """The DM channel with the bot."""
        return self._world.dm_with(self.user)

    async def react(self, message: Message, emoji: str) -> None:
        self._check_can_see(message)
        access.check_can_react(self.user, message, emoji)
        add_reaction(self._world, message, emoji, self.user)

    async def unreact(self, message: Message, emoji: str) -> None:
        remove_reaction(self._world, message, emoji, self.user)

    async def clear_reactions(self, message: Message, emoji: str | None = None) -> None:
        """Remove all reactions, or all with one emoji, as a moderator."""
        self._check_can_see(message)
        if not message.channel.allows(self.user, Permission.MANAGE_MESSAGES):
            raise NotPermitted("Only moderators may remove the reactions of others.")
        clear_reactions(self._world, message, emoji)

    async def say(
        self,
        text: str,
        *uploads: Upload,
        where: Channel | None = None,
        reply_to: Message | None = None,
    ) -> Message:
        """Send a message or a reply, by default to the default channel.

        A reply mentions the author. An archived thread is opened, unless it is locked.
        """
        channel = reply_to.channel if reply_to else where or self._state.default_channel
        self._check_can_enter(channel)
        access.check_can_send(self.user, channel, files=bool(uploads))
        if channel.archived:
            update_thread(self._world, channel, archived=False)
        message_type = MessageType.REPLY if reply_to else MessageType.DEFAULT
        target = MessageTarget(channel, self.user, message_type, reference=reply_to)
        body = RequestBody({"content": text.strip()}, files=dict(enumerate(uploads)))
        return message_writer.create(self._world, body, target)

    async def post(
        self,
        name: str,
        text: str,
        *uploads: Upload,
        where: Channel,
        tags: Collection[ForumTag] = (),
    ) -> Message:
        """Create a post in a forum or media channel; return its first message."""
        if not self.can_enter(where) or where.type not in POSTS_ONLY:
            raise NotPermitted(f"{self.name} cannot post in #{where.name}.")
        access.check_can_send(self.user, where, files=bool(uploads))
        form = {"name": name, "applied_tags": [tag.id for tag in tags]}
        body = RequestBody({"content": text.strip()}, files=dict(enumerate(uploads)))
        return posts.create_post(self._world, where, form, body, self.user)

    async def forward(self, message: Message, where: Channel | None = None) -> Message:
        """Forward a message, by default to the default channel."""
        self._check_can_see(message)
        channel = where or self._state.default_channel
        self._check_can_enter(channel)
        access.check_can_send(self.user, channel, files=bool(message.files))
        if not forwards.can_be_forwarded(message):
            raise NotPermitted("This message cannot be forwarded.")
        return forwards.forward(self._world, message, MessageTarget(channel, self.user))

    async def pin(self, message: Message) -> None:
        """Pin a message, as a member with PIN_MESSAGES or in a DM channel."""
        self._check_can_pin(message)
        pins.pin(self._world, message, self.user)

    async def unpin(self, message: Message) -> None:
        self._check_can_pin(message)
        pins.unpin(self._world, message)

    def _check_can_pin(self, message: Message) -> None:
        self._check_can_see(message)
        may_pin = message.channel.allows(self.user, Permission.PIN_MESSAGES)
        if message.channel.guild and not may_pin:
            raise NotPermitted("Only members with the permission to pin messages may do that.")
        if message.ephemeral:
            raise NotPermitted("Ephemeral messages cannot be pinned.")

    async def vote(self, message: Message, *answer_ids: int) -> None:
        """Vote for answers of a poll instead of earlier ones; without answers, take votes back.

        Raise InvalidOption for answers that the poll does not offer.
        """
        self._check_can_see(message)
        poll = polls.require_poll(message)
        if len(answer_ids) > (len(poll.answers) if poll.allow_multiselect else 1):
            raise InvalidOption("This poll takes one answer.")
        if not set(answer_ids) <= set(range(1, len(poll.answers) + 1)):
            raise InvalidOption(f"This poll has the answers 1 to {len(poll.answers)}.")
        polls.vote(self._world, message, self.user, answer_ids)

    async def delete(self, message: Message) -> None:
        """Delete a message as its author or a moderator, or dismiss an ephemeral message."""
        self._check_can_see(message)
        is_own = message.author is self.user or message.visible_to is self.user
        may_manage = message.channel.allows(self.user, Permission.MANAGE_MESSAGES)
        if not is_own and not may_manage:
            raise NotPermitted("Only its author and moderators may delete a message.")
        message_writer.delete(self._world, message)

    def permissions(self, channel: Channel) -> Permission:
        """Return the user's permissions in a channel."""
        return channel.permissions_of(self.user)

    def can_enter(self, channel: Channel) -> bool:
        """Return whether the user can view a channel."""
        return access.can_view(self.user, channel)

    def can_see(self, message: Message) -> bool:
        """Return whether the message is visible to the user."""
        return (
            self.can_enter(message.channel)
            and not message.deleted
            and message.visible_to in (None, self.user)
        )

    def _check_can_enter(self, channel: Channel) -> None:
        if not self.can_enter(channel):
            raise NotPermitted(f"{self.name} cannot enter #{channel.name}.")
        if channel.type in POSTS_ONLY:
            raise NotPermitted(f"#{channel.name} has posts, but no messages of its own.")

    def _check_can_see(self, message: Message) -> None:
        if not self.can_see(message):
            raise NotPermitted(f"{self.name} does not see that message.")
