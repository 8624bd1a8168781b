"""The texts of /privacy; pure."""

from typing import Final

import msgspec

from bot.domain.user_data import AUDIT_DAYS, REVIEW_DAYS, RetentionPolicy, UserDataSummary
from bot.domain.word_lists import enumeration

NOTHING: Final = "I store no jobs and no pictures of yours, so there is nothing to delete."
_MESSAGES: Final = (
    "My messages on Discord stay. To delete one that shows your pictures, react to it with ❌; "
    "that also works later. My posts of them in galleries are deleted. Variations that others made "
    "of your pictures belong to them and stay."
)
_USAGE: Final = (
    "To share the engine fairly, I store how many engine seconds you used, for 24 hours."
)
_JOB: Final = " A job has your prompt, its settings, your user ID and the channel."
_INPUTS: Final = (
    " Input pictures are what you uploaded for a job, such as sketches, masks and references, and "
    "copies of pictures that you had changed."
)
_STATISTICS: Final = (
    "Of a deleted job, only statistics remain: its time and result, the model, and the number, "
    "size and steps of its pictures."
)


def summary(data: UserDataSummary, policy: RetentionPolicy) -> str:
    """What is stored about a user, and for how long."""
    parts = [_stored(data), _retention(policy), _STATISTICS, _moderation(data), _USAGE]
    return "\n".join([*parts, _log(policy)])


def _moderation(data: UserDataSummary) -> str:
    entries = _count(data.audit_entries, "entry", "entries")
    return (
        f"The audit log has {entries} about you, for moderators: refused prompts, reports, "
        f"removed pictures, and what you did as a moderator. It is deleted after {AUDIT_DAYS} "
        "days. A block is stored until you are unblocked. `/privacy delete` changes none of this."
    )


def _under_review(data: UserDataSummary) -> str:
    if not data.under_review:
        return ""
    verb = "was" if data.under_review == 1 else "were"
    return (
        f" {_count(data.under_review, 'job')} of yours {verb} reported; what was reported is "
        f"deleted after the moderators have reviewed it, or after {REVIEW_DAYS} days."
    )


def _stored(data: UserDataSummary) -> str:
    if data.is_empty:
        return "I store no jobs and no pictures of yours."
    since = "" if data.oldest_at is None else f", since <t:{int(data.oldest_at)}:D>"
    inputs = _INPUTS if data.input_pictures else ""
    return (
        f"I store {_amount(data)} of yours{since}.{_JOB if data.jobs else ''}{inputs} "
        "The file has all of this except the pictures. `/privacy delete` deletes it."
    )


def _amount(data: UserDataSummary) -> str:
    parts = []
    if data.jobs or data.is_empty:
        parts += [_count(data.jobs, "job"), _count(data.pictures, "picture")]
    if data.votes:
        parts.append(_count(data.votes, "vote"))
    if data.polls:
        parts.append(_count(data.polls, "poll"))
    if data.input_pictures:
        parts.append(_count(data.input_pictures, "input picture"))
    if data.settings:
        parts.append(_count(data.settings, "setting"))
    return enumeration(parts)


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _retention(policy: RetentionPolicy) -> str:
    if policy.days is None:
        return "It is stored until you delete it."
    return f"It is deleted {_count(policy.days, 'day')} after a job has finished."


def _log(policy: RetentionPolicy) -> str:
    prompts = "your prompts and" if policy.logs_prompts else "no prompts, but"
    return (
        f"The bot's log has {prompts} the IDs of jobs, interactions and users. The operator of "
        "this bot decides how long the log is stored."
    )


def confirmation(data: UserDataSummary) -> str:
    """The question before the deletion."""
    return (
        f"This permanently deletes everything that I store about you: {_amount(data)}. Your "
        "unfinished jobs are cancelled, and the buttons on your old results stop working."
        f"{_under_review(data)}\n{_MESSAGES} {_STATISTICS}"
    )


def result(before: UserDataSummary, after: UserDataSummary, is_complete: bool) -> str:
    """What was deleted; `is_complete` is False if some files are deleted later."""
    deleted = msgspec.structs.replace(
        before,
        jobs=max(0, before.jobs - after.jobs),
        pictures=max(0, before.pictures - after.pictures),
        input_pictures=max(0, before.input_pictures - after.input_pictures),
        votes=max(0, before.votes - after.votes),
        polls=max(0, before.polls - after.polls),
        settings=max(0, before.settings - after.settings),
    )
    if deleted.is_empty and not after.under_review and is_complete:
        return NOTHING
    rest = "" if is_complete else " Files that are in use are deleted as soon as possible."
    return f"Deleted: {_amount(deleted)}.{_under_review(after)}{rest}\n{_MESSAGES}"
