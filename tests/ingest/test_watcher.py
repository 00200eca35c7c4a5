"""A child's turns: with a receiver and a detector that are told what to say; pictures, decoder and gate are real."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pytest
from structlog.testing import capture_logs

from detectors import health
from detectors.calibration import Sample
from detectors.course import Course
from detectors.crossing import Walkers
from detectors.detector import Look, Observed
from ingest.collector import START_CODE
from ingest.connection import Connected
from ingest.decode import KeyframeDecoder
from ingest.footage import Footage
from ingest.messages import camera_to_json, source_from_json
from ingest.pipes import Message, Reader
from ingest.receiver import Event, Failed
from ingest.scenes import Told
from ingest.stream import Keyframe, Recent
from ingest.watcher import HOT_S, MAX_CORRUPT, Watcher
from models.camera import CameraPoint, SourceUrl, zone_to_json
from models.detections import Detections
from models.errors import CameraStalled
from models.frame import Frame, Pixels
from models.gate import GateLog
from models.incident import Phase, Sighting
from tests.ingest.test_fleet import Keeper, ask, fleet_of
from tests.ingest.worker_samples import NOW_S, camera, sighting


class Line:
    """A receiver: what is put on it comes out of the next poll."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.watched: dict[str, SourceUrl] = {}

    def add(self, camera_id: str, source: SourceUrl) -> None:
        assert camera_id not in self.watched
        self.watched[camera_id] = source

    def remove(self, camera_id: str) -> None:
        self.watched.pop(camera_id, None)

    def recent(self, camera_id: str, since_s: float, until_s: float) -> Recent | None:
        del camera_id, since_s, until_s
        return None

    def poll(self, timeout_s: float) -> list[Event]:
        del timeout_s
        events, self.events = self.events, []
        return events


class Script:
    """A detector that counts its looks and says what it is told to."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.sightings: tuple[Sighting, ...] = ()
        self.is_running = False
        self.breaks = False
        self.broken: dict[str, str] = {}
        self.state: dict[str, Any] = {}
        self.reasons: dict[str, tuple[str, ...]] = {}

    def observe(self, camera: CameraPoint, frame: Frame, state: Mapping[str, Any], gate: GateLog | None) -> Observed:
        del camera, gate
        if self.breaks:
            raise ValueError("a frame that nobody thought of")
        self.frames.append(frame)
        state = {"looks": state.get("looks", 0) + 1} | self.state
        look = Look(frame.at_s, frame.width_px, frame.height_px, Detections.none(("person",)), "fake@1")
        reasons = self.reasons or {"crowding/plaza": (f"plaza: {len(self.frames)} looks",)}
        return Observed(state, self.sightings, look, reasons, self.is_running, self.broken)

    def follow(
        self, camera: CameraPoint, frame: Frame, state: Mapping[str, Any], walkers: Walkers, gate: GateLog | None
    ) -> tuple[Observed, Walkers]:
        del camera, frame, state, walkers, gate
        raise AssertionError("a camera without a gate is not followed")


class Eyes:
    """Remembers what it was told to hide besides what it sees itself."""

    def __init__(self) -> None:
        self.told: list[tuple[Detections | None, np.ndarray | None]] = []
        self.takes: Callable[[], None] = lambda: None

    def masked_still(self, pixels: Pixels, *, seen: Detections | None = None, moved: np.ndarray | None = None) -> bytes:
        self.takes()
        self.told.append((seen, moved))
        return b"\xff\xd8\xff" + str(pixels.shape).encode()

    def sample(self, pixels: Pixels) -> Sample:
        return Sample(pixels.shape[1], pixels.shape[0], "fake@1", np.array([0.5], np.float32), 1)


class Building:
    """Scenes that remember what they are told and say what they are told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bytes | None]] = []
        self.told = Told((), (), {}, None)
        self.breaks = False
        self.due_s = math.inf

    def begin(self, camera_id: str, data: bytes | None) -> None:
        self.heard.append(("begin", camera_id, data))

    def forget(self, camera_id: str) -> None:
        self.heard.append(("forget", camera_id, None))

    def is_due(self, camera: CameraPoint, at_s: float) -> bool:
        del camera
        return at_s >= self.due_s

    def look(
        self, camera: CameraPoint, frame: Frame, seen: Detections, moved: object, show: Callable[[], bytes]
    ) -> Told:
        del camera, frame, seen, moved
        if self.breaks:
            raise ValueError("a scene that nobody thought of")
        return replace(self.told, stills=(show(),))


