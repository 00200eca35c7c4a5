"""The API against its own OpenAPI document: no 500, each answer as documented, whatever is sent."""

from pathlib import Path

from fuzzing import by_hand, by_schema
from world import running_world

NOT_UNDERSTOOD = {"/v1/grids/{code}/calendar"}
"""Schemathesis cannot read pairs (prefixItems) inside an array; other tests look at these answers."""


def test_every_answer_is_as_documented(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        found = by_schema(world, "admin", examples=1)
    assert found.faults == {}
    assert found.unchecked <= NOT_UNDERSTOOD
    assert found.cases > 90, found.statuses


def test_no_value_in_any_place_breaks_it(tmp_path: Path) -> None:
    with running_world(tmp_path) as world:
        found = by_hand(world, "operator", every=24)
    assert found.faults == {}
    assert found.cases > 100, found.statuses
