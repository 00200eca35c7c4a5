"""Text that people typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.text import checked_text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  汉江广场 ", "汉江广场"),
        ("\u3000张伟\u3000", "张伟"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("e\u0301cole", "\u00e9cole"),
        ("𠮷野家 \ue000", "𠮷野家 \ue000"),
        ("x" * 200, "x" * 200),
    ],
)
def test_ordinary_text_is_kept(typed: str, kept: str) -> None:
    assert checked_text(typed, "the name") == kept


@pytest.mark.parametrize(
    "typed",
    ["", " ", "a\nb", "a\tb", "a\x00", "\x1b[2J", "a\u202eb", "\u2066a", "\u200b", "\ufeffa", "\ud800", "\u2028"],
)
def test_text_that_hides_something_is_refused_without_showing_it(typed: str) -> None:
    with pytest.raises(InvalidInput, match=r"^the name ") as caught:
        checked_text(typed, "the name")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("typed", [None, 5, b"name", ["name"], True])
def test_what_is_no_text_is_refused(typed: object) -> None:
    with pytest.raises(InvalidInput, match="must be text"):
        checked_text(typed, "the name")


def test_the_longest_is_named() -> None:
    with pytest.raises(InvalidInput, match="longer than 200"):
        checked_text("x" * 201, "the name")
    with pytest.raises(InvalidInput, match="longer than 3"):
        checked_text("四个字呀", "the name", 3)


@given(st.text())
def test_what_is_kept_is_kept_again(text: str) -> None:
    try:
        once = checked_text(text, "the name")
    except InvalidInput:
        return
    assert checked_text(once, "the name") == once
