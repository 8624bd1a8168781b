"""The texts of /privacy; pure."""

from typing import Final

import msgspec

from bot.domain.user_data import AUDIT_DAYS, REVIEW_DAYS, RetentionPolicy, UserDataSummary
from bot.i18n import N_, _, enumeration, ngettext

NOTHING: Final = N_("I store no jobs and no pictures of yours, so there is nothing to delete.")
_MESSAGES: Final = N_(
    "My messages on Discord stay. To delete one that shows your pictures, react to "
    "it with ❌; that also works later. My posts of them in galleries are deleted. "
    "Variations that others made of your pictures belong to them and stay."
)
_USAGE: Final = N_(
    "To share the engine fairly, I store how many engine seconds you used, for 24 hours."
)
_JOB: Final = N_(" A job has your prompt, its settings, your user ID and the channel.")
_INPUTS: Final = N_(
    " Input pictures are what you uploaded for a job, such as sketches, masks and "
    "references, and copies of pictures that you had changed."
)
_STATISTICS: Final = N_(
    "Of a deleted job, only statistics remain: its time and result, the model, and "
    "the number, size and steps of its pictures."
)


def summary(data: UserDataSummary, policy: RetentionPolicy) -> str:
    """What is stored about a user, and for how long."""
    parts = [_stored(data), _retention(policy), _(_STATISTICS), _moderation(data), _(_USAGE)]
    return "\n".join([*parts, _log(policy)])


def _moderation(data: UserDataSummary) -> str:
    entries = ngettext("{count} entry", "{count} entries", data.audit_entries).format(
        count=data.audit_entries
    )
    return _(
        "The audit log has {entries} about you, for moderators: refused prompts, "
        "reports, removed pictures, and what you did as a moderator. It is deleted "
        "after {days} days. A block is stored until you are unblocked. "
        "`/privacy delete` changes none of this."
    ).format(entries=entries, days=AUDIT_DAYS)


def _under_review(data: UserDataSummary) -> str:
    if not data.under_review:
        return ""
    return ngettext(
        " {count} job of yours was reported; what was reported is deleted after the "
        "moderators have reviewed it, or after {days} days.",
        " {count} jobs of yours were reported; what was reported is deleted after the "
        "moderators have reviewed it, or after {days} days.",
        data.under_review,
    ).format(count=data.under_review, days=REVIEW_DAYS)


def _stored(data: UserDataSummary) -> str:
    if data.is_empty:
        return _("I store no jobs and no pictures of yours.")
    since = (
        ""
        if data.oldest_at is None
        else _(", since <t:{oldest_at}:D>").format(oldest_at=int(data.oldest_at))
    )
    inputs = _(_INPUTS) if data.input_pictures else ""
    return _(
        "I store {amount} of yours{since}.{job}{inputs} The file has all of this except "
        "the pictures. `/privacy delete` deletes it."
    ).format(amount=_amount(data), since=since, job=_(_JOB) if data.jobs else "", inputs=inputs)


def _amount(data: UserDataSummary) -> str:
    parts = []
    if data.jobs or data.is_empty:
        parts += [
            _count(data.jobs, ngettext("{count} job", "{count} jobs", data.jobs)),
            _count(data.pictures, ngettext("{count} picture", "{count} pictures", data.pictures)),
        ]
    if data.votes:
        parts.append(_count(data.votes, ngettext("{count} vote", "{count} votes", data.votes)))
    if data.polls:
        parts.append(_count(data.polls, ngettext("{count} poll", "{count} polls", data.polls)))
    if data.input_pictures:
        count = data.input_pictures
        parts.append(
            _count(count, ngettext("{count} input picture", "{count} input pictures", count))
        )
    if data.settings:
        parts.append(
            _count(data.settings, ngettext("{count} setting", "{count} settings", data.settings))
        )
    return enumeration(parts)


def _count(number: int, text: str) -> str:
    return text.format(count=number)


def _retention(policy: RetentionPolicy) -> str:
    if policy.days is None:
        return _("It is stored until you delete it.")
    return ngettext(
        "It is deleted {count} day after a job has finished.",
        "It is deleted {count} days after a job has finished.",
        policy.days,
    ).format(count=policy.days)


def _log(policy: RetentionPolicy) -> str:
    prompts = _("your prompts and") if policy.logs_prompts else _("no prompts, but")
    return _(
        "The bot's log has {prompts} the IDs of jobs, interactions and users. The "
        "operator of this bot decides how long the log is stored."
    ).format(prompts=prompts)


def confirmation(data: UserDataSummary) -> str:
    """The question before the deletion."""
    return _(
        "This permanently deletes everything that I store about you: {amount}. Your "
        "unfinished jobs are cancelled, and the buttons on your old results stop "
        "working.{under_review}\n{messages} {statistics}"
    ).format(
        amount=_amount(data),
        under_review=_under_review(data),
        messages=_(_MESSAGES),
        statistics=_(_STATISTICS),
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
        return _(NOTHING)
    rest = "" if is_complete else _(" Files that are in use are deleted as soon as possible.")
    return _("Deleted: {amount}.{under_review}{rest}\n{messages}").format(
        amount=_amount(deleted), under_review=_under_review(after), rest=rest, messages=_(_MESSAGES)
    )
