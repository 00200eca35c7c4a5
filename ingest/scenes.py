"""The scenes in which a child looks for new structures: what it knows of each, and what it tells of them.

A scene takes days to learn, so it is told to the parent every so often, who keeps it and gives it back.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from detectors.masking import mask
from detectors.structure import KIND, Look, Said, State, is_due, step
from detectors.structure_memory import DAY_S, Find
from detectors.structure_store import MOST_BYTES, from_bytes, to_bytes
from detectors.structure_told import beside, sighting_of
from detectors.structure_view import Cells
from ingest.render import encoded, open_photo
from models.camera import CameraPoint
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Frame
from models.geo import GroundPlane
from models.incident import Sighting

log = structlog.get_logger()

SAVE_S = 1800.0
"""What a crash may cost of what was learned."""
BEFORE_EACH_S = 7 * DAY_S


@dataclass(frozen=True, eq=False)
class Told:
    """``stills``: JPEGs, masked, before and now side by side, of what begins. ``reasons``: by kind and zone.
    ``kept``: the scene as it is to be kept, None where that can wait."""

    sightings: tuple[Sighting, ...]
    stills: tuple[bytes, ...]
    reasons: Mapping[str, tuple[str, ...]]
    kept: bytes | None


class Scenes:
    """``find``: a change network."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._states: dict[str, State] = {}
        self._saved_s: dict[str, float] = {}

    def begin(self, camera_id: str, data: bytes | None) -> None:
        """With what was kept of it, or what is known here, if that is newer. What cannot be read is learned anew."""
        state = known = self._states.get(camera_id, State())
        if data is not None:
            try:
                state = from_bytes(data)
            except InvalidInput as error:
                log.warning(
                    "what was learned of a scene is lost: it is learned anew", camera_id=camera_id, why=str(error)
                )
        self._states[camera_id] = known if _at_s(known) > _at_s(state) else state

    def forget(self, camera_id: str) -> None:
        self._states.pop(camera_id, None)
        self._saved_s.pop(camera_id, None)

    def is_due(self, camera: CameraPoint, at_s: float) -> bool:
        return is_due(self._states.get(camera.id, State()), camera, at_s)

    def look(
        self, camera: CameraPoint, frame: Frame, seen: Detections, moved: Cells | None, show: Callable[[], bytes]
    ) -> Told:
        """One look. ``moved``: see ``mask``; ``show`` makes a masked still of it, if one is needed, and gives nothing
        where that breaks: what is to be told goes without."""
        ground = _ground(camera)
        masked = mask(frame.bgr, seen, moved=moved)
        look = Look(frame.at_s, frame.bgr, masked, seen, ground)
        known = self._states.get(camera.id, State())
        watched = step(known, camera, look, self._find)
        state = watched.state
        begins = [said for said in watched.said if said.phase == "onset"]
        now = show() if begins or _wants_before(state, frame.at_s) else b""
        stills = tuple(_side_by_side(state, said, now, frame.at_s) for said in begins) if now else ()
        if now and not state.told:
            state = replace(state, before=now, before_s=frame.at_s)
        self._states[camera.id] = state
        # What ends because the scene is learned anew was told of the one before.
        begun_s = frame.at_s if known.memory is None else known.memory.begun_s
        sightings = tuple(
            sighting_of(camera, said, frame.at_s, ground, frame.height_px, begun_s) for said in watched.said
        )
        reasons = {f"{KIND}/{zone}": (reason,) for zone, reason in watched.reasons.items()}
        return Told(sightings, stills, reasons, self._kept(camera.id, state, frame.at_s, is_news=bool(sightings)))

    def _kept(self, camera_id: str, state: State, at_s: float, *, is_news: bool) -> bytes | None:
        saved_s = self._saved_s.setdefault(camera_id, at_s)
        if state.memory is None or (not is_news and 0 <= at_s - saved_s < SAVE_S):
            return None
        self._saved_s[camera_id] = at_s
        data = to_bytes(state)
        if len(data) > MOST_BYTES:
            log.warning("a scene is too large to be kept: a restart forgets it", camera_id=camera_id, bytes=len(data))
            return None
        return data


def _at_s(state: State) -> float:
    return -math.inf if state.memory is None else state.memory.at_s


def _wants_before(state: State, at_s: float) -> bool:
    """Whether the scene looks as it should, and it is time to show how that is."""
    if state.memory is None or state.memory.accepted_s is None or state.told or state.is_doubtful:
        return False
    return not state.before or at_s - state.before_s >= BEFORE_EACH_S


def _side_by_side(state: State, said: Said, now: bytes, at_s: float) -> bytes:
    if not state.before:
        return now
    dates = f"before {_date(state.before_s)}", f"now {_date(at_s)}"
    try:
        return encoded(beside(open_photo(state.before), open_photo(now), said.structure, dates))
    except InvalidInput:  # what was kept is damaged
        return now


def _date(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M %z")


def _ground(camera: CameraPoint) -> GroundPlane | None:
    try:
        return camera.vision.ground(camera.place, camera.control_points)
    except InvalidInput:
        return None
