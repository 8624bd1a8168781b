"""Measures of source files that the tests limit: lines, lines of functions, and identifiers."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def function_lines(source: str) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function, without its decorators."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.name, node.end_lineno - node.lineno + 1


def identifiers(source: str) -> frozenset[str]:
    """All identifiers of the code; those in strings and comments are left out."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return frozenset(token.string for token in tokens if token.type == tokenize.NAME)


def words_of(identifier: str) -> frozenset[str]:
    """The words of a name in snake_case, CamelCase or CAPITALS, in lower case."""
    return frozenset(word.lower() for word in _WORD.findall(identifier))
