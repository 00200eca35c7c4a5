"""A camera that sends pictures but sees nothing: black, frozen, covered, blurred, or turned to look elsewhere.

Judged at every keyframe on a small grey picture, against how this camera used to look. What it learns, it learns
slowly and only while it is well, so that a cover drawn over it is not taken for its habit. Pure: time is the frame
clock's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import presets
from detectors.course import GAP_S, Course, Turn, finite, follow, time_or_none
from detectors.views import ALIKE, MAP, MOST_VIEWS, SHIFT, STRANGE, View, edge_map, register, with_view
from models.camera import CameraPoint
from models.errors import InvalidInput
from models.incident import Phase, Sighting, kind_of

VERSION = 1
BLACK, FROZEN, COVERED, BLURRED, MOVED = (
    "camera_black",
    "camera_frozen",
    "camera_covered",
    "camera_blurred",
    "camera_moved",
)
KINDS = (BLACK, FROZEN, COVERED, BLURRED, MOVED)
DWELL_S: Mapping[str, float] = {BLACK: 30.0, FROZEN: 60.0, COVERED: 20.0, BLURRED: 60.0, MOVED: 30.0}
"""How long it must hold: a lorry before the lens, a wipe of the cloth, a gust are over sooner."""
LEAVE_S = 20.0

BLACK_LEVEL = 36.0
"""Of the brightest hundredth of the picture, 0..255; a night street's lamps are over 150, video black is 16."""
FROZEN_SHARE = 0.002
"""Least share of points that differ from keyframe to keyframe; noise alone moves 8 % and more on the footage seen."""
COVERED_SHARE, FLAT = 0.25, 0.8
"""Of the detail that the camera used to show; grey levels a point for one that was never seen well."""
BLURRED_SHARE = 0.5
"""Of the sharpness that the camera used to have. Over minutes of real scenes it varied by 0.7 to 1.3."""
REGISTER_S = 10.0
LEARN_S = 600.0
LEARN_SHARE = 0.2
FIRST_LOOKS = 3


@dataclass(frozen=True, eq=False)
class Picture:
    """A keyframe, made small. ``luma``: (90, 160) uint8. ``sharpness``: the steps at the picture's sharpest
    edges over its contrast. ``at_s``: Unix seconds, frame clock."""

    at_s: float
    luma: NDArray[np.uint8]
    sharpness: float


@dataclass(frozen=True)
class State:
    """``set_up``: the camera's ``vision.view`` that this was learned of. ``detail`` and ``sharpness``: what the camera
    used to show; ``looks``: how many that was learned from. ``last`` (the last luma) and what was registered of late
    are not kept over a restart.
    """

    at_s: float | None = None
    set_up: int | None = None
    courses: Mapping[str, Course] = field(default_factory=dict)
    looks: int = 0
    learned_s: float | None = None
    detail: float = 0.0
    sharpness: float = 0.0
    views: tuple[View, ...] = ()
    last: NDArray[np.uint8] | None = None
    registered_s: float | None = None
    is_elsewhere: bool = False
    where: presets.State = field(default_factory=presets.State)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "courses": {kind: vars(course) for kind, course in self.courses.items() if course.is_running},
            "set_up": self.set_up,
            "looks": self.looks,
            "learned_s": self.learned_s,
            "detail": round(self.detail, 3),
            "sharpness": round(self.sharpness, 5),
            "views": [view.to_json() for view in self.views],
            "presets": self.where.to_json(),
        }

    @classmethod
    def from_json(cls, data: object) -> "State":
        """A fresh state for anything but what ``to_json`` gave in this version."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return cls()
        try:
            return cls(
                courses={kind: Course.from_json(course) for kind, course in data["courses"].items() if kind in KINDS},
                set_up=data["set_up"],
                looks=int(data["looks"]),
                learned_s=time_or_none(data["learned_s"]),
                detail=finite(data["detail"]),
                sharpness=finite(data["sharpness"]),
                views=tuple(View.from_json(view) for view in data["views"][:MOST_VIEWS]),
                where=presets.State.from_json(data.get("presets", {})),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls()


def is_away(state: State, camera: CameraPoint) -> bool:
    """Whether the view is not that of the camera's zones: it was moved, and that is said; or it turned by itself."""
    if camera.vision.ptz:
        return state.where.at is None
    moved = state.courses.get(MOVED)
    return moved is not None and moved.onset_s is not None


@dataclass(frozen=True)
class Examined:
    """``reasons``: by kind, why it was said or not."""

    state: State
    sightings: tuple[Sighting, ...]
    reasons: Mapping[str, str]


