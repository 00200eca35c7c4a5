from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.fleet import MAX_SCENE_BYTES, Fleet
from ingest.messages import MAX_RULES_BYTES, sighting_to_json
from ingest.pipes import Message, Reader
from ingest.spool import Report, Spool
from models.camera import CameraPoint, Credentials
from models.errors import InvalidInput, Unavailable
from models.gate import GateLog, gate_log_to_json
from models.incident import Phase
from tests.ingest.worker_samples import JPEG, NOW_S, camera, sighting


class Keeper:
    """A spool and an evidence store in memory; ``full`` makes it refuse."""

    def __init__(self, states: dict[str, dict[str, Any]] | None = None) -> None:
        self.kept = states or {}
        self.reports: list[Report] = []
        self.evidence: list[bytes] = []
        self.full = False
        self.scenes: dict[str, bytes] = {}

    def states(self) -> dict[str, dict[str, Any]]:
        return dict(self.kept)

    def append(self, reports: Sequence[Report], states: Mapping[str, Mapping[str, Any]], now_s: float) -> list[int]:
        del now_s
        if self.full:
            raise Unavailable("the disk is full")
        self.reports += reports
        self.kept |= {camera_id: dict(state) for camera_id, state in states.items()}
        return list(range(len(self.reports)))

    def forget(self, camera_ids: Sequence[str]) -> None:
        self.kept = {camera_id: state for camera_id, state in self.kept.items() if camera_id not in camera_ids}

    def scene(self, camera_id: str) -> bytes | None:
        return self.scenes.get(camera_id)

    def keep_scene(self, camera_id: str, data: bytes, now_s: float) -> None:
        del now_s
        self.scenes[camera_id] = data

    def drop_scenes(self, kept_ids: Collection[str]) -> None:
        self.scenes = {camera_id: data for camera_id, data in self.scenes.items() if camera_id in kept_ids}

    def put(self, data: bytes) -> str:
        if self.full:
            raise Unavailable("the disk is full")
        self.evidence.append(data)
        return f"{len(self.evidence):064x}"


def fleet_of(keeper: Keeper, *cameras: CameraPoint) -> Fleet:
    fleet = Fleet(keeper, keeper, lambda: 0.0)
    fleet.update(cameras, NOW_S)
    return fleet


def ask(fleet: Fleet, now_s: float = NOW_S) -> list[str]:
    return [camera_id for camera_id, _ in fleet.due(now_s, lambda _: True)]


def tell(fleet: Fleet, op: str, now_s: float = NOW_S, blobs: tuple[bytes, ...] = (), **fields: Any) -> None:
    about = {"camera_id": "cam1", "attempt": 1}
    fleet.told(Message(op, about | fields, blobs), {"cam1"}, now_s)


def watched(keeper: Keeper) -> Fleet:
    fleet = fleet_of(keeper, camera())
    assert ask(fleet) == ["cam1"]
    tell(fleet, "connected")
    tell(fleet, "pictured")
    return fleet


ONSET = [sighting_to_json(sighting())]


def test_an_onset_is_stored_with_its_still_and_its_state() -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    tell(fleet, "observed", blobs=(JPEG,), rules={"a": 1}, sightings=ONSET)
    (report,) = keeper.reports
    assert report.sighting == sighting()
    assert keeper.evidence == [JPEG]
    assert report.evidence[0].at_s == sighting().at_s
    assert keeper.kept["cam1"]["rules"] == {"a": 1}


def test_a_still_of_who_went_through_a_gate_is_dated_when_they_went() -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    followed = sighting_to_json(replace(sighting(), kind="gate_tailgating"))
    tell(fleet, "observed", blobs=(JPEG,), rules={}, sightings=[followed])
    assert keeper.reports[0].evidence[0].at_s == sighting().onset_s


def test_a_scene_is_kept_and_given_to_the_next_child_while_a_zone_asks_for_it() -> None:
    keeper = Keeper()
    yard = replace(camera().zones[0], kinds=("illegal_structure",), levels={})
    fleet = fleet_of(keeper, replace(camera(), zones=(yard,)))
    assert ask(fleet) == ["cam1"]
    tell(fleet, "scene", blobs=(b"learned",))
    fleet.orphaned(["cam1"], NOW_S)
    ((_, order),) = fleet.due(NOW_S, lambda _: True)
    assert Reader().feed(order)[0].blobs == (b"learned",)
    fleet.update([replace(camera(), enabled=False)], NOW_S)
    assert keeper.scenes == {"cam1": b"learned"}  # out of service for a while
    fleet = fleet_of(keeper, camera())
    ((_, order),) = fleet.due(NOW_S, lambda _: True)
    assert Reader().feed(order)[0].blobs == ()  # nobody asks for it
    fleet.update([], NOW_S)
    assert keeper.scenes == {}


