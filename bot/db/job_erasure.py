"""SQL that deletes the user's data of jobs."""

from typing import Final


def _erased_recipe(path: str) -> str:
    """In SQL: `value` without the user's data in the recipe at this path."""
    return (
        f"json_remove(json_set(value, '{path}.prompt', '(deleted)', '{path}.negative', '', "
        f"'{path}.seed', 0), '{path}.subseeds', '{path}.changes', '{path}.source', "
        f"'{path}.references', '{path}.controls', '{path}.adapters')"
    )


_ERASED_WORK: Final = (
    f"iif(json_type(value, '$.picture') IS NULL, {_erased_recipe('$')}, "
    f"json_set({_erased_recipe('$.picture')}, '$.image', '{'0' * 64}'))"
)
"""In SQL: `value`, which is a recipe or has one as its `picture`, without the user's data."""
ERASE: Final = (
    "UPDATE jobs SET erased = :reason, person = 0, "  # noqa: S608 # ours
    "request = 'erased:' || id, plan = '{}', "
    "reveal = 0, seats = NULL, "
    "recipes = (SELECT json_group_array(json(" + _ERASED_WORK + ")) FROM json_each(recipes)), "
    "reason = iif(reason IS NULL, NULL, '(deleted)'), "
    "channel = iif(delivered_at IS NULL, channel, 0), "
    "guild = iif(delivered_at IS NULL, guild, NULL), "
    "message = iif(delivered_at IS NULL, message, NULL), "
    "application = iif(delivered_at IS NULL, application, NULL), "
    "reply_to = iif(delivered_at IS NULL, reply_to, NULL) "
    "WHERE id IN (SELECT value FROM json_each(:job_ids))"
)
"""For the jobs of the parameter :job_ids."""