def step(state: State, camera: CameraPoint, picture: Picture) -> Examined:
    """One keyframe further. Raises InvalidInput for a time that is no number."""
    if not math.isfinite(picture.at_s):
        raise InvalidInput("the picture's time is no number")
    if state.at_s is not None and picture.at_s <= state.at_s:
        return Examined(state, (), {})
    if state.set_up != camera.vision.view:
        # Someone has set it up anew: how it looks now is how it is to look.
        state = State(state.at_s, camera.vision.view, state.courses, last=state.last, where=state.where)
    if state.at_s is not None and picture.at_s - state.at_s > GAP_S:
        gone = {kind: course.after_gap() for kind, course in state.courses.items()}
        state = replace(state, courses=gone, last=None, registered_s=None)
    state, found = _symptoms(state, picture, camera.vision.ptz)
    if camera.vision.ptz:
        found[MOVED] = (False, "it is meant to turn; its zones rest in any view but their own")
        if not any(found[kind][0] for kind in (BLACK, COVERED, FROZEN)):
            state = replace(state, where=presets.step(state.where, camera, picture.at_s, picture.luma))
    courses: dict[str, Course] = {}
    sightings: list[Sighting] = []
    reasons: dict[str, str] = {}
    for kind, (holds, said) in found.items():
        turn = follow(
            state.courses.get(kind, Course()),
            picture.at_s,
            enters=holds,
            holds=holds,
            dwell_s=DWELL_S[kind],
            leave_s=LEAVE_S,
        )
        courses[kind] = turn.course
        reasons[kind] = f"{said}, for {picture.at_s - turn.since_s:.0f} s of {DWELL_S[kind]:g} s" if holds else said
        if turn.phase is not None:
            sightings.append(_sighting(kind, camera, turn, turn.phase, picture, reasons[kind]))
    is_well = not (any(course.is_running for course in courses.values()) or state.is_elsewhere or camera.vision.ptz)
    state = replace(state, at_s=picture.at_s, courses=courses, last=picture.luma)
    return Examined(_learn(state, picture) if is_well else state, tuple(sightings), reasons)


def _symptoms(state: State, picture: Picture, turns: bool) -> tuple[State, dict[str, tuple[bool, str]]]:
    """By kind, whether it holds now, and the numbers. What hides the scene goes before what the scene would show."""
    brightest, detail = float(np.quantile(picture.luma, 0.99)), detail_of(picture.luma)
    black = brightest < BLACK_LEVEL
    found = {BLACK: (black, f"the brightest parts are {brightest:.0f} of 255 (black below {BLACK_LEVEL:g})")}
    changed = 1.0 if state.last is None else float(np.mean(state.last != picture.luma))
    frozen = changed < FROZEN_SHARE and not black
    found[FROZEN] = (frozen, f"{changed:.1%} of the picture differs from the last (frozen below {FROZEN_SHARE:.1%})")
    known = state.looks >= FIRST_LOOKS and not turns  # one that turns shows the sky, too
    least = max(FLAT, COVERED_SHARE * state.detail) if known else FLAT
    covered = detail < least and not black
    found[COVERED] = (covered, f"detail is {detail:.2f} (covered below {least:.2f})")
    hidden = black or covered or frozen
    soft = BLURRED_SHARE * state.sharpness
    blurred = known and not hidden and picture.sharpness < soft
    found[BLURRED] = (blurred, f"sharpness is {picture.sharpness:.4f} (blurred below {soft:.4f})")
    if hidden or blurred or turns or not state.views:
        return state, found | {MOVED: (False, "the view cannot be compared now")}
    if state.registered_s is None or picture.at_s - state.registered_s >= REGISTER_S:
        edges = edge_map(picture.luma)
        shift, alike = max((register(view.edges, edges) for view in state.views), key=lambda pair: pair[1])
        elsewhere = (alike >= ALIKE and shift >= SHIFT) or alike < STRANGE
        state = replace(state, registered_s=picture.at_s, is_elsewhere=elsewhere)
        levels = f"moved from {SHIFT / MAP[1]:.1%}, another scene below {STRANGE:g}"
        found[MOVED] = (elsewhere, f"the view is {shift / MAP[1]:.1%} off, likeness {alike:.2f} ({levels})")
    else:
        found[MOVED] = (state.is_elsewhere, "the view as it was compared last")
    return state, found


def _learn(state: State, picture: Picture) -> State:
    """What a well camera shows: at once for its first looks, then a little every LEARN_S."""
    early = state.looks < FIRST_LOOKS
    if not early and state.learned_s is not None and picture.at_s - state.learned_s < LEARN_S:
        return state
    if not early and state.views and state.registered_s != picture.at_s:
        return state  # whether this is still the same view was not looked at just now
    share = 1 / (state.looks + 1) if early else LEARN_SHARE
    return replace(
        state,
        looks=min(state.looks + 1, FIRST_LOOKS),
        learned_s=picture.at_s,
        detail=state.detail + share * (detail_of(picture.luma) - state.detail),
        sharpness=state.sharpness + share * (picture.sharpness - state.sharpness),
        views=with_view(state.views, edge_map(picture.luma), share),
    )


def _sighting(kind: str, camera: CameraPoint, turn: Turn, phase: Phase, picture: Picture, said: str) -> Sighting:
    return Sighting(
        kind=kind,
        phase=phase,
        zone_id=None,
        severity=kind_of(kind).severity,
        confidence=1.0,
        place=camera.place,
        accuracy_m=1.0,
        onset_s=turn.onset_s,
        at_s=picture.at_s,
        measure={"lasted_s": round(picture.at_s - turn.onset_s, 1), "sharpness": round(picture.sharpness, 4)},
        reason=said,
    )


def detail_of(luma: NDArray[np.uint8]) -> float:
    """Mean difference of neighbours in the small picture, grey levels."""
    grey = luma.astype(np.float32)
    return float((np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2)
