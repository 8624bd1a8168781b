"""What is kept of a person, in words; pure."""

from typing import Final

import msgspec

from bot.domain.user_data import AUDIT_DAYS, REVIEW_DAYS, RetentionPolicy, UserDataSummary

NOTHING: Final = "I keep no job and no picture of you: there is nothing to delete."
_STAYS: Final = (
    "What I wrote on Discord stays there: react ❌ to a message of mine that shows your pictures, "
    "and I delete it, also later. Variations that others made of your pictures are theirs, and "
    "stay with them."
)
_USE: Final = (
    "How many seconds of the engine you had is kept for 24 hours, for everybody to get a share."
)
_STATISTICS: Final = (
    "Of a deleted job only statistics stay: when it was painted, how it ended, the model, and the "
    "number, size and steps of its pictures."
)


def told(kept: UserDataSummary, promise: RetentionPolicy) -> str:
    """What there is of a person, for how long, and where else."""
    parts = [_counted(kept), _how_long(promise), _STATISTICS, _moderators(kept), _USE]
    return "\n".join([*parts, _log(promise)])


def _moderators(kept: UserDataSummary) -> str:
    return (
        f"So that moderators can act against abuse, {_number(kept.audit_entries, 'line')} of their "
        f"log about you are kept for {AUDIT_DAYS} days: what broke a rule, what was reported or "
        "removed, and what you did as a moderator. That you are blocked somewhere is kept until "
        "you are not. Deleting changes none of it."
    )


def _held(kept: UserDataSummary) -> str:
    if not kept.under_review:
        return ""
    return (
        f" {_number(kept.under_review, 'job')} of yours was reported, and goes when the moderators "
        f"have looked at it, or after {REVIEW_DAYS} days."
    )


def _counted(kept: UserDataSummary) -> str:
    if kept.oldest_at is None:
        return "I keep no job and no picture of you."
    return (
        f"I keep {_amount(kept)} of you, since <t:{int(kept.oldest_at)}:D>: of each job your "
        "words, its settings, your id, and where you asked for it. The file has all of it but the "
        "pictures. `/privacy delete` deletes it."
    )


def _amount(kept: UserDataSummary) -> str:
    parts = [_number(kept.jobs, "job"), _number(kept.pictures, "picture")]
    if kept.sketches:
        parts.append(_number(kept.sketches, "sketch", "es"))
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _number(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{'' if count == 1 else plural}"


def _how_long(promise: RetentionPolicy) -> str:
    if promise.days is None:
        return "It is kept until you delete it."
    return f"It is deleted {_number(promise.days, 'day')} after a job has ended."


def _log(promise: RetentionPolicy) -> str:
    words = "your prompts, and " if promise.logs_prompts else "none of your words, but "
    return (
        f"The bot's log has {words}ids of jobs, interactions and people; for how long it is kept "
        "is up to who runs this bot."
    )


def question(kept: UserDataSummary) -> str:
    """What a person should know before they decide."""
    return (
        f"This deletes, for ever, all that I keep of you: {_amount(kept)}. What you have waiting "
        f"or being painted is stopped. Buttons on your old results will not work any more."
        f"{_held(kept)}\n{_STAYS} {_STATISTICS}"
    )


def deleted(before: UserDataSummary, after: UserDataSummary, complete: bool) -> str:
    """What was done; `complete`: with all traces of it."""
    gone = msgspec.structs.replace(
        before,
        jobs=max(0, before.jobs - after.jobs),
        pictures=max(0, before.pictures - after.pictures),
        sketches=max(0, before.sketches - after.sketches),
    )
    if not gone.jobs and not after.under_review and complete:
        return NOTHING
    rest = "" if complete else " What is at work right now, or locked, goes as soon as it is free."
    return f"Deleted: {_amount(gone)}.{_held(after)}{rest}\n{_STAYS}"
