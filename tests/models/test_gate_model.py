import pytest

from models.camera import Zone, zone_from_json, zone_to_json
from models.errors import InvalidInput
from models.gate import MOST_PASSES, GateEvent, GateLog, GateSignal, gate_log_from_json, gate_log_to_json

WAY = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def passes(*times_s: float) -> list[GateSignal]:
    return [GateSignal(GateEvent.PASS, at_s) for at_s in times_s]


def test_signals_are_taken_in_the_order_of_their_times_and_the_last_passes_are_kept_whatever_those_are() -> None:
    log = GateLog().after([GateSignal(GateEvent.CLOSED, 5.0), GateSignal(GateEvent.OPENED, 3.0), *passes(4.0, 2.0)])
    assert ([each.at_s for each in log.passes], log.open_since_s) == ([2.0, 4.0], None)
    assert len(log.after(passes(9e9)).after(passes(6.0)).passes) == 4  # one dated wrong takes no other along
    assert len(GateLog().after(passes(*([9.0] * (MOST_PASSES + 5)))).passes) == MOST_PASSES


def test_an_opening_said_twice_began_with_the_first_and_two_gates_are_one_way() -> None:
    open_ = GateLog().after([GateSignal(GateEvent.OPENED, 1.0), GateSignal(GateEvent.OPENED, 9.0)])
    both = open_.joined(GateLog().after([GateSignal(GateEvent.CLOSED, 0.0), *passes(2.0)]))
    assert (both.open_since_s, both.tells_closing, len(both.passes)) == (1.0, False, 1)


def test_a_log_comes_back_from_json_and_nonsense_does_not() -> None:
    log = GateLog().after([*passes(1.0, 2.0), GateSignal(GateEvent.OPENED, 3.0), GateSignal(GateEvent.CLOSED, 4.0)])
    assert gate_log_from_json(gate_log_to_json(log)) == log
    for data in ({}, {**gate_log_to_json(log), "passes": [[1]]}, {**gate_log_to_json(log), "open_since_s": "nan"}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            gate_log_from_json(data)


def test_a_line_is_kept_and_one_that_nobody_can_cross_is_refused() -> None:
    zone = Zone("g", "Gate", WAY, ("gate_tailgating",), line=((0.2, 0.5), (0.8, 0.5)))
    assert zone_from_json(zone_to_json(zone)) == zone
    for line, why in ((((0.2, 0.5), (0.2, 0.5)), "too short"), (((0.2, 0.5), (0.2, 1.5)), "fractions of the picture")):
        with pytest.raises(InvalidInput, match=why):
            Zone("g", "Gate", WAY, ("gate_tailgating",), line=line)
