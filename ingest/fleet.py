"""All cameras of the worker's parent: what each one needs next, and what becomes of what the children tell.

What a child tells is not trusted. What is accepted is in the spool before it counts here, so that a message whose
storing fails can simply be given once more.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ingest.backoff import Accounts
from ingest.messages import (
    MAX_RULES_BYTES,
    MAX_SIGHTINGS,
    camera_error,
    camera_to_json,
    sighting_from_json,
    state_bytes,
)
from ingest.pipes import Message, encode
from ingest.spool import Report
from ingest.watch import Watch
from models.camera import CameraPoint
from models.errors import CameraUnauthorised, InvalidInput
from models.gate import GateLog, gate_log_to_json
from models.incident import Evidence, Phase, Sighting, kind_of

COUNTERS = frozenset(
    {
        "keyframes",
        "dropped",
        "corrupt",
        "looks",
        "unchanged",
        "rested",
        "detector_errors",
        "rule_errors",
        "faults",
        "left_out",
        "followed",
        "unfollowed",
        "lag_s",
    }
)
MAX_SCENE_BYTES = 8 * 1024 * 1024
STRUCTURES = "illegal_structure"
MOST_ASKED_BYTES = 16 * 1024 * 1024
"""Of what is asked at once: scenes are large, and a child that has yet to take this much takes no more."""
_JPEG = b"\xff\xd8\xff"


class Keeping(Protocol):
    """What is needed of ``spool.Spool``."""

    def states(self) -> dict[str, dict[str, Any]]: ...
    def append(self, reports: Sequence[Report], states: Mapping[str, Mapping[str, Any]], now_s: float) -> list[int]: ...
    def forget(self, camera_ids: Sequence[str]) -> None: ...
    def drop_scenes(self, kept_ids: Collection[str]) -> None: ...
    def scene(self, camera_id: str) -> bytes | None: ...
    def keep_scene(self, camera_id: str, data: bytes, now_s: float) -> None: ...


class Storing(Protocol):
    """What is needed of ``alerts.evidence.EvidenceStore``."""

    def put(self, data: bytes) -> str: ...


class Fleet:
    """One thread only. ``now_s`` is Unix seconds of the worker's clock; every method that stores raises Unavailable.

    ``chance`` gives numbers 0..1 that spread tries out.
    """

    def __init__(self, spool: Keeping, evidence: Storing, chance: Callable[[], float]) -> None:
        self._spool = spool
        self._evidence = evidence
        self._chance = chance
        self._known = spool.states()
        self._watches: dict[str, Watch] = {}
        self._unsaved: set[str] = set()
        self._gates: dict[str, GateLog] = {}
        self._news: set[str] = set()
        """Cameras of whose gates something is to be told."""
        self._registered: set[str] | None = None
        """Cameras of the registry's last whole list, in service or not."""
        self.accounts = Accounts()
        self.refused_cameras = 0

    @property
    def camera_ids(self) -> Collection[str]:
        """Those that are to be watched."""
        return self._watches.keys()

    def update(self, cameras: Iterable[CameraPoint], now_s: float, *, is_whole: bool = True) -> None:
        """Takes the registry's list; ``is_whole`` False: there are cameras besides that cannot be read."""
        all_of = {camera.id: camera for camera in cameras}
        wanted = {camera_id: camera for camera_id, camera in all_of.items() if camera.enabled}
        for camera_id, camera in wanted.items():
            watch = self._watches.get(camera_id)
            if watch is None:
                self._watches[camera_id] = Watch.begin(camera, self._known.pop(camera_id, None), now_s)
            elif watch.camera != camera:
                self.accounts.gave_up(watch.camera.source, camera_id)
                self._watches[camera_id] = watch.changed(camera, now_s)
        gone = [camera_id for camera_id in self._watches if camera_id not in wanted]
        for camera_id in gone:
            self._retire(self._watches[camera_id], now_s)
        if gone or self._known:
            self._spool.forget([*gone, *self._known])
            self._known = {}
        if is_whole and (self._registered is None or self._registered - all_of.keys()):
            # A scene takes days to learn: one of a camera that is put out of service for a while is kept.
            self._spool.drop_scenes(all_of)
        if is_whole:
            self._registered = set(all_of)

    def due(self, now_s: float, can_take: Callable[[str], bool]) -> list[tuple[str, bytes]]:
        """Cameras that a child is to be asked for now, each with the message that asks; of those that one can take.
        Then what there is to say of the gates of those that a child has."""
        asked: list[tuple[str, bytes]] = []
        for camera_id, watch in self._watches.items():
            if sum(len(order) for _, order in asked) >= MOST_ASKED_BYTES:
                break
            if watch.try_s is None or now_s < watch.try_s or not can_take(camera_id):
                continue
            source = watch.camera.source
            wait_s = self.accounts.wait_s(source, camera_id, now_s)
            if wait_s and self.accounts.is_refused(source, now_s):
                error = CameraUnauthorised(
                    f"{source.shown}: this user name was refused there less than a minute ago; the next try is later, "
                    "so that the account is not locked"
                )
                self._watches[camera_id] = replace(watch.failed(error, now_s, 0.0), try_s=now_s + wait_s)
            elif wait_s:
                self._watches[camera_id] = watch.waits(wait_s, now_s)
            else:
                self._watches[camera_id] = watch.asked()
                asked.append((camera_id, self._order(self._watches[camera_id])))
                self._news |= {camera_id} & self._gates.keys()
        for camera_id in [each for each in self._news if each in self._watches and self._watches[each].try_s is None]:
            log = self._gates.get(camera_id)
            said = None if log is None else gate_log_to_json(log)
            asked.append((camera_id, encode("gate", {"camera_id": camera_id, "gate": said})))
            self._news.discard(camera_id)
        return asked

    def take_gates(self, logs: Mapping[str, GateLog]) -> None:
        """What gates say, by camera: all that there are."""
        known, self._gates = self._gates, dict(logs)
        self._news |= {each for each in known.keys() | logs.keys() if known.get(each) != logs.get(each)}

    def told(self, message: Message, owned: Collection[str], now_s: float) -> None:
        """What a child says of a camera. Raises InvalidInput for nonsense: whoever says it is to be ended.

        What belongs to an older asking, or to a camera that is not the child's, changes nothing.
        """
        if message.op == "alive":
            self._counted(message.fields.get("cameras"), owned, now_s)
            return
        if message.op not in ("connected", "pictured", "failed", "observed", "scene"):
            raise InvalidInput(f"a child says {message.op[:20]!r}, which means nothing")
        camera_id = message.fields.get("camera_id")
        if not isinstance(camera_id, str) or camera_id not in owned:
            self.refused_cameras += 1
            return
        watch = self._watches.get(camera_id)
        if watch is None or watch.try_s is not None or message.fields.get("attempt") != watch.attempt:
            return
        if message.op == "connected":
            self.accounts.accepted(watch.camera.source, camera_id)
        elif message.op == "pictured":
            self._pictured(watch, now_s)
        elif message.op == "failed":
            error = camera_error(message.fields.get("code"), message.fields.get("message"))
            self.accounts.failed(watch.camera.source, camera_id, error, now_s)
            self._watches[camera_id] = watch.failed(error, now_s, self._chance())
        elif message.op == "scene":
            if len(message.blobs) != 1 or len(message.blobs[0]) > MAX_SCENE_BYTES:
                raise InvalidInput("a scene is one blob, and none larger than is kept")
            self._spool.keep_scene(camera_id, message.blobs[0], now_s)
        else:
            self._observed(watch, message, now_s)

    def orphaned(self, camera_ids: Iterable[str], now_s: float) -> None:
        """The child that had these is gone."""
        for camera_id in camera_ids:
            watch = self._watches.get(camera_id)
            if watch and watch.try_s is None:
                self.accounts.gave_up(watch.camera.source, camera_id)
                self._watches[camera_id] = watch.orphaned(now_s)

    def report_offline(self, now_s: float) -> None:
        """Reports cameras that have been dark for too long, once each."""
        for camera_id, watch in list(self._watches.items()):
            dark = watch.offline(now_s)
            if dark:
                self._store(dark[0], [dark[1]], (), now_s)
                self._watches[camera_id] = dark[0]

    def save(self, now_s: float) -> None:
        """Stores the states that have changed since the last time, in one transaction."""
        if self._unsaved:
            states = {i: self._watches[i].snapshot() for i in self._unsaved if i in self._watches}
            self._spool.append((), states, now_s)
            self._unsaved = set()

    def status(self) -> dict[str, dict[str, Any]]:
        return {camera_id: watch.status() for camera_id, watch in self._watches.items()}

    def _order(self, watch: Watch) -> bytes:
        fields = {"camera": camera_to_json(watch.camera), "attempt": watch.attempt, "rules": dict(watch.rules)}
        watches_scene = any(STRUCTURES in zone.kinds for zone in watch.camera.zones)
        scene = self._spool.scene(watch.camera.id) if watches_scene else None
        return encode("watch", fields, [] if scene is None else [scene])

    def _retire(self, watch: Watch, now_s: float) -> None:
        """The camera is taken out of service: an offline report of it would never end otherwise."""
        over = watch.back(now_s, "the camera was taken out of service")
        if over:
            self._store(replace(watch, offline_s=None), [over], (), now_s)
        self.accounts.gave_up(watch.camera.source, watch.camera.id)
        del self._watches[watch.camera.id]

    def _pictured(self, watch: Watch, now_s: float) -> None:
        over = watch.back(now_s, f"pictures again after {now_s - watch.dark_s:.0f} s")
        watch = watch.pictured(now_s)
        if over:
            self._store(watch, [over], (), now_s)
        self._watches[watch.camera.id] = watch

    def _observed(self, watch: Watch, message: Message, now_s: float) -> None:
        rules, told = message.fields.get("rules"), message.fields.get("sightings")
        if not isinstance(rules, dict) or not isinstance(told, list) or len(told) > MAX_SIGHTINGS:
            raise InvalidInput("an observation lacks its state or its sightings")
        if state_bytes(rules) > MAX_RULES_BYTES:
            raise InvalidInput(f"a camera's state is larger than {MAX_RULES_BYTES} bytes")
        if not all(blob.startswith(_JPEG) for blob in message.blobs):
            raise InvalidInput("a still is no JPEG")
        sightings = [sighting_from_json(data) for data in told]
        zones = {zone.id for zone in watch.camera.zones}
        if any(sighting.zone_id is not None and sighting.zone_id not in zones for sighting in sightings):
            raise InvalidInput("a sighting is of a zone that the camera has not")
        watch = replace(watch, rules=rules).alive(now_s)
        if sightings:
            self._store(watch, sightings, message.blobs, now_s)
        else:
            self._unsaved.add(watch.camera.id)
        self._watches[watch.camera.id] = watch

    def _store(self, watch: Watch, sightings: Sequence[Sighting], stills: Sequence[bytes], now_s: float) -> None:
        """Stills first, then incidents and state as one: an incident never names evidence that is not there."""
        camera_id = watch.camera.id
        digests = [self._evidence.put(data) for data in stills]
        reports = []
        for sighting in sightings:
            begins = sighting.phase is Phase.ONSET
            # Who went through a gate is shown as they went: the gate's word came after that.
            taken_s = sighting.onset_s if kind_of(sighting.kind).burst else sighting.at_s
            stored = tuple(Evidence(digest, "still", "image/jpeg", taken_s) for digest in digests)
            reports.append(Report(camera_id, sighting, stored if begins else ()))
        self._spool.append(reports, {camera_id: watch.snapshot()}, now_s)
        self._unsaved.discard(camera_id)

    def _counted(self, told: Any, owned: Collection[str], now_s: float) -> None:
        """A child's counters, which also say that pictures still come."""
        if not isinstance(told, dict):
            raise InvalidInput("a child's counters are no object")
        for camera_id, counters in told.items():
            watch = self._watches.get(camera_id) if camera_id in owned else None
            if watch is None or watch.try_s is not None:
                continue
            if not isinstance(counters, dict) or not all(type(v) in (int, float) for v in counters.values()):
                raise InvalidInput("a camera's counters are no numbers")
            kept = {name: counters[name] for name in COUNTERS & counters.keys()}
            goes_on = kept.get("keyframes", 0) > watch.counters.get("keyframes", 0)
            watch = replace(watch, counters=kept)
            self._watches[camera_id] = watch.alive(now_s) if goes_on else watch
