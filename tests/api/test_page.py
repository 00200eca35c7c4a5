"""The live page's sources: it has a word for all that the core can say, and no way to put markup from the server."""

import re

import pytest

from api.page import CONSOLE
from models.alert import DISMISS_REASONS, OUTCOMES, RETURN_REASONS, CommandType, EventType, State

NEEDS_A_FORM = {
    CommandType.TRANSFER_UP,
    CommandType.ASSIGN_DOWN,
    CommandType.TRANSFER_ACROSS,
    CommandType.ADD_CO_ASSIGNEE,
    CommandType.REMOVE_CO_ASSIGNEE,
    CommandType.EVALUATE,
    CommandType.CALL_BACK,
}
"""Commands that the plain page does not offer: a grid, a unit, a person or a rating is to be chosen."""
SHOWN_AS_A_COUNT = {EventType.SEEN_AGAIN}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_has_a_word_for_every_state_command_event_and_code(language: str) -> None:
    text = (CONSOLE / "words.js").read_text(encoding="utf-8")
    part = text.partition(f"const {language} = ")[2].partition("\n};")[0]

    def named(section: str) -> set[str]:
        found = re.search(rf"\n  {section}: \{{(.*?)\}},\n  \w|\n  {section}: \{{(.*)\}},", part, re.DOTALL)
        assert found, section
        return set(re.findall(r'(\w+): "[^"]', found.group(1) or found.group(2)))

    states, events = named("state"), named("event")
    assert states == {state.value for state in State}
    assert states | events == states | {event.value for event in EventType if event not in SHOWN_AS_A_COUNT}
    assert named("command") == {command.value for command in CommandType if command not in NEEDS_A_FORM}
    assert named("code") == {*DISMISS_REASONS, *RETURN_REASONS, *OUTCOMES}


def test_what_the_server_sends_becomes_text_only() -> None:
    """A camera named ``<img onerror=…>`` is a name."""
    for path in CONSOLE.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:", text
        )
        assert not found, path.name
