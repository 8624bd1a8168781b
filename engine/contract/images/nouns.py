"""Names of images in sentences; a numbered name has no article."""


def with_article(noun: str) -> str:
    """`the sketch`, but `picture 2`."""
    return noun if noun[-1:].isdecimal() else f"the {noun}"


def as_subject(noun: str) -> str:
    """The begin of a sentence: `The sketch`, but `Picture 2`."""
    words = with_article(noun)
    return words[:1].upper() + words[1:]
