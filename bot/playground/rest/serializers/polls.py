"""Polls as JSON of API version 10.

https://docs.discord.com/developers/resources/poll
"""

from bot.playground.clock import iso
from bot.playground.errors import Json
from bot.playground.model.guild import User
from bot.playground.model.polls import Poll


def poll_json(poll: Poll, reader: User) -> Json:
    """Return a poll with the counts of its votes; `me_voted` marks those of `reader`."""
    counts = sorted(poll.counts.items())
    return {
        "question": poll.question,
        "answers": [
            {"answer_id": answer_id, "poll_media": _media_json(media)}
            for answer_id, media in enumerate(poll.answers, start=1)
        ],
        "expiry": iso(poll.expires_at),
        "allow_multiselect": poll.allow_multiselect,
        "layout_type": poll.layout_type,
        "results": {
            "is_finalized": poll.has_ended,
            "answer_counts": [
                {"id": answer_id, "count": count, "me_voted": reader in poll.votes[answer_id]}
                for answer_id, count in counts
            ],
        },
    }


def result_embed_json(poll: Poll) -> Json:
    """Return the embed of the message that announces the result."""
    counts, winner_id = poll.counts, poll.winner_id
    values = {
        "poll_question_text": poll.question["text"],
        "victor_answer_votes": max(counts.values(), default=0),
        "total_votes": sum(counts.values()),
    }
    if winner_id is not None:
        winner = poll.answers[winner_id - 1]
        values |= {"victor_answer_id": winner_id, "victor_answer_text": winner.get("text", "")}
        if "emoji" in winner:
            values["victor_answer_emoji_name"] = winner["emoji"]["name"]
    fields = [{"name": name, "value": str(value)} for name, value in values.items()]
    return {"type": "poll_result", "fields": fields}


def _media_json(media: Json) -> Json:
    if "emoji" not in media:
        return media
    return media | {"emoji": {"id": None, "name": media["emoji"]["name"]}}
