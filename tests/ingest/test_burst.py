"""Who goes through a gate between keyframes: a drawn camera's packets through its ring, decoder, tracker and rule."""

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
import pytest

from detectors.boxes import Tiling
from detectors.calibration import Sample as Counted
from detectors.detector import Detector
from ingest.burst import AFTER_S, EVERY_S, MOST_GROUPS, Bursts
from ingest.decode import KeyframeDecoder, pictures
from ingest.footage import Footage, load
from ingest.messages import camera_to_json
from ingest.pipes import Message, Reader
from ingest.receiver import Event
from ingest.sdp import Media
from ingest.sender import CLOCK_HZ, PAYLOAD_TYPE, Sender
from ingest.stream import Keyframe, Limits, Recent, Stream
from ingest.watcher import Watcher
from models.camera import CameraPoint, SourceUrl, Zone
from models.detections import Detections
from models.errors import CameraCorrupt
from models.frame import Pixels
from models.gate import GateEvent, GateLog, GateSignal, gate_log_to_json
from tests.ingest.worker_samples import NOW_S, SQUARE, camera

FPS, LENGTH_S, GOP = 10, 8, 20
WALKS = (2.6, 3.4)
"""When each of two steps over the line; both between the keyframes of 2 and 4 s."""


def drawn(path: Path, gop: int = GOP) -> Path:
    """Two white squares that go down the picture, one after the other, 160 × 120."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        keys = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0"
        stream.options = {"preset": "ultrafast", "crf": "20", "x264-params": keys}
        for number in range(FPS * LENGTH_S):
            picture = np.random.default_rng(number).integers(40, 60, (120, 160, 3), np.uint8)
            for left, at_s in zip((50, 90), WALKS, strict=True):
                foot = 60 + round(20 * (number / FPS - at_s))
                if 20 < foot < 110:
                    picture[max(foot - 30, 0) : foot, left : left + 15] = 255
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def gate_footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return load(drawn(tmp_path_factory.mktemp("gate") / "gate.mp4"))


@pytest.fixture(scope="module")
def keyframes(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """As `wangge replay --fps` plays it: every picture a keyframe."""
    return load(drawn(tmp_path_factory.mktemp("keyframes") / "gate.mp4", gop=1))


@dataclass(frozen=True)
class Sight:
    detections: Detections
    model: str = "squares@1"


class Squares:
    """A detector of white squares, and what masks: nothing."""

    looks = 0
    shown: list[Pixels]
    hidden: list[object]

    def __init__(self) -> None:
        self.shown, self.hidden = [], []

    def look(self, bgr: Pixels, tiling: Tiling, min_score: float) -> Sight:
        del tiling, min_score
        self.looks += 1
        columns = np.append((bgr.min(axis=2) > 150).sum(axis=0) > 5, False)
        edges = np.flatnonzero(np.diff(columns.astype(int), prepend=0))
        boxes = []
        for left, right in edges.reshape(-1, 2):
            rows = np.flatnonzero((bgr[:, left:right].min(axis=2) > 150).mean(axis=1) > 0.5)
            boxes.append([left, rows.min(), right, rows.max() + 1])
        found = np.array(boxes, np.float32).reshape(-1, 4)
        count = len(boxes)
        return Sight(Detections(found, np.full(count, 0.8, np.float32), np.zeros(count, np.int32), ("person",)))

    def masked_still(self, pixels: Pixels, *, seen: object = None, moved: object = None) -> bytes:
        del moved
        self.shown.append(pixels)
        self.hidden.append(seen)
        return b"\xff\xd8\xff still"

    def sample(self, pixels: Pixels) -> Counted:
        del pixels
        raise AssertionError("nobody asked")


@dataclass
class Playing:
    """A receiver that plays footage: its packets go through a real stream and ring."""

    footage: Footage
    keeps: bool = True
    stream: Stream = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        media = Media(self.footage.codec, PAYLOAD_TYPE, CLOCK_HZ, "/", "/", self.footage.parameter_sets)
        self.stream, self._sender = Stream("cam1", media, Limits()), Sender(self.footage.codec)

    def add(self, camera_id: str, source: SourceUrl) -> None: ...
    def remove(self, camera_id: str) -> None: ...

    def recent(self, camera_id: str, since_s: float, until_s: float) -> Recent | None:
        del camera_id
        return self.stream.recent(since_s, until_s) if self.keeps else None

    def poll(self, timeout_s: float) -> list[Event]:
        del timeout_s
        found: list[Event] = []
        if self.sent < len(self.footage.samples):
            sample = self.footage.samples[self.sent]
            self.sent += 1
            found += self.stream.take(self._sender.packets(sample, sample.at_s), 0, 0, NOW_S + sample.at_s)[0]
        return found


def gated(**levels: float) -> CameraPoint:
    line = ((0.2, 0.5), (0.8, 0.5))
    zone = Zone("gate", "Gate", SQUARE, ("gate_tailgating",), {"gate_tailgating": levels}, line=line)
    return replace(camera(), zones=(zone,))


def watched(
    footage: Footage, point: CameraPoint, gate: GateLog | None = None, keeps: bool = True
) -> tuple[list[Message], Squares]:
    said, reader, eyes, line = list[Message](), Reader(), Squares(), Playing(footage, keeps)
    steady_s = itertools.count(0.0, 0.05)
    watcher = Watcher(
        line,
        KeyframeDecoder(),
        Detector(eyes),
        eyes,
        lambda data: said.extend(reader.feed(data)),
        lambda: NOW_S,
        lambda: next(steady_s),
    )
    watcher.obey(Message("watch", {"camera": camera_to_json(point), "attempt": 1, "rules": {}}))
    watcher.obey(Message("gate", {"camera_id": "cam1", "gate": None if gate is None else gate_log_to_json(gate)}))
    for _ in range(350):
        watcher.turn(0.0)
    return said, eyes


def told(said: list[Message]) -> list[dict[str, object]]:
    return [each for message in said if message.op == "observed" for each in message.fields["sightings"]]


def test_two_who_go_through_between_keyframes_are_told_by_sight_and_shown_as_they_went(gate_footage: Footage) -> None:
    said, eyes = watched(gate_footage, gated(single_s=2.0))
    (onset,) = [each for each in told(said) if each["phase"] == "onset"]
    assert onset["kind"] == "gate_tailgating"
    assert onset["onset_s"] == pytest.approx(NOW_S + WALKS[1], abs=0.3)
    (shown,) = eyes.shown
    assert (shown[55:70, 90:105].min(axis=2) > 150).mean() > 0.5  # the one who followed, just behind the line
    assert eyes.hidden == [None]  # the part around the gate was looked at: all of it must be, before it is shown
    counters = [message.fields["cameras"]["cam1"] for message in said if message.op == "alive"][-1]
    assert counters["followed"] > 15  # five a second, of at least two groups
    assert counters["unfollowed"] == 0


def test_the_gates_own_passes_account_for_them_or_do_not(gate_footage: Footage) -> None:
    both = GateLog(tuple(GateSignal(GateEvent.PASS, NOW_S + at_s - 0.5) for at_s in WALKS))
    levels = {"settle_s": 1.0, "clock_s": 0.0}
    assert told(watched(gate_footage, gated(**levels), both)[0]) == []
    said, _ = watched(gate_footage, gated(**levels), replace(both, passes=both.passes[:1]))
    (onset,) = [each for each in told(said) if each["phase"] == "onset"]
    assert onset["measure"]["followers"] == 1  # type: ignore[index]
    rules = next(m.fields["rules"]["rules"] for m in said if m.op == "observed" and m.fields["sightings"])
    assert set(rules["gate_tailgating/gate"]["gone"][0]) & {"in"}  # a time and a way, no track's number and no box
    assert len(rules["gate_tailgating/gate"]["gone"][0]) == 4


def test_a_group_that_breaks_its_decoder_costs_its_camera_alone(
    gate_footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only what a decoder refuses: whatever comes of what a camera sends, the child goes on."""
    whole = Playing.recent
    monkeypatch.setattr(Playing, "recent", lambda *asked: replace(whole(*asked), codec="no codec"))
    said, _ = watched(gate_footage, gated(single_s=2.0))
    counters = [message.fields["cameras"]["cam1"] for message in said if message.op == "alive"][-1]
    assert counters["detector_errors"] > 0
    assert counters["keyframes"] == FPS * LENGTH_S / GOP