class Scene:
    """A watcher with its surroundings; ``said`` are its messages by op."""

    def __init__(self, footage: Footage) -> None:
        self.line, self.script, self.eyes, self.building = Line(), Script(), Eyes(), Building()
        self.steady_s = 100.0
        self._reader = Reader()
        self.said: list[Message] = []
        self.keys = [sample.nals for sample in footage.samples if sample.key]
        self.sets = footage.parameter_sets
        self.watcher = Watcher(
            self.line,
            KeyframeDecoder(),
            self.script,
            self.eyes,
            lambda data: self.said.extend(self._reader.feed(data)),
            lambda: NOW_S,
            lambda: self.steady_s,
            scenes=self.building,
        )

    def watch(self, point: CameraPoint, attempt: int = 1) -> None:
        fields = {"camera": camera_to_json(point), "attempt": attempt, "rules": {}}
        self.watcher.obey(Message("watch", fields))

    def keyframe(self, at_s: float, which: int = 0, camera_id: str = "cam1") -> Keyframe:
        annexb = b"".join(START_CODE + nal for nal in (*self.sets, *self.keys[which]))
        return Keyframe(camera_id, NOW_S + at_s, NOW_S + at_s, "h264", annexb)

    def turn(self, *events: Event) -> None:
        self.line.events += events
        self.watcher.turn(0.0)

    def of(self, op: str) -> list[Message]:
        return [message for message in self.said if message.op == op]


@pytest.fixture
def scene(footage: dict[str, Footage]) -> Scene:
    scene = Scene(footage["h264"])
    scene.watch(camera())
    return scene


def test_the_first_picture_is_told_once_and_looked_at(scene: Scene) -> None:
    scene.turn(scene.keyframe(0.0))
    scene.turn(scene.keyframe(2.0, 1))
    assert [message.fields for message in scene.of("pictured")] == [{"camera_id": "cam1", "attempt": 1}]
    assert [frame.bgr.shape for frame in scene.script.frames] == [(240, 320, 3)] * 2
    assert scene.of("observed")[-1].fields["rules"]["looks"] == 2


def test_a_still_scene_is_looked_at_no_more_but_after_a_minute(scene: Scene) -> None:
    for at_s in range(0, 100, 2):
        scene.turn(scene.keyframe(float(at_s)))
    looks = [frame.at_s - NOW_S for frame in scene.script.frames]
    assert looks == [float(t) for t in range(0, int(HOT_S), 2)] + [68.0, 70.0, 72.0, 74.0, 76.0]


def test_a_still_scene_in_a_dwell_is_looked_at_always(scene: Scene) -> None:
    scene.script.is_running = True
    for at_s in range(0, 100, 2):
        scene.turn(scene.keyframe(float(at_s)))
    assert len(scene.script.frames) == 50


def test_an_onset_goes_up_with_one_masked_still(scene: Scene) -> None:
    scene.script.sightings = (sighting(),)
    scene.turn(scene.keyframe(0.0))
    (message,) = scene.of("observed")
    assert len(message.fields["sightings"]) == 1
    assert message.blobs[0].startswith(b"\xff\xd8\xff")


def test_what_is_built_goes_up_with_its_picture_and_its_scene_is_told_to_be_kept(scene: Scene) -> None:
    built = replace(sighting(), kind="illegal_structure", part="1-1")
    scene.building.due_s = NOW_S + 2.0
    scene.building.told = Told((built,), (), {"illegal_structure/plaza": ("it stands",)}, b"learned")
    scene.turn(scene.keyframe(0.0))
    scene.turn(scene.keyframe(2.0, 1))
    assert [message.blobs for message in scene.of("scene")] == [(b"learned",)]
    ops = [message.op for message in scene.said]
    assert ops.index("scene") > len(ops) - 1 - ops[::-1].index("observed")  # nothing is known before it is told
    message = scene.of("observed")[-1]
    assert [each["part"] for each in message.fields["sightings"]] == ["1-1"]
    assert len(message.blobs) == 1
    scene.watcher.obey(Message("explain", {"request": 1, "camera_id": "cam1", "since_s": 0.0}))
    scene.turn()
    assert "illegal_structure/plaza" in str(scene.of("answer")[-1].fields)


