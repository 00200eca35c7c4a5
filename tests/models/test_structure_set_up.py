from typing import Any

import pytest

from models.errors import Conflict, InvalidInput, NotFound
from models.structure import MOST_PERMITS, Accepted, Permit, accepted_from_json

PERMIT = {"zone_id": "yard", "from_s": 100.0, "until_s": 200.0, "reference": "2026-117"}


def test_it_reads_what_it_writes() -> None:
    accepted = Accepted(50.0, (Permit("yard", 100.0, 200.0, "2026-117"),))
    assert accepted_from_json(accepted.to_json()) == accepted
    assert accepted_from_json({}) == Accepted()


def test_accepting_lets_what_is_over_go_and_permits_are_one_of_a_number() -> None:
    accepted = Accepted().with_permit(Permit("yard", 100.0, 200.0, "1")).with_permit(Permit("yard", 100.0, 300.0, "2"))
    with pytest.raises(Conflict):
        accepted.with_permit(Permit("yard", 5.0, 6.0, "2"))
    assert [permit.reference for permit in accepted.accepted(200.0).permits] == ["2"]
    assert accepted.without_permit("yard", "1").permits == accepted.accepted(200.0).permits
    with pytest.raises(NotFound):
        accepted.without_permit("street", "1")


def test_a_permit_holds_in_its_zone_until_it_ends() -> None:
    accepted = accepted_from_json({"permits": [PERMIT]})
    assert [accepted.permitted("yard", at_s) is not None for at_s in (99.0, 100.0, 199.0, 200.0)] == [0, 1, 1, 0]
    assert accepted.permitted("street", 150.0) is None


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"accepted": 1},
        {"accepted_s": "now"},
        {"accepted_s": True},
        {"accepted_s": float("nan")},
        {"accepted_s": 1e15},
        {"permits": {}},
        {"permits": ["2026-117"]},
        {"permits": [PERMIT | {"until_s": 100.0}]},
        {"permits": [PERMIT | {"until_s": float("inf")}]},
        {"permits": [PERMIT | {"until_s": 9e11}]},
        {"permits": [PERMIT | {"from_s": -9e11}]},
        {"accepted_s": 9e11},
        {"permits": [PERMIT | {"reference": " "}]},
        {"permits": [PERMIT | {"reference": "x" * 101}]},
        {"permits": [PERMIT | {"holder": "someone"}]},
        {"permits": [PERMIT] * (MOST_PERMITS + 1)},
    ],
)
def test_what_is_none_is_refused_in_a_sentence(data: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        accepted_from_json(data)
    assert len(str(caught.value)) > 20
