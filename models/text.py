"""Text that people typed: what may be stored and shown again as it is."""

import unicodedata

from models.errors import InvalidInput

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that do not show, or that change how their neighbours show: control and format characters (with
the bidirectional overrides), lone surrogates, line and paragraph separators. Private use is allowed: Chinese systems
keep rare characters of people's names there."""


def checked_text(text: object, what: str, longest: int = 200) -> str:
    """The text without surrounding blanks, in Unicode NFC. ``what`` names it in the sentence, as in "the name".

    Markup is text like any other: it is stored as typed, and whoever shows it escapes it. Raises InvalidInput for what
    is no text, is empty, is longer than ``longest`` characters, or holds characters that do not show.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"{what} must be text")
    text = text.strip(" \u3000")
    if not text:
        raise InvalidInput(f"{what} is missing or empty")
    if len(text) > longest:
        raise InvalidInput(f"{what} is longer than {longest} characters")
    hidden = next((c for c in text if unicodedata.category(c) in _HIDDEN), None)
    if hidden is not None:
        raise InvalidInput(f"{what} holds a character that does not show (U+{ord(hidden):04X}): type it again")
    return unicodedata.normalize("NFC", text)
