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
    lower_case = (word.lower() if word.isupper() else word for word in text.split())
    words = [word for word in lower_case if _WORD.fullmatch(word)]
    while words and len(" ".join(words)) > MAX_TEXT:
        words.pop()
    return " ".join(words).rstrip(",. ")
