"""Numbers that users type into forms; pure."""

import re

from bot.errors import Refused


def parse_number(text: str, name: str, most: float) -> float:
    """The number from 0 to `most` in a text, with a point or a comma.

    Raises Refused, which says what `name` may be.
    """
    number = text.replace(",", ".")
    if not re.fullmatch(r"\d{1,4}(\.\d{0,6})?|\.\d{1,6}", number) or float(number) > most:
        raise Refused(f"The {name} is “{text[:20]}”; it must be a number from 0 to {most:g}.")
    return float(number)
