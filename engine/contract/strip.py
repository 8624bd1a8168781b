"""Which steps of a picture its strip of frames shows."""

from engine.contract.recipe import Recipe


def strip_steps(recipe: Recipe, count: int) -> tuple[int, ...]:
    """Up to `count` numbers of completed steps, ascending and evenly spaced.

    They are those at which a change can take effect: from 1 to one less than the steps that are
    run. A picture of one step has a strip of that step.
    """
    last = max(1, recipe.executed_steps - 1)
    count = min(count, last)
    if count < 2:
        return (last,) if count else ()
    return tuple(1 + round(index * (last - 1) / (count - 1)) for index in range(count))