def test_a_scene_that_breaks_costs_what_is_built_and_nothing_else(scene: Scene) -> None:
    scene.building.breaks, scene.building.due_s = True, NOW_S
    scene.script.sightings = (sighting(),)
    scene.turn(scene.keyframe(2.0))
    assert [each["kind"] for each in scene.of("observed")[-1].fields["sightings"]] == ["crowding"]


def test_a_scene_is_begun_with_what_was_kept_and_forgotten_with_its_camera(scene: Scene) -> None:
    fields = {"camera": camera_to_json(camera()), "attempt": 2, "rules": {}}
    scene.watcher.obey(Message("watch", fields, (b"learned",)))
    scene.watcher.obey(Message("unwatch", {"camera_id": "cam1"}))
    scene.watch(camera("cam2"))
    scene.turn(Failed("cam2", CameraStalled("nothing comes")))  # again and again, maybe: what it learned is not lost
    assert scene.building.heard == [
        ("begin", "cam1", None),
        ("begin", "cam1", b"learned"),
        ("forget", "cam1", None),
        ("begin", "cam2", None),
    ]


def test_a_camera_that_breaks_the_detector_again_and_again_among_others_that_do_not_is_one_line(scene: Scene) -> None:
    scene.watch(camera("cam2"))
    with capture_logs() as logged:
        for number in range(6):
            scene.script.breaks = number % 2 == 0
            scene.turn(scene.keyframe(float(number), number % 2, "cam2" if number % 2 else "cam1"))
    assert len(scene.script.frames) == 3
    assert [line["event"] for line in logged] == ["the detector failed on a frame; it was skipped"]


def test_an_alert_whose_picture_cannot_be_made_goes_without(scene: Scene) -> None:
    def break_down() -> None:
        raise RuntimeError("the encoder")

    scene.eyes.takes = break_down
    scene.script.sightings = (sighting(),)
    scene.turn(scene.keyframe(0.0))
    (message,) = scene.of("observed")
    assert (len(message.fields["sightings"]), message.blobs) == (1, ())
    assert message.fields["rules"]["looks"] == 1


def test_a_set_up_that_breaks_its_check_is_watched(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_: CameraPoint) -> NoReturn:
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr("ingest.watcher.faults", break_down)
    scene.watch(camera("cam2"))
    assert set(scene.line.watched) == {"cam1", "cam2"}


def test_what_was_seen_and_what_moved_is_hidden_in_a_still(scene: Scene) -> None:
    """Also in a picture that somebody asks for, which no rule has judged."""
    scene.turn(scene.keyframe(0.0))
    scene.script.sightings = (sighting(),)
    scene.turn(scene.keyframe(2.0, 1))
    scene.watcher.obey(Message("picture", {"request": 1, "camera_id": "cam1"}))
    scene.turn()
    (seen, moved), (unseen, still_moved) = scene.eyes.told
    assert seen is not None
    assert moved is not None
    assert moved.any()
    assert not moved.all()
    assert unseen is None
    assert still_moved is not None
    assert still_moved.any()


def test_the_first_picture_knows_no_movement(scene: Scene) -> None:
    scene.script.sightings = (sighting(),)
    scene.turn(scene.keyframe(0.0))
    assert [moved for _, moved in scene.eyes.told] == [None]


def test_a_frame_that_breaks_the_detector_is_skipped_and_counted(scene: Scene) -> None:
    scene.script.breaks = True
    scene.turn(scene.keyframe(0.0))
    scene.script.breaks = False
    scene.steady_s += 2
    scene.turn(scene.keyframe(2.0))
    assert scene.of("observed")[-1].fields["rules"]["looks"] == 1
    counters = scene.of("alive")[-1].fields["cameras"]["cam1"]
    assert (counters["detector_errors"], counters["keyframes"], counters["looks"]) == (1, 2, 2)


