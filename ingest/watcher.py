"""What a child does with its cameras, turn by turn: the newest keyframe of each, gate, detector, still."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import structlog
from av.video.frame import VideoFrame

from detectors import health
from detectors.counting import MIN_SCORE
from detectors.crossing import PERSONS, are_near
from detectors.detector import Observed, faults, pursue
from detectors.hindsight import Hindsight
from detectors.motion import Scene
from ingest.burst import Bursts, Shot
from ingest.connection import Connected
from ingest.decode import KeyframeDecoder, Looked, Luma, bgr, luma, reason_to_look, sharpness
from ingest.enquiries import Enquiries, Showing
from ingest.messages import camera_from_json, fitting, sighting_to_json
from ingest.pipes import Message, encode
from ingest.receiver import Event, Failed
from ingest.render import STILL_SIDE_PX
from ingest.stream import Keyframe
from ingest.watched import Gate, Observing, Receiving, Watched, Watching
from models.detections import Detections
from models.errors import CameraCorrupt, CameraError
from models.frame import Frame
from models.gate import gate_log_from_json
from models.incident import Phase, Sighting, kind_of
from models.logs import Repeats

log = structlog.get_logger()
T = TypeVar("T")

TELL_S = 1.0
HOT_S = 10.0
"""After a change every keyframe is looked at for so long: what rules smooth over seconds must settle."""
MAX_CORRUPT = 5
"""So many keyframes in a row that cannot be decoded, and the camera has failed."""
HEALTH = "health"
"""Where the detector's state keeps what is known of the camera itself."""
AWAY = "the view is not that of its zones: they rest until it is back, or `wangge camera confirm-view` says it is right"


_Found = tuple[Sequence[Sighting], list[bytes]]
"""Sightings, and the masked stills that go with those that begin."""


def _begins(sightings: Sequence[Sighting]) -> bool:
    return any(sighting.phase is Phase.ONSET for sighting in sightings)


