"""What lies in another district answers word for word as what does not exist: a refusal tells nothing."""

from dataclasses import replace
from typing import Any

import pytest
from test_access import CALLS, Things, things  # noqa: F401 - a fixture
from world import SOUTH, World

from models.people import PERMISSIONS, Role

NOWHERE: dict[str, Any] = {
    "leaf": "NOWHERE",
    "alert_id": "0" * 26,
    "camera_id": "1" * 26,
    "sha256": "e" * 64,
    "person_id": "2" * 26,
    "username": "nobody",
    "org": "no-such-org",
    "shift_id": 2**31 - 1,
    "absence_id": 2**31 - 1,
    "promise_id": "3" * 26,
    "handover_id": "4" * 26,
    "source_id": "5" * 26,
    "template": "no-such-template",
}


def said(answer: Any, of: Things) -> tuple[int, str]:
    """Status and body without the names that the question itself held."""
    text = answer.text
    for value in sorted({str(value) for value in names(of).values()}, key=len, reverse=True):
        text = text.replace(value, "…")
    return answer.status_code, text


def names(of: Things) -> dict[str, Any]:
    return {name: value for name, value in vars(of).items() if name in NOWHERE and isinstance(value, str)}


@pytest.mark.parametrize("role", list(Role))
def test_what_is_anothers_looks_like_what_is_not_there(
    world: World,
    things: dict[str, Things],  # noqa: F811
    role: Role,
) -> None:
    theirs = things[SOUTH]
    nothing = replace(theirs, **{name: value for name, value in NOWHERE.items() if hasattr(theirs, name)})
    differ, asked = [], 0
    with world.client(role.value) as client:
        for (method, route), call in CALLS.items():
            may = call.needs is None or call.needs in PERMISSIONS[role]
            if not call.by_grid or not may or call.outside != 404 or "{" not in route:
                continue
            asked += 1
            how = call.how(theirs)
            seen = [said(client.request(method, of.path(route), **how), of) for of in (theirs, nothing)]
            if seen[0] != seen[1]:
                differ.append((method, route, *seen))
    assert differ == []
    assert asked >= 8