def test_what_no_message_holds_costs_its_camera_alone(scene: Scene) -> None:
    """Too large a state, too many sightings, a number that there is none for: the parent would end all of the child."""
    zones = [f"z{number}" for number in range(70)]
    keeper = Keeper()
    zoned = replace(camera(), zones=tuple(replace(camera().zones[0], id=zone) for zone in zones))
    fleet = fleet_of(keeper, zoned)
    ask(fleet)
    scene.script.state = {"rules": {f"dumping/{zone}": "x" * 40_000 for zone in zones[:7]} | {"crowding/z8": "small"}}
    scene.script.sightings = tuple(
        replace(sighting(Phase.CONTINUING if number < 10 else Phase.ONSET), zone_id=zone, reason="so " * 1000)
        for number, zone in enumerate(zones)
    )
    scene.turn(scene.keyframe(0.0))
    scene.script.sightings = (replace(sighting(), measure={"persons": float("nan")}),)
    scene.script.state = {"rules": {}}
    scene.turn(scene.keyframe(2.0, 1))
    scene.script.sightings = ()
    scene.steady_s += 2
    scene.turn(scene.keyframe(4.0))
    for message in scene.said:
        fleet.told(message, {"cam1"}, NOW_S)
    assert len(keeper.kept["cam1"]["rules"]["rules"]) == 7
    assert "crowding/z8" in keeper.kept["cam1"]["rules"]["rules"]
    assert sum(report.sighting.phase is Phase.ONSET for report in keeper.reports) == 60
    assert len(keeper.reports) == 64
    counters = fleet.status()["cam1"]
    assert (counters["left_out"], counters["detector_errors"]) == (7, 1)


def test_a_rule_that_fails_and_a_zone_that_cannot_be_judged_are_logged_once_and_counted(scene: Scene) -> None:
    plaza = replace(camera().zones[0], levels={"crowding": {"enter_persons": 3.0, "leave_persons": 4.0}})
    scene.script.broken = {"crowding/plaza": "ZeroDivisionError: division by zero"}
    with capture_logs() as logged:
        scene.watch(replace(camera(), zones=(plaza,)), attempt=2)
        for number in range(3):
            scene.turn(scene.keyframe(2.0 * number, number % 2))
        scene.steady_s += 2
        scene.turn()
    counters = scene.of("alive")[-1].fields["cameras"]["cam1"]
    assert (counters["rule_errors"], counters["faults"], counters["detector_errors"]) == (3, 1, 0)
    whys = [line["why"] for line in logged]
    assert "leave_persons 4 must be below enter_persons 3" in whys[0]
    assert whys[1:] == ["ZeroDivisionError: division by zero"]


def test_of_keyframes_that_queue_up_only_the_newest_is_looked_at(scene: Scene) -> None:
    scene.watch(camera("cam2"))
    scene.turn(scene.keyframe(0.0), scene.keyframe(0.0, 0, "cam2"), scene.keyframe(2.0), scene.keyframe(4.0))
    scene.turn()
    assert [(frame.camera_id, frame.at_s - NOW_S) for frame in scene.script.frames] == [("cam1", 4.0), ("cam2", 0.0)]
    scene.steady_s += 2
    scene.turn()
    assert scene.of("alive")[-1].fields["cameras"]["cam1"]["dropped"] == 2


def test_a_camera_whose_pictures_cannot_be_decoded_has_failed(scene: Scene) -> None:
    for number in range(MAX_CORRUPT):
        garbage = Keyframe("cam1", NOW_S + number, NOW_S, "h264", START_CODE + b"\x65" + bytes(50))
        scene.turn(garbage)
    (message,) = scene.of("failed")
    assert message.fields["code"] == "camera_corrupt"
    assert scene.line.watched == {}
    assert scene.script.frames == []