def test_where_nothing_is_kept_between_keyframes_they_are_what_is_gone_by(keyframes: Footage) -> None:
    said, _ = watched(keyframes, gated(single_s=2.0), keeps=False)
    (onset,) = [each for each in told(said) if each["phase"] == "onset"]
    assert onset["onset_s"] == pytest.approx(NOW_S + WALKS[1], abs=0.3)
    counters = [message.fields["cameras"]["cam1"] for message in said if message.op == "alive"][-1]
    assert counters["followed"] == 0


def test_a_camera_without_a_gate_is_looked_at_by_keyframes_alone(gate_footage: Footage) -> None:
    said, eyes = watched(gate_footage, camera())
    assert eyes.looks <= 2 * (1 + FPS * LENGTH_S // GOP)
    assert [message.fields["cameras"]["cam1"]["followed"] for message in said if message.op == "alive"][-1] == 0


def played(footage: Footage) -> tuple[Playing, list[Keyframe]]:
    line = Playing(footage)
    keys = [event for _ in footage.samples for event in line.poll(0.0) if isinstance(event, Keyframe)]
    return line, keys


def test_a_group_gives_a_picture_every_fifth_of_a_second_in_order(gate_footage: Footage) -> None:
    line, keys = played(gate_footage)
    recent = line.stream.recent(keys[1].at_s, keys[2].at_s)
    times_s = [at_s for at_s, _ in pictures(recent, keys[1].at_s, EVERY_S)]
    assert np.diff(times_s) == pytest.approx(EVERY_S, abs=0.03)
    assert len(times_s) == GOP / FPS / EVERY_S
    broken = replace(recent, kept=recent.kept[:3] + recent.kept[9:])  # a loss that nobody noticed
    assert len(list(pictures(replace(broken, kept=()), 0.0, EVERY_S))) == 0
    with pytest.raises(CameraCorrupt):
        list(pictures(replace(recent, parameter_sets=(), kept=recent.kept[1:]), keys[1].at_s, EVERY_S))


class Endless:
    """A receiver whose cameras always have a group."""

    def __init__(self, recent: Recent) -> None:
        self.group: Recent | None = recent

    def recent(self, camera_id: str, since_s: float, until_s: float) -> Recent | None:
        del camera_id, since_s, until_s
        return self.group


def test_what_waits_is_bounded_and_counted_and_others_have_as_much_time(gate_footage: Footage) -> None:
    line, keys = played(gate_footage)
    now, endless = [0.0], Endless(line.stream.recent(keys[0].at_s, keys[1].at_s))
    bursts = Bursts(endless, lambda: now[0])
    assert bursts.wait_s() is None
    for number in range(MOST_GROUPS + 3):
        assert bursts.keyframe("cam1", 2.0 * number, is_near=True)
    assert bursts.of("cam1").left_out == 3
    assert bursts.wait_s() == 0.0
    assert bursts.next() is not None
    now[0] = 0.3
    bursts.took(0.0)
    assert bursts.wait_s() == pytest.approx(0.3)
    for number in range(40):
        bursts.keyframe(f"other{number}", 1.0, is_near=True)
    assert sum(bursts.of(f"other{number}").left_out for number in range(40)) >= 40 - 16
    before = bursts.of("other39").key_s
    bursts.forget("other39")
    assert (before, bursts.of("other39").key_s) == (1.0, None)  # nothing of what was is followed after that
    endless.group = None
    assert not bursts.keyframe("cam9", 1.0, is_near=True)
    assert bursts.keyframe("cam9", 2.0 + AFTER_S, is_near=False)  # nobody has been there for long