def test_the_scene_of_a_camera_goes_with_it_though_it_was_out_of_service() -> None:
    keeper = Keeper()
    fleet = fleet_of(keeper, replace(camera(), enabled=False))
    keeper.scenes = {"cam1": b"learned"}
    fleet.update([], NOW_S)
    assert keeper.scenes == {}
    keeper.scenes = {"cam1": b"learned"}
    fleet_of(keeper)  # it went while nobody was there to see it go
    assert keeper.scenes == {}


def test_no_scene_goes_while_the_registry_cannot_name_all_its_cameras() -> None:
    keeper = Keeper({"cam1": {}})
    keeper.scenes = {"cam1": b"learned"}
    fleet = Fleet(keeper, keeper, lambda: 0.0)
    fleet.update([], NOW_S, is_whole=False)  # its password does not open just now
    fleet.update([camera()], NOW_S)
    fleet.update([], NOW_S, is_whole=False)
    assert keeper.scenes == {"cam1": b"learned"}
    fleet.update([], NOW_S)
    assert keeper.scenes == {}


def test_scenes_of_many_cameras_are_handed_out_no_faster_than_a_child_takes_them() -> None:
    keeper = Keeper()
    yard = replace(camera().zones[0], kinds=("illegal_structure",), levels={})
    ids = [f"cam{number}" for number in range(10)]
    keeper.scenes = dict.fromkeys(ids, b"x" * MAX_SCENE_BYTES)
    fleet = fleet_of(keeper, *(replace(camera(id_), zones=(yard,)) for id_ in ids))
    turns = [ask(fleet) for _ in range(6)]
    assert [len(turn) for turn in turns] == [2, 2, 2, 2, 2, 0]
    assert sorted(camera_id for turn in turns for camera_id in turn) == ids


@pytest.mark.parametrize("blobs", [(), (b"a", b"b"), (b"x" * (MAX_SCENE_BYTES + 1),)])
def test_a_scene_that_is_none_is_refused(blobs: tuple[bytes, ...]) -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    with pytest.raises(InvalidInput):
        tell(fleet, "scene", blobs=blobs)
    assert keeper.scenes == {}


def test_what_ends_needs_no_still() -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    tell(fleet, "observed", rules={}, sightings=[sighting_to_json(sighting(Phase.CLEARED))])
    assert keeper.reports[0].evidence == ()


def test_states_alone_are_saved_together_later() -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    tell(fleet, "observed", rules={"a": 1}, sightings=[])
    assert "cam1" not in keeper.kept
    fleet.save(NOW_S)
    assert keeper.kept["cam1"]["rules"] == {"a": 1}


def test_a_message_that_could_not_be_stored_can_be_given_again() -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    keeper.full = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            tell(fleet, "observed", blobs=(JPEG,), rules={"a": 1}, sightings=ONSET)
    keeper.full = False
    tell(fleet, "observed", blobs=(JPEG,), rules={"a": 1}, sightings=ONSET)
    assert len(keeper.reports) == 1


@pytest.mark.parametrize(
    ("op", "fields", "blobs"),
    [
        ("dance", {}, ()),
        ("observed", {}, ()),
        ("observed", {"rules": [], "sightings": []}, ()),
        ("observed", {"rules": {}, "sightings": {}}, ()),
        ("observed", {"rules": {}, "sightings": [3]}, ()),
        ("observed", {"rules": {}, "sightings": ONSET * 65}, ()),
        ("observed", {"rules": {"a": "x" * 300_000}, "sightings": []}, ()),
        ("observed", {"rules": {}, "sightings": [ONSET[0] | {"zone_id": "elsewhere"}]}, ()),
        ("observed", {"rules": {}, "sightings": ONSET}, (b"<html>",)),
        ("observed", {"rules": {}, "sightings": [ONSET[0] | {"confidence": 10**400}]}, ()),
        ("observed", {"rules": {}, "sightings": [ONSET[0] | {"place": [10**400, 1]}]}, ()),
        ("alive", {"cameras": []}, ()),
        ("alive", {"cameras": {"cam1": {"keyframes": "many"}}}, ()),
        ("alive", {"cameras": {"cam1": 3}}, ()),
    ],
)
def test_nonsense_of_a_child_is_refused_and_changes_nothing(
    op: str, fields: dict[str, Any], blobs: tuple[bytes, ...]
) -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    before = fleet.status()
    with pytest.raises(InvalidInput):
        tell(fleet, op, blobs=blobs, **fields)
    assert fleet.status() == before
    assert keeper.reports == []
    assert keeper.evidence == []


def test_the_largest_state_that_is_taken_goes_into_the_spool(tmp_path: Path) -> None:
    """What the fleet takes and the spool then refuses would end the worker at its next save."""
    spool = Spool(tmp_path / "spool.db", NOW_S)
    fleet = Fleet(spool, Keeper(), lambda: 0.0)
    fleet.update([camera()], NOW_S)
    ask(fleet)
    tell(fleet, "observed", rules={"a": "x" * (MAX_RULES_BYTES - len('{"a": ""}'))}, sightings=[])
    fleet.save(NOW_S)
    assert len(spool.states()["cam1"]["rules"]["a"]) > MAX_RULES_BYTES - 10
    spool.close()