def test_failures_are_told_and_the_camera_forgotten(scene: Scene) -> None:
    scene.turn(scene.keyframe(0.0), Failed("cam1", CameraStalled("no new picture")))
    told = scene.of("failed")[0].fields
    assert told == {"camera_id": "cam1", "attempt": 1, "code": "camera_stalled", "message": "no new picture"}
    assert scene.script.frames == []


def test_watching_again_replaces_and_unwatching_ends(scene: Scene) -> None:
    scene.watch(camera(host="10.0.0.9"), attempt=2)
    assert scene.line.watched["cam1"] == source_from_json(camera_to_json(camera(host="10.0.0.9"))["source"])
    scene.turn(scene.keyframe(0.0))
    assert scene.of("pictured")[0].fields["attempt"] == 2
    scene.watcher.obey(Message("unwatch", {"camera_id": "cam1"}))
    scene.turn(scene.keyframe(2.0), Connected("cam1", None))
    assert scene.line.watched == {}
    assert len(scene.script.frames) == 1


def test_a_picture_is_of_the_newest_keyframe_or_of_the_next_one(scene: Scene) -> None:
    order = Message("picture", {"request": 7, "camera_id": "cam1"})
    scene.watcher.obey(order)
    scene.turn()
    assert scene.of("answer") == []
    scene.steady_s += 3
    scene.turn(scene.keyframe(2.0))
    (answer,) = scene.of("answer")
    assert (answer.fields["request"], answer.fields["ok"], answer.blobs) == (7, True, (b"\xff\xd8\xff(240, 320, 3)",))
    scene.watcher.obey(order)
    scene.turn()
    assert len(scene.of("answer")) == 2


def test_however_much_is_asked_the_cameras_have_half_of_the_time_and_the_child_is_heard(scene: Scene) -> None:
    """Sixteen pictures in one turn took longer than a child may be silent, and the parent ended it."""
    scene.eyes.takes = lambda: setattr(scene, "steady_s", scene.steady_s + 1.0)
    for number in range(16):
        scene.watcher.obey(Message("picture", {"request": number, "camera_id": "cam1"}))
    answered = []
    for number in range(10):
        scene.turn(scene.keyframe(2.0 * number, number % 2))
        answered.append(len([message for message in scene.of("answer") if message.fields["ok"]]))
        scene.steady_s += 0.5
    assert max(np.diff([0, *answered])) == 1
    assert 2 <= answered[-1] <= 7
    assert len(scene.script.frames) == 10
    assert {message.fields["message"] for message in scene.of("answer") if not message.fields["ok"]} == {
        "too much is asked at once; try again shortly"
    }
    assert len(scene.of("answer")) == 16


def test_a_question_that_breaks_something_costs_no_camera(scene: Scene) -> None:
    def break_down() -> None:
        raise RuntimeError("the encoder")

    scene.turn(scene.keyframe(0.0))
    scene.eyes.takes = break_down
    assert asked_again(scene, "picture")["code"] == "error"
    scene.turn(scene.keyframe(2.0, 1))
    assert len(scene.script.frames) == 2


def test_a_sample_is_a_masked_picture_with_what_the_model_saw_in_it(scene: Scene) -> None:
    scene.watcher.obey(Message("sample", {"request": 7, "camera_id": "cam1"}))
    scene.turn()
    scene.turn(scene.keyframe(2.0))
    (answer,) = scene.of("answer")
    assert answer.fields["sample"] == {
        "width_px": 320,
        "height_px": 240,
        "model": "fake@1",
        "scores": [0.5],
        "plain": 1,
    }
    assert answer.blobs == (b"\xff\xd8\xff(240, 320, 3)",)


@pytest.mark.parametrize("camera_id", ["cam1", "cam9"])
def test_a_picture_that_does_not_come_is_said_in_time(scene: Scene, camera_id: str) -> None:
    scene.watcher.obey(Message("picture", {"request": 7, "camera_id": camera_id}))
    scene.turn()
    scene.steady_s += 5.1
    scene.turn()
    (answer,) = scene.of("answer")
    assert (answer.fields["ok"], answer.fields["code"]) == (False, "unavailable")


