"""What a model says of a picture, as a prompt; pure.

The texts come from a model, and may be anything: a picture can show writing.
"""

import re
from typing import Final

MAX_TEXT: Final = 300
"""Characters of one description."""
_WORD: Final = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*[,.]?")


def cleaned(text: str) -> str:
    """The words of a description, without mentions, links, Markdown and the notation of prompts;
    empty if there are none."""
    words = [word.lower() if word.isupper() else word for word in text.split()]
    kept = [word for word in words if _WORD.fullmatch(word)]
    while kept and len(" ".join(kept)) > MAX_TEXT:
        kept.pop()
    return " ".join(kept).rstrip(",. ")
