"""Recorded footage through the real pipeline – decoder, gate, health, detector, rules, stills – in less than its time.

A ``Watcher`` is given a film instead of a receiver; what it would tell its parent is what is kept.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from detectors import crowding, health
from detectors.counting import MIN_SCORE
from detectors.crossing import Walkers
from detectors.detector import Observed
from ingest.decode import KeyframeDecoder, reason_to_look
from ingest.enquiries import Showing
from ingest.film import Film, Footage
from ingest.messages import camera_to_json, sighting_from_json
from ingest.pipes import Message, Reader
from ingest.watched import Gate, Observing
from ingest.watcher import TELL_S, Watcher
from models.camera import CameraPoint
from models.frame import Frame
from models.gate import GateLog
from models.incident import Phase, Sighting

MOST_STILLS = 400
"""Kept of one replay; what happens after that has no picture."""


@dataclass(frozen=True)
class Box:
    """``ltrb``: left, top, right, bottom in fractions of the picture."""

    ltrb: tuple[float, float, float, float]
    label: str
    score: float


@dataclass(frozen=True)
class Still:
    """A masked JPEG, when it was (seconds of the footage), and what counted there; ``boxes`` None: nobody looked."""

    at_s: float
    jpeg: bytes = field(repr=False)
    boxes: tuple[Box, ...] | None


@dataclass(frozen=True)
class Alarm:
    """What would have become an alert: its first sighting, and when it ended (None: not in this footage). Seconds of
    the footage; ``said_s`` is when the operator would have heard of it."""

    begin: Sighting
    onset_s: float
    said_s: float
    cleared_s: float | None = None
    still: Still | None = None


@dataclass(frozen=True)
class Count:
    """Of one zone: how many were counted in a picture, and how many the rule went by (smoothed)."""

    at_s: float
    seen: float
    smoothed: float


@dataclass(frozen=True)
class Replayed:
    """``pictures`` came, of which the detector ``looked`` at some; ``corrupt`` could not be decoded. ``seconds`` of the
    footage were played in ``took_s``. ``cut``: a sentence, where it broke off. ``counts``: by zone. ``asked``: a still
    for each moment that was asked for, as far as it was reached."""

    pictures: int
    looked: int
    corrupt: int
    detector_errors: int
    seconds: float
    took_s: float
    cut: str | None
    alarms: tuple[Alarm, ...]
    counts: Mapping[str, tuple[Count, ...]]
    asked: Mapping[int, Still]


def replay(
    footage: Footage,
    every_s: float | None,
    camera: CameraPoint,
    begins_s: float,
    detector: Observing,
    eyes: Showing,
    ask_s: Sequence[float] = (),
    gate: Gate = reason_to_look,
    progress: Callable[[float], None] | None = None,
) -> Replayed:
    """Plays ``footage`` (see ``Footage.read`` for ``every_s``) as ``camera``'s, its first picture at ``begins_s``, Unix
    seconds. ``ask_s``: moments of which a still is wanted whatever happens; ``progress`` hears seconds played.

    Raises InvalidInput for a rate that the footage has not.
    """
    film = Film(footage, every_s, begins_s)
    witness = _Witness(detector, begins_s)
    ledger = _Ledger(begins_s, witness)
    watcher = Watcher(film, KeyframeDecoder(), witness, eyes, ledger.hear, lambda: film.now_s, lambda: film.now_s, gate)
    watcher.obey(Message("watch", {"camera": camera_to_json(camera), "attempt": 1, "rules": {}}))
    waiting = sorted(enumerate(ask_s), key=lambda ask: -ask[1])[-MOST_STILLS:]
    began_s = time.perf_counter()
    while not film.is_over:
        if waiting and waiting[-1][1] <= film.read_s and film.pictures:
            watcher.obey(Message("picture", {"request": waiting.pop()[0], "camera_id": camera.id}))
        watcher.turn(0.0)
        if progress:
            progress(film.read_s)
    seconds = film.read_s
    cut = f"{footage.path.name} cannot be decoded from {seconds:.1f} s on" if ledger.has_failed else film.cut
    for number, _ in waiting:  # what was asked for after the last picture is shown by it
        watcher.obey(Message("picture", {"request": number, "camera_id": camera.id}))
        watcher.turn(0.0)
    film.read_s += TELL_S
    watcher.turn(0.0)
    return Replayed(
        pictures=film.pictures,
        looked=witness.looked,
        corrupt=ledger.counters.get("corrupt", 0),
        detector_errors=ledger.counters.get("detector_errors", 0),
        seconds=seconds,
        took_s=time.perf_counter() - began_s,
        cut=cut,
        alarms=tuple(ledger.alarms),
        counts={zone: tuple(counts) for zone, counts in witness.counts.items()},
        asked=ledger.asked,
    )


@dataclass
class _Witness:
    """The detector, and what it saw."""

    detector: Observing
    begins_s: float
    looked: int = 0
    boxes_s: float | None = None
    boxes: tuple[Box, ...] = ()
    counts: dict[str, list[Count]] = field(default_factory=dict)

    def observe(self, camera: CameraPoint, frame: Frame, state: Mapping[str, Any], gate: GateLog | None) -> Observed:
        self.looked += 1
        observed = self.detector.observe(camera, frame, state, gate)
        self.boxes_s, self.boxes = frame.at_s, _boxes(observed, frame)
        for zone in camera.zones:
            known = observed.state.get("rules", {}).get(f"{crowding.KIND}/{zone.id}")
            samples = crowding.RULE.restore(known).samples
            if samples and samples[-1][0] == frame.at_s:
                smoothed = float(median(number for _, number in samples))
                count = Count(frame.at_s - self.begins_s, float(samples[-1][1]), smoothed)
                self.counts.setdefault(zone.id, []).append(count)
        return observed

    def follow(
        self, camera: CameraPoint, frame: Frame, state: Mapping[str, Any], walkers: Walkers, gate: GateLog | None
    ) -> tuple[Observed, Walkers]:
        return self.detector.follow(camera, frame, state, walkers, gate)

    def boxes_at(self, at_s: float) -> tuple[Box, ...] | None:
        return self.boxes if at_s == self.boxes_s else None


@dataclass
class _Ledger:
    """What the watcher says, as far as it is about alerts and pictures."""

    begins_s: float
    witness: _Witness
    alarms: list[Alarm] = field(default_factory=list)
    asked: dict[int, Still] = field(default_factory=dict)
    counters: Mapping[str, Any] = field(default_factory=dict)
    has_failed: bool = False
    _reader: Reader = field(default_factory=Reader)
    _open: dict[tuple[str, str | None, str | None], int] = field(default_factory=dict)

    def hear(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            if message.op == "observed":
                self._observed(message)
            elif message.op == "answer" and message.fields["ok"]:
                self.asked[message.fields["request"]] = self._still(message.fields["at_s"], message.blobs[0])
            elif message.op == "alive":
                self.counters = next(iter(message.fields["cameras"].values()), self.counters)
            elif message.op == "failed":
                self.has_failed = True

    def _observed(self, message: Message) -> None:
        for data in message.fields["sightings"]:
            sighting = sighting_from_json(data)
            key = (sighting.kind, sighting.zone_id, sighting.part)
            if sighting.phase is Phase.ONSET:
                self._open[key] = len(self.alarms)
                self.alarms.append(self._alarm(sighting, message.blobs))
            elif sighting.phase is Phase.CLEARED and key in self._open:
                at = self._open.pop(key)
                self.alarms[at] = replace(self.alarms[at], cleared_s=sighting.at_s - self.begins_s)

    def _alarm(self, begin: Sighting, stills: Sequence[bytes]) -> Alarm:
        still = None
        if stills and len(self.alarms) < MOST_STILLS:
            # Of two, the first shows what is wrong with the camera, the second what the rules saw.
            still = self._still(begin.at_s, stills[0] if begin.kind in health.KINDS else stills[-1])
        return Alarm(begin, begin.onset_s - self.begins_s, begin.at_s - self.begins_s, still=still)

    def _still(self, at_s: float, jpeg: bytes) -> Still:
        return Still(at_s - self.begins_s, jpeg, self.witness.boxes_at(at_s))


def _boxes(observed: Observed, frame: Frame) -> tuple[Box, ...]:
    found = observed.detections.where(observed.detections.scores >= MIN_SCORE)
    size = (frame.width_px, frame.height_px, frame.width_px, frame.height_px)
    return tuple(
        Box((left, top, right, bottom), found.names[label], round(score, 3))
        for (left, top, right, bottom), label, score in zip(
            (found.boxes_px / size).tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        )
    )
