"""What an instruction states, as classes: the text encoder for edits learns them first."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.starter.scenes import COLOURS, PLACES, TIMES, Thing
from engine.starter.steering.edits import ACTIONS, EditPair, action, changed_things
from engine.starter.steering.examples import KINDS

LABEL_SIZES: Final = (
    len(ACTIONS),
    len(KINDS),
    len(KINDS),
    len(COLOURS),
    len(PLACES),
    len(TIMES),
)
"""Numbers of classes of `instruction_labels`: what is done, the kind of the thing that is meant,
that of the new one, the new colour, place and time."""
UNSTATED: Final = -100
"""The class of what an instruction does not state; `cross_entropy` ignores it."""


def instruction_labels(pair: EditPair) -> NDArray[np.int64]:
    """The classes of the pair's instructions, whose numbers are LABEL_SIZES."""
    done = action(pair)
    facts = dict.fromkeys(("old", "new", "colour", "place", "time"), UNSTATED)
    if done == "time":
        facts["time"] = TIMES.index(pair.after.time)
    elif done == "place":
        facts["place"] = PLACES.index(pair.after.place)
    elif done == "removal":
        facts["old"] = KINDS.index(_more(pair.before.things, pair.after.things).kind)
    elif done == "addition":
        added = _more(pair.after.things, pair.before.things)
        facts["new"] = KINDS.index(added.kind)
        facts["colour"] = [*COLOURS].index(added.colour)
    else:
        old, new = changed_things(pair)
        facts["old"] = KINDS.index(old.kind)
        if done == "kind":
            facts["new"] = KINDS.index(new.kind)
        if old.colour != new.colour:
            facts["colour"] = [*COLOURS].index(new.colour)
    return np.array([ACTIONS.index(done), *facts.values()])


def _more(longer: tuple[Thing, ...], shorter: tuple[Thing, ...]) -> Thing:
    """The thing of the longer of two scenes' things that the other lacks."""
    return longer[0] if longer[1:] == shorter else longer[1]
