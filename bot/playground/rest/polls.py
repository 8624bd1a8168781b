"""Polls: votes of people, the end of a poll and its result, and the routes.

https://docs.discord.com/developers/resources/poll
"""

from collections.abc import Collection
from functools import partial

from bot.playground.errors import ApiError, Json, unknown_message
from bot.playground.model.guild import User
from bot.playground.model.mentions import Mentions
from bot.playground.model.messages import Message, MessageType
from bot.playground.model.polls import Poll
from bot.playground.model.state import World
from bot.playground.rest import message_writer
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_message, require_own_message
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.serializers.message_content import visible_message_json
from bot.playground.rest.serializers.message_events import message_event_json
from bot.playground.rest.serializers.polls import result_embed_json
from bot.playground.rest.serializers.users import user_json
from bot.playground.rest.threads import require_open

POLL = "/channels/{channel_id}/polls/{message_id}"


class PollTimer:
    """Ends each poll when its time is over. `watch` is called with each changed message."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._watched: set[int] = set()

    def watch(self, message: Message) -> None:
        """Wait for the end of the message's poll, if it is new."""
        if message.poll is None or message.id in self._watched:
            return
        self._watched.add(message.id)
        self._world.clock.call_at(message.poll.expires_at, partial(self._end, message))

    def _end(self, message: Message) -> None:
        if message.poll and not message.poll.has_ended and not message.deleted:
            end(self._world, message, message.poll)


def vote(world: World, message: Message, user: User, answer_ids: Collection[int]) -> None:
    """Set the answers that a user votes for; raise ApiError if the poll has ended."""
    poll = require_poll(message)
    if poll.has_ended:
        raise expired()
    earlier = poll.answers_of(user)
    for answer_id in earlier:
        if answer_id not in answer_ids:
            poll.votes[answer_id].remove(user)
            _emit_vote(world, "MESSAGE_POLL_VOTE_REMOVE", message, user, answer_id)
    for answer_id in answer_ids:
        if answer_id not in earlier:
            poll.votes.setdefault(answer_id, []).append(user)
            _emit_vote(world, "MESSAGE_POLL_VOTE_ADD", message, user, answer_id)
    world.notify_changed(message)


def end(world: World, message: Message, poll: Poll) -> None:
    """End a poll, and announce its result."""
    poll.expires_at = min(poll.expires_at, world.clock.now())
    poll.has_ended = True
    if not message.ephemeral:
        world.emit("MESSAGE_UPDATE", message_event_json(world, message), message.channel)
    world.notify_changed(message)
    target = MessageTarget(
        message.channel,
        message.author,
        MessageType.POLL_RESULT,
        visible_to=message.visible_to,
        reference=message,
    )
    result = message_writer.new_message(world, target)
    result.embeds = [result_embed_json(poll)]
    result.mentions = Mentions(users=[message.author])
    message_writer.publish(world, result)


def require_poll(message: Message) -> Poll:
    """Return the poll of a message; raise ApiError if it has none."""
    if message.poll is None:
        raise unknown_message()
    return message.poll


def expired() -> ApiError:
    """Return error 520001: the poll has ended."""
    return ApiError(400, 520001, "Poll expired")


def _emit_vote(world: World, event: str, message: Message, user: User, answer_id: int) -> None:
    data: Json = {
        "user_id": str(user.id),
        "channel_id": str(message.channel.id),
        "message_id": str(message.id),
        "answer_id": answer_id,
    }
    if message.channel.guild:
        data["guild_id"] = str(message.channel.guild.id)
    world.emit(event, data, message.channel)


def list_voters(world: World, request: Request) -> Result:
    """List the users who voted for an answer, by their ids."""
    poll = require_poll(find_message(world, request))
    limit, after = request.integer("limit", 25, 1, 100), request.after()
    users = poll.votes.get(request.snowflake("answer_id"), [])
    page = sorted((user for user in users if user.id > after), key=lambda user: user.id)
    return 200, {"users": [user_json(user) for user in page[:limit]]}


def expire_poll(world: World, request: Request) -> Result:
    """End a poll of the bot."""
    message = find_message(world, request)
    require_own_message(world, message)
    if message.poll is None:
        raise ApiError(400, 520006, "Cannot expire a non-poll message", violation=True)
    if message.poll.has_ended:
        raise expired()
    require_open(message.channel)
    end(world, message, message.poll)
    return 200, visible_message_json(world, message)


ROUTES = [
    Route("GET", POLL + "/answers/{answer_id}", list_voters),
    Route("POST", POLL + "/expire", expire_poll),
]