def test_pictures_of_a_large_camera_are_made_smaller(scene: Scene) -> None:
    scene.turn(scene.keyframe(0.0))
    assert max(scene.script.frames[0].bgr.shape) <= 1280
    assert scene.script.frames[0].bgr.dtype == np.uint8


def asked_again(scene: Scene, op: str, **fields: Any) -> Mapping[str, Any]:
    scene.watcher.obey(Message(op, {"request": 9, "camera_id": "cam1", **fields}))
    scene.turn()
    answer = scene.of("answer")[-1].fields
    assert answer["request"] == 9
    return answer


def test_what_the_rules_said_is_told_and_another_zone_is_tried_on_what_was_seen(scene: Scene) -> None:
    for at_s in range(0, 30, 2):
        scene.turn(scene.keyframe(float(at_s)))
    (said,) = asked_again(scene, "explain", since_s=NOW_S)["said"]["crowding/plaza"]
    assert (said["times"], said["text"], said["until_s"]) == (5, "plaza: 5 looks", NOW_S + 8)
    zone = zone_to_json(camera().zones[0]) | {"id": "other"}
    tried = asked_again(scene, "rehearse", since_s=NOW_S, zone=zone)
    assert (tried["looks"], tried["from_s"], tried["until_s"]) == (5, NOW_S, NOW_S + 28)
    assert tried["raised"] == []
    assert "0 persons" in tried["said"]["crowding/other"][0]["text"]


def test_what_was_seen_is_remembered_while_a_camera_is_away_but_not_once_it_is_gone(scene: Scene) -> None:
    scene.turn(scene.keyframe(0.0))
    scene.turn(Failed("cam1", CameraStalled("no new picture")))
    scene.watch(camera(), attempt=2)
    assert asked_again(scene, "explain", since_s=NOW_S)["said"]
    scene.watcher.obey(Message("unwatch", {"camera_id": "cam1"}))
    scene.watch(camera(), attempt=3)
    assert not asked_again(scene, "explain", since_s=NOW_S)["said"]


def test_as_many_zones_as_there_may_be_are_explained_within_a_message(scene: Scene) -> None:
    zones = tuple(replace(camera().zones[0], id=f"z{number}") for number in range(50))
    scene.watch(replace(camera(), zones=zones))
    scene.script.reasons = {f"crowding/{zone.id}": () for zone in zones}
    for number in range(40):
        scene.script.reasons = dict.fromkeys(scene.script.reasons, ("x" * 3000, "yes" if number % 2 else "no"))
        scene.script.is_running = True
        scene.turn(scene.keyframe(float(number)))
    said = asked_again(scene, "explain", since_s=NOW_S)["said"]
    assert len(said) == 50
    assert {len(sayings) for sayings in said.values()} == {20}


def test_a_zone_that_there_is_not_and_a_camera_that_is_gone_are_refused_and_the_child_goes_on(scene: Scene) -> None:
    zone = zone_to_json(camera().zones[0])
    assert asked_again(scene, "rehearse", since_s=NOW_S, zone=zone | {"id": "no id"})["code"] == "invalid_input"
    scene.watcher.obey(Message("unwatch", {"camera_id": "cam1"}))
    assert asked_again(scene, "explain", since_s=NOW_S)["code"] == "unavailable"


def test_zones_rest_while_the_view_is_not_theirs(scene: Scene) -> None:
    moved = camera()
    told = health.State(set_up=0, courses={"camera_moved": Course(onset_s=NOW_S - 60, said_s=NOW_S)})
    known = health.State.from_json(told.to_json())
    fields = {"camera": camera_to_json(moved), "attempt": 2, "rules": {"health": known.to_json()}}
    scene.watcher.obey(Message("watch", fields))
    scene.turn(scene.keyframe(2.0))
    assert scene.script.frames == []
    (said,) = asked_again(scene, "explain", since_s=NOW_S)["said"]["crowding/plaza"]
    assert "confirm-view" in said["text"]
    scene.steady_s += 2
    scene.turn()
    assert scene.of("alive")[-1].fields["cameras"]["cam1"]["rested"] == 1