class Watcher:
    """Orders in by ``obey``, cameras' turns by ``turn``, messages out by ``tell``."""

    def __init__(
        self,
        receiver: Receiving,
        decoder: KeyframeDecoder,
        detector: Observing,
        eyes: Showing,
        tell: Callable[[bytes], None],
        unix_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = time.monotonic,
        gate: Gate = reason_to_look,
        scenes: Watching | None = None,
    ) -> None:
        """``scenes``: None where nobody looks for new structures, which takes days."""
        self._receiver = receiver
        self._decoder = decoder
        self._detector = detector
        self._eyes = eyes
        self._tell = tell
        self._unix_s = unix_s
        self._steady_s = steady_s
        self._gate = gate
        self._scenes = scenes
        self._cameras: dict[str, Watched] = {}
        self._queue: dict[str, None] = {}
        """Cameras with a keyframe waiting, first come first: a newer keyframe keeps the older one's place."""
        self._hindsights: dict[str, Hindsight] = {}
        """Kept while a camera is not connected, too."""
        self._bursts = Bursts(receiver, steady_s)
        self._enquiries = Enquiries(self._cameras, decoder, eyes, tell, steady_s)
        self._told_s = 0.0
        self._faults: set[tuple[str, str]] = set()
        """Camera and kind of fault, of those that were logged."""
        self._detector_errors = Repeats(log.error, "the detector failed on a frame; it was skipped")

    def obey(self, order: Message) -> None:
        """watch (again, where it is watched already), unwatch, gate, picture, sample, explain, rehearse."""
        if order.op == "watch":
            camera = camera_from_json(order.fields["camera"])
            self._forget(camera.id)
            rules = order.fields["rules"]
            well = health.State.from_json(rules.get(HEALTH))
            seen = self._hindsights.setdefault(camera.id, Hindsight())
            self._cameras[camera.id] = Watched(camera, order.fields["attempt"], rules, well, seen)
            told = self._guarded(self._cameras[camera.id], partial(faults, camera))
            found = [str(fault) for fault in told or ()]
            self._cameras[camera.id].counters.faults = len(found)
            self._fault(self._cameras[camera.id], "set-up", found)
            if self._scenes:
                self._scenes.begin(camera.id, order.blobs[0] if order.blobs else None)
            self._receiver.add(camera.id, camera.source)
        elif order.op == "unwatch":
            self._forget(order.fields["camera_id"])
            if self._scenes:
                self._scenes.forget(order.fields["camera_id"])
            self._hindsights.pop(order.fields["camera_id"], None)
            self._faults = {each for each in self._faults if each[0] != order.fields["camera_id"]}
        elif order.op == "gate":
            if watched := self._cameras.get(order.fields["camera_id"]):
                said = order.fields["gate"]
                watched.gate = None if said is None else gate_log_from_json(said)
        else:
            self._enquiries.take(order)

    def turn(self, wait_s: float) -> None:
        """Waits up to ``wait_s`` seconds for what comes, and looks at one keyframe, else at a picture between them."""
        burst_s = self._bursts.wait_s()
        for event in self._receiver.poll(0.0 if self._queue else wait_s if burst_s is None else min(wait_s, burst_s)):
            self._take(event)
        if self._queue:
            camera = self._cameras[next(iter(self._queue))]
            del self._queue[camera.point.id]
            keyframe, camera.waiting = camera.waiting, None
            if keyframe:
                self._guarded(camera, partial(self._look, camera, keyframe))
        elif self._bursts.wait_s() == 0.0:
            self._glance()
        self._enquiries.answer()
        steady_s = self._steady_s()
        if steady_s - self._told_s >= TELL_S:
            self._told_s = steady_s
            counters = {camera_id: asdict(camera.counters) for camera_id, camera in self._cameras.items()}
            self._tell(encode("alive", {"cameras": counters}))

    def _take(self, event: Event) -> None:
        camera = self._cameras.get(event.camera_id)
        if camera is None:
            return
        if isinstance(event, Connected):
            self._say("connected", camera)
        elif isinstance(event, Failed):
            self._failed(camera, event.error)
        else:
            camera.counters.keyframes += 1
            camera.counters.dropped += camera.waiting is not None
            camera.waiting, camera.newest = event, (self._steady_s(), event)
            self._queue.setdefault(event.camera_id)

    def _look(self, camera: Watched, keyframe: Keyframe) -> None:
        """Decode, gate, detector, still, message."""
        try:
            frame = self._decoder.decode(keyframe.codec, keyframe.annexb)
        except CameraCorrupt as error:
            camera.counters.corrupt += 1
            camera.corrupt_in_a_row += 1
            if camera.corrupt_in_a_row >= MAX_CORRUPT:
                self._failed(camera, CameraCorrupt(f"{camera.point.source.shown}: {error}"))
            return
        camera.corrupt_in_a_row = 0
        if not camera.is_pictured:
            camera.is_pictured = True
            self._say("pictured", camera)
        grey, before = luma(frame), camera.rules
        found, stills = self._examine(camera, health.Picture(keyframe.at_s, grey, sharpness(frame)), frame)
        if health.is_away(camera.health, camera.point):
            camera.counters.rested += 1
            why = camera.health.where.said or AWAY
            camera.hindsight.rested(keyframe.at_s, camera.point, why)
            self._bursts.forget(camera.point.id)  # who crosses the line in another view goes through no gate
        elif self._deserves_look(camera, Looked(grey, keyframe.at_s)):
            camera.looked = Looked(grey, keyframe.at_s)
            camera.counters.looks += 1
            pixels, arrived_s = bgr(frame, STILL_SIDE_PX), camera.health.where.arrived_s
            picture = Frame(camera.point.id, keyframe.at_s, pixels, camera.preset, arrived_s)
            seen, shown = self._observe(camera, picture, grey)
            found, stills = [*found, *seen], [*stills, *shown]
            camera.counters.lag_s = round(max(self._unix_s() - keyframe.arrival_s, 0.0), 3)
        else:
            camera.counters.unchanged += 1
            camera.hindsight.unchanged(keyframe.at_s)
            if camera.gates:
                self._bursts.keyframe(camera.point.id, keyframe.at_s, is_near=False)
        known = camera.scene
        camera.scene = known.after(grey, keyframe.at_s) if known else Scene.first(grey, keyframe.at_s)
        if found or camera.rules != before:
            self._tell_of(camera, found, stills)
        if camera.learned:  # after what was seen in it: a scene in which that is told of must not outlive it untold
            self._say("scene", camera, blobs=[camera.learned])
            camera.learned = None

    def _tell_of(self, camera: Watched, found: Sequence[Sighting], stills: list[bytes]) -> None:
        rules, told, left_out = fitting(camera.rules, found)
        camera.counters.left_out += len(left_out)
        self._fault(camera, "limits", left_out)
        sightings = [sighting_to_json(sighting) for sighting in told]
        self._say("observed", camera, {"rules": rules, "sightings": sightings}, stills)

    def _fault(self, camera: Watched, what: str, faults: Sequence[str]) -> None:
        """Logged once per camera and kind of fault: its counters say how often."""
        if faults and (camera.point.id, what) not in self._faults:
            self._faults.add((camera.point.id, what))
            log.error("a camera is not watched as it should be", camera_id=camera.point.id, what=what, why=faults[0])

    def _deserves_look(self, camera: Watched, now: Looked) -> bool:
        last = camera.looked
        if self._gate(last, now.luma, now.at_s):
            camera.hot_until_s = now.at_s + HOT_S
            return True
        return camera.is_running or now.at_s < camera.hot_until_s

    def _examine(self, camera: Watched, picture: health.Picture, frame: VideoFrame) -> _Found:
        """Whether the camera sees anything: at every keyframe, since what blinds it may look like a still scene."""
        examined = health.step(camera.health, camera.point, picture)
        camera.health = examined.state
        camera.rules = camera.rules | {HEALTH: examined.state.to_json()}
        if not _begins(examined.sightings):
            return examined.sightings, []
        moved = camera.moved(picture.luma, picture.at_s)
        return examined.sightings, self._masked(camera, Shot(picture.at_s, bgr(frame, STILL_SIDE_PX), None, moved))

    def _observe(self, camera: Watched, frame: Frame, grey: Luma) -> _Found:
        observed = self._guarded(
            camera, partial(self._detector.observe, camera.point, frame, camera.rules, camera.gate)
        )
        if observed is None:
            return (), []
        camera.counters.rule_errors += len(observed.broken)
        for key, why in observed.broken.items():
            self._fault(camera, key, [why])
        camera.is_running = observed.is_running
        camera.hindsight.looked(observed.look, observed.reasons)
        camera.rules = observed.state | {HEALTH: camera.rules[HEALTH]}
        shot = Shot(frame.at_s, frame.bgr, observed.detections, camera.moved(grey, frame.at_s))
        found: Sequence[Sighting] = observed.sightings
        stills = self._stills(camera, found, shot)
        if camera.preset:
            self._bursts.forget(camera.point.id)
        elif self._scenes and self._scenes.is_due(camera.point, frame.at_s):
            looking = partial(self._watch_scene, self._scenes, camera, frame, observed.detections, shot)
            built, pictures = self._guarded(camera, looking) or ((), [])
            found, stills = [*found, *built], [*stills, *pictures]
        if not (zones := camera.gates):
            return found, stills
        size_px = (frame.width_px, frame.height_px)
        is_near = bool(are_near(zones, observed.detections.of(PERSONS, MIN_SCORE), *size_px).any())
        waits, known = self._bursts.keyframe(camera.point.id, frame.at_s, is_near), self._bursts.of(camera.point.id)
        camera.counters.unfollowed = known.left_out
        if waits:
            return found, stills
        seen, known.walkers = pursue(camera.point, observed.look, camera.rules, known.walkers)
        more, shown = self._pursued(camera, seen, shot)
        return [*found, *more], [*stills, *shown]

    def _watch_scene(self, scenes: Watching, camera: Watched, frame: Frame, seen: Detections, shot: Shot) -> _Found:
        """What has been built there."""
        told = scenes.look(camera.point, frame, seen, shot.moved, lambda: b"".join(self._masked(camera, shot)))
        camera.hindsight.heard(frame.at_s, told.reasons)
        camera.learned = told.kept
        return told.sightings, list(told.stills)

    def _glance(self) -> None:
        """A picture between keyframes: who goes through a gate."""
        began_s = self._steady_s()
        camera = self._cameras[self._bursts.first]
        picture = self._guarded(camera, self._bursts.next)
        if picture:
            self._guarded(camera, partial(self._follow, camera, picture[1], picture[2]))
        self._bursts.took(began_s)

    def _follow(self, camera: Watched, at_s: float, picture: VideoFrame) -> None:
        known, before = self._bursts.of(camera.point.id), camera.rules
        frame = Frame(camera.point.id, at_s, bgr(picture, STILL_SIDE_PX))
        seen, known.walkers = self._detector.follow(camera.point, frame, camera.rules, known.walkers, camera.gate)
        camera.counters.followed += 1
        shot = Shot(at_s, frame.bgr, None, camera.moved(luma(picture), at_s))
        found, stills = self._pursued(camera, seen, shot)
        if found or camera.rules != before:
            self._tell_of(camera, found, stills)

    def _pursued(self, camera: Watched, seen: Observed, shot: Shot) -> _Found:
        """What came of following people in one picture. One in which somebody crossed may have to be shown later."""
        camera.hindsight.heard(seen.look.at_s, seen.reasons)
        camera.rules = seen.state | {HEALTH: camera.rules[HEALTH]}
        if any((seen.look.crossings or {}).values()):
            self._bursts.of(camera.point.id).shots.append(shot)
        return seen.sightings, self._stills(camera, seen.sightings, shot)

    def _stills(self, camera: Watched, sightings: Sequence[Sighting], now: Shot) -> list[bytes]:
        """Of what begins, masked. Of who went through a gate: as they went, since the gate's word came after that."""
        shots = []
        for sighting in sightings:
            if sighting.phase is Phase.ONSET:
                then = self._bursts.of(camera.point.id).shot(sighting.onset_s) if kind_of(sighting.kind).burst else None
                shots.append(then or now)
        unlike = {id(shot): shot for shot in shots}.values()
        return [jpeg for shot in unlike for jpeg in self._masked(camera, shot)]

    def _masked(self, camera: Watched, shot: Shot) -> list[bytes]:
        """One, or none where masking breaks: what is to be told goes without a picture then."""
        masking = partial(self._eyes.masked_still, shot.bgr, seen=shot.seen, moved=shot.moved)
        jpeg = self._guarded(camera, masking)
        return [] if jpeg is None else [jpeg]

    def _guarded(self, camera: Watched, step: Callable[[], T]) -> T | None:
        """None where it broke: what was not told of has not been seen, so the camera's state is what it was before."""
        before = camera.rules, camera.health
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - one frame that breaks the detector must not blind every camera
            camera.rules, camera.health = before
            camera.counters.detector_errors += 1
            self._detector_errors.failed(self._steady_s(), error, camera_id=camera.point.id)
            return None

    def _failed(self, camera: Watched, error: CameraError) -> None:
        self._forget(camera.point.id)
        self._say("failed", camera, {"code": error.code, "message": str(error)})

    def _forget(self, camera_id: str) -> None:
        self._receiver.remove(camera_id)
        self._cameras.pop(camera_id, None)
        self._queue.pop(camera_id, None)
        self._bursts.forget(camera_id)

    def _say(
        self, op: str, camera: Watched, fields: dict[str, Any] | None = None, blobs: list[bytes] | None = None
    ) -> None:
        told = {"camera_id": camera.point.id, "attempt": camera.attempt} | (fields or {})
        self._tell(encode(op, told, blobs or []))
