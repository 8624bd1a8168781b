"""Polls of messages."""

from dataclasses import dataclass, field

from bot.playground.errors import Json
from bot.playground.model.guild import User

HOURS = 24  # if the request has no duration


@dataclass(eq=False)
class Poll:
    """A poll and its votes. The id of an answer is its position, from 1."""

    question: Json
    answers: list[Json]
    expires_at: float
    allow_multiselect: bool = False
    layout_type: int = 1
    has_ended: bool = False
    votes: dict[int, list[User]] = field(default_factory=dict)
    """The users who voted for an answer, by its id, in order."""

    @property
    def counts(self) -> dict[int, int]:
        """The number of votes of each answer that has one."""
        return {answer_id: len(users) for answer_id, users in self.votes.items() if users}

    @property
    def winner_id(self) -> int | None:
        """The answer with the most votes; None if several have as many, or if none has one."""
        best = max(self.counts.values(), default=0)
        winners = [answer_id for answer_id, count in self.counts.items() if count == best]
        return winners[0] if len(winners) == 1 else None

    def answers_of(self, user: User) -> list[int]:
        """Return the ids of the answers that a user voted for."""
        return [answer_id for answer_id, users in sorted(self.votes.items()) if user in users]


def new_poll(request: Json, now: float) -> Poll:
    """Return the poll of a request that begins at this time."""
    return Poll(
        question={"text": request["question"]["text"]},
        answers=[answer["poll_media"] for answer in request["answers"]],
        expires_at=now + request.get("duration", HOURS) * 3600,
        allow_multiselect=request.get("allow_multiselect", False),
        layout_type=request.get("layout_type", 1),
    )