def test_a_child_speaks_for_its_own_cameras_only() -> None:
    keeper = Keeper()
    fleet = watched(keeper)
    for camera_id in ("cam2", None, ["cam1"]):
        tell(fleet, "observed", camera_id=camera_id, rules={}, sightings=ONSET)
    fleet.told(Message("observed", {"camera_id": "cam1", "attempt": 1, "rules": {}, "sightings": ONSET}), set(), NOW_S)
    assert keeper.reports == []
    assert fleet.refused_cameras == 4


def test_what_belongs_to_an_older_asking_is_passed_over() -> None:
    fleet = watched(Keeper())
    fleet.update([camera(version=2)], NOW_S)
    tell(fleet, "failed", code="camera_refused", message="too late")
    assert ask(fleet) == ["cam1"]
    tell(fleet, "failed", code="camera_refused", message="too late")
    assert fleet.status()["cam1"]["error"] is None
    tell(fleet, "failed", attempt=2, code="camera_refused", message="now")
    assert fleet.status()["cam1"]["error"] == "now"


def test_a_failed_camera_is_asked_for_again_when_its_wait_is_over() -> None:
    fleet = fleet_of(Keeper(), camera())
    assert ask(fleet) == ["cam1"]
    tell(fleet, "failed", code="camera_refused", message="no")
    assert ask(fleet, NOW_S + 0.9) == []
    assert ask(fleet, NOW_S + 1.0) == ["cam1"]


def test_offline_is_reported_and_over_with_the_first_picture() -> None:
    keeper = Keeper()
    fleet = fleet_of(keeper, camera())
    ask(fleet)
    tell(fleet, "failed", code="camera_refused", message="no")
    fleet.report_offline(NOW_S + 11)
    fleet.report_offline(NOW_S + 12)
    assert keeper.kept["cam1"]["offline_s"] == NOW_S
    ask(fleet, NOW_S + 13)
    tell(fleet, "pictured", NOW_S + 14, attempt=2)
    assert [report.sighting.phase for report in keeper.reports] == [Phase.ONSET, Phase.CLEARED]
    assert keeper.kept["cam1"]["offline_s"] is None


def test_offline_outlives_the_worker_and_ends_when_the_camera_is_switched_off() -> None:
    keeper = Keeper()
    fleet = fleet_of(keeper, camera())
    ask(fleet)
    tell(fleet, "failed", code="camera_refused", message="no")
    fleet.report_offline(NOW_S + 11)
    again = fleet_of(keeper, camera())
    again.update([camera(enabled=False)], NOW_S + 20)
    assert [report.sighting.phase for report in keeper.reports] == [Phase.ONSET, Phase.CLEARED]
    assert keeper.kept == {}
    assert list(again.camera_ids) == []


def test_a_child_that_is_gone_costs_its_cameras_no_wait() -> None:
    fleet = watched(Keeper())
    fleet.orphaned(["cam1", "unknown"], NOW_S + 1)
    assert ask(fleet, NOW_S + 1) == ["cam1"]


def test_orders_carry_the_saved_state_and_wait_for_a_child_that_can_take_them() -> None:
    keeper = Keeper({"cam1": {"version": 1, "rules": {"a": 1}, "offline_s": None}, "old": {"version": 1}})
    fleet = fleet_of(keeper, camera(account=Credentials("admin", "s3cret")))
    assert fleet.due(NOW_S, lambda _: False) == []
    ((_, order),) = fleet.due(NOW_S, lambda _: True)
    assert b'"a":1' in order
    assert b"s3cret" in order
    assert "old" not in keeper.kept
    assert "s3cret" not in str(fleet.status())


def gates_told(fleet: Fleet, now_s: float = NOW_S) -> list[Any]:
    reader, told = Reader(), []
    for _, data in fleet.due(now_s, lambda _: True):
        told += [message for message in reader.feed(data) if message.op == "gate"]
    return [message.fields["gate"] for message in told]


def test_what_a_gate_says_is_told_after_its_camera_was_given_out_once_and_again_to_the_next_child() -> None:
    fleet = fleet_of(Keeper(), camera())
    shut, open_ = GateLog(), GateLog(open_since_s=NOW_S)
    fleet.take_gates({"cam1": shut, "cam9": shut})
    told = [gate_log_to_json(shut)]
    assert gates_told(fleet) == told
    assert gates_told(fleet) == []
    fleet.take_gates({"cam1": open_, "cam9": shut})
    assert gates_told(fleet) == [gate_log_to_json(open_)]
    fleet.orphaned(["cam1"], NOW_S)
    assert gates_told(fleet, NOW_S + 60) == [gate_log_to_json(open_)]
    fleet.take_gates({})
    assert gates_told(fleet) == [None]  # the gate is no more
    fleet.orphaned(["cam1"], NOW_S + 60)
    assert gates_told(fleet, NOW_S + 120) == []
