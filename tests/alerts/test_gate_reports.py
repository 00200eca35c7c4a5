"""What a gate says of itself: into the ledger without an alert, and from there to whoever follows its camera."""

from pathlib import Path

import pytest
from desk_scene import NOW, FakePlaces
from sqlalchemy import Engine

from alerts.gate_reports import GateReports
from alerts.intake import Intake, Report
from alerts.intake_sources import IntakeSources, NewSource, Registered, SourceKind
from alerts.vault import Vault
from models.gate import Direction, GateLog
from models.people import SYSTEM


@pytest.fixture
def intake(town: Engine, places: FakePlaces, tmp_path: Path) -> Intake:
    return Intake(town, places, Vault(tmp_path / "key"))


@pytest.fixture
def sources(town: Engine) -> IntakeSources:
    return IntakeSources(town, lambda: NOW)


def gate(sources: IntakeSources, kind: SourceKind = SourceKind.DEVICE, camera_id: str | None = "cam1") -> Registered:
    return sources.add(SYSTEM, NewSource("东门", kind, "g1", ["gate_event", "gate_fault"], camera_id=camera_id))


def event(own_id: str, at_s: float = NOW, **measure: object) -> Report:
    return Report(external_id=own_id, kind="gate_event", accuracy_m=0, at_s=at_s, measure=measure)


@pytest.mark.both_databases
def test_what_a_gate_says_raises_no_alert_and_is_read_once_by_camera(
    town: Engine, intake: Intake, sources: IntakeSources
) -> None:
    reports = GateReports(town)
    assert reports.read() == {}
    reporter = sources.reporter(gate(sources).token)
    assert reports.read() == {"cam1": GateLog()}
    said = [event("1", NOW - 5, event="closed"), event("2", event="opened"), event("3", event="pass", direction="in")]
    assert [each.disposition for each in intake.take(reporter, said, NOW)] == ["suppress"] * 3
    log = reports.read()["cam1"]
    assert (log.open_since_s, log.tells_closing) == (NOW, True)
    assert [(each.at_s, each.direction, each.count) for each in log.passes] == [(NOW, Direction.IN, 1)]
    intake.take(reporter, [event("4", NOW + 1, event="pass", count=2), event("5", NOW + 2, event="closed")], NOW + 2)
    log = reports.read()["cam1"]
    assert ([each.count for each in log.passes], log.open_since_s) == ([1, 2], None)
    assert reports.read()["cam1"] == log == GateReports(town).read()["cam1"]  # one that begins looks back


def test_what_is_no_gate_event_or_no_cameras_is_passed_over(
    town: Engine, intake: Intake, sources: IntakeSources
) -> None:
    registered = gate(sources)
    reporter = sources.reporter(registered.token)
    fault = Report(external_id="1", kind="gate_fault", accuracy_m=0, key="arm")
    plain = event("2")  # names no event: an alert, as ever
    assert [each.disposition for each in intake.take(reporter, [fault, plain], NOW)] == ["raise", "raise"]
    gate(sources, SourceKind.OTHER)
    assert GateReports(town).read() == {"cam1": GateLog()}
    reports = GateReports(town)
    reports.read()
    sources.set_active(SYSTEM, registered.source.id, False)
    assert reports.read() == {}


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ({"event": "teleported"}, "a gate's event is one of: pass, opened, closed"),
        ({"event": ["pass"]}, "a gate's event is one of"),
        ({"event": "pass", "direction": "up"}, "a gate's direction is one of: in, out"),
        ({"event": "pass", "count": 0}, "a whole number of 1 to 100"),
        ({"event": "pass", "count": True}, "a whole number of 1 to 100"),
        ({"event": "pass", "count": 1e9}, "a whole number of 1 to 100"),
    ],
)
def test_a_gate_event_that_cannot_be_is_refused_with_a_sentence(
    measure: dict[str, object], said: str, intake: Intake, sources: IntakeSources
) -> None:
    (taken,) = intake.take(sources.reporter(gate(sources).token), [event("1", **measure)], NOW)
    assert taken.alert_id is None
    assert said in str(taken.faults[0])
