"""What random people try with random cases, and what every step of a case's log must keep to."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from desk_scene import ACTORS, NOW, PHOTO
from hypothesis import strategies as st

from alerts.lifecycle import allowed
from alerts.transitions import HELD, TRANSITIONS
from models.alert import DISMISS_REASONS, OUTCOMES, RETURN_REASONS, Alert, CommandType, Event, EventType, State
from models.people import SYSTEM, Actor

ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.just("说明"),
        "fence": st.integers(0, 3),
        "evidence": st.sampled_from([[PHOTO], ["0" * 64]]),
        "outcome": st.sampled_from(OUTCOMES),
        "until_s": st.sampled_from([NOW + 86_400 * 300, NOW + 600]),
        "reply_due_s": st.sampled_from([NOW + 86_400 * 300, NOW + 600]),
        "unit": st.just("u"),
        "person_id": st.sampled_from(["w1", "w2", "w3"]),
        "rating": st.integers(0, 5),
        "reached": st.booleans(),
        "satisfied": st.booleans(),
        "grid_code": st.sampled_from(["d", "g1", "g2"]),
    },
)
CODES = {CommandType.DISMISS: DISMISS_REASONS[0], CommandType.RETURN: RETURN_REASONS[0]}
_NEEDED = {c: set(row.needs) | set(row.takes) | {"text"} for c, row in TRANSITIONS.items()}
_ON = {
    *(CommandType.ACKNOWLEDGE, CommandType.TAKE_OVER, CommandType.CLAIM, CommandType.ACCEPT, CommandType.ARRIVE),
    *(CommandType.HANDLE, CommandType.VERIFY, CommandType.CLOSE, CommandType.REOPEN, CommandType.RESUME),
}
"""Commands that bring a case on: without a bias to them, hardly a walk gets anywhere."""
_ENDING = {CommandType.DISMISS, CommandType.CONFIRM_VOID, CommandType.VOID_ALONE, CommandType.NOTE}
_VERSATILE = Actor("w1", "W1", ACTORS["w1"].grants + ACTORS["op"].grants)
"""Works and verifies: only the rule itself keeps such a person from verifying what they handled."""
_PEOPLE = [*ACTORS.values(), _VERSATILE, SYSTEM]
_SURE: Mapping[str, Callable[[Alert, float], Any]] = {
    "reply_due_s": lambda _, now_s: now_s + 86_400 * 300,
    "unit": lambda *_: "u",
    "person_id": lambda *_: "w2",
    "rating": lambda *_: 4,
    "reached": lambda *_: True,
    "fence": lambda alert, _: alert.fence,
    "text": lambda *_: "说明",
    "evidence": lambda *_: [PHOTO],
    "outcome": lambda *_: OUTCOMES[0],
    "until_s": lambda _, now_s: now_s + 86_400 * 300,
    "grid_code": lambda *_: "d",
}
_BY_EVENT = {row.event: row for row in TRANSITIONS.values()}
_MOVES_BACK = {EventType.RESUMED, EventType.VOID_REFUSED, EventType.VOID_LAPSED}
"""Their state is the one from before, which the table cannot name."""


def drawn(pick: Random, alert: Alert, now_s: float) -> tuple[Actor, CommandType]:
    """Mostly someone who may, and what brings the case on; now and then anyone with anything."""
    may = [(who, kind) for who in _PEOPLE for kind in allowed(alert, who, now_s)]
    on = _ON | ({CommandType.DISPATCH} if alert.state not in (State.DISPATCHED, *HELD) else set())
    if pick.random() < 0.9:
        may = [way for way in may if way[1] not in _ENDING]
    ways = [way for way in may if way[1] in on] if pick.random() < 0.6 else may
    if not ways or pick.random() < 0.05:
        ways = [(who, kind) for who in _PEOPLE for kind in CommandType]
    chosen = pick.choice(sorted({kind for _, kind in ways}))  # else what many may do would be done all the time
    return pick.choice([way for way in ways if way[1] is chosen])


def arguments_of(kind: CommandType, given: Mapping[str, Any], alert: Alert, now_s: float) -> dict[str, Any]:
    """Those of ``given`` that the command knows, and good ones for what it needs beside them."""
    known = {name: value for name, value in given.items() if name in _NEEDED[kind]}
    return known | {name: _SURE[name](alert, now_s) for name in TRANSITIONS[kind].needs if name not in known}


def keeps_to_the_table(before: Alert | None, event: Event, after: Alert) -> None:
    """One step of a log: no way but the table's, no state that is undefined, no fence that shrinks."""
    if before is None:
        assert (event.type, after.state) == (EventType.DETECTED, State.NEW)
        return
    row = _BY_EVENT.get(event.type)
    if row is not None:
        assert before.state in row.sources, f"{event.type} from {before.state}"
    if row is not None and row.to is not None:
        assert after.state is row.to
    elif event.type not in _MOVES_BACK:
        assert after.state is before.state, f"{event.type} moves {before.state} to {after.state}"
    assert after.fence >= before.fence
    assert after.verified_by is None or after.verified_by != after.handled_by
