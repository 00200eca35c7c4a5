"""How each argument of a command is read: from whatever JSON held to a checked value. Each raises InvalidInput."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from models.errors import InvalidInput
from models.text import checked_text

LONGEST_TEXT = 2000
MOST_EVIDENCE = 20


def free_text(value: Any) -> str:
    """A remark of at most LONGEST_TEXT characters; its line breaks become blanks."""
    return checked_text(" ".join(value.splitlines()) if isinstance(value, str) else value, "the text", LONGEST_TEXT)


def code(value: Any) -> str:
    """A grid's code, or a person's id."""
    return checked_text(value, "the code", 64)


def number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise InvalidInput("must be a whole number, 0 or more")
    return value


def rating(value: Any) -> int:
    """How content the reporter is: 1 (bad) to 5 (good)."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 5:
        raise InvalidInput("must be a whole number, 1 (bad) to 5 (good)")
    return value


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("must be true or false")
    return value


def moment(value: Any) -> float:
    """Unix seconds, 1970 to 2286."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e10:
        raise InvalidInput("must be a time in Unix seconds (not milliseconds)")
    return float(value)


def evidence_list(value: Any) -> list[str]:
    """1 to MOST_EVIDENCE SHA-256 sums, each once, in the order given."""
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_EVIDENCE:
        raise InvalidInput(f"must be a list of 1 to {MOST_EVIDENCE} sha256 sums of pictures added before")
    if not all(isinstance(item, str) and re.fullmatch("[0-9a-f]{64}", item) for item in value):
        raise InvalidInput("must hold sha256 sums: 64 hexadecimal digits each")
    return list(dict.fromkeys(value))


def one_of(words: Sequence[str]) -> Callable[[Any], str]:
    """A reader of exactly these words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise InvalidInput(f"must be one of {', '.join(words)}")
        return value

    return read
