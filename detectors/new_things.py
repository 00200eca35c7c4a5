"""New things in a zone: what stands out from the zone's learned look, followed by place and look, and no body.

While a person or vehicle is before a thing or beside it, it is attended: it is neither forgotten nor shown. What
comes and goes at one place looking the same, as a door does, becomes a habit of the place; what stays for a day belongs
to it. Of a thing that is there when the zone is first seen nothing is known. Pure: time is the frame clock's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.background import TOO_MUCH, Background, Compared, compare
from detectors.boxes import iou
from detectors.cells import Box, Cells, cells_in, cells_of, cells_under, frame_of, view_of
from detectors.course import Course, time_or_none
from detectors.rule import Observation
from detectors.spots import MOST_SPOTS, Look, Spot, alike, look_at, seen_spots
from models.frame import Pixels

VERSION = 1
BODIES = frozenset(
    [
        "person",
        "bicycle",
        "car",
        "motorcycle",
        "bus",
        "train",
        "truck",
        "e-bike",
        "bird",
        "cat",
        "dog",
        "horse",
        "sheep",
        "cow",
    ]
)
"""What leaves by itself."""
BODY_SCORE = 0.2
"""Where unsure, it is a body: an alert for somebody who sits there costs more than a minute's delay."""
NO_BODY = 0.5
"""A box of this share of the picture is a detector's mistake: it sees a road as a train."""
AROUND = 0.15
"""Added to a body's box on each side, of its size: a bag in the hand, a shadow at the feet."""
HIDDEN = 0.3
"""Share of a thing's cells from which on it is hidden or attended."""
COVERED, TAKEN_BACK = 0.5, 2.0
"""While bodies cover more than this share of a thing, each second takes back so many of those that it stood alone: who
sits there and is seen at every other look never becomes a thing, who walks past a bag only delays it."""
KEEP_S, LOST_S = 90.0, 25.0
"""A thing is kept for so long at least when it is not seen, as a still scene is looked at once a minute; and for the
shorter time until it has stood for its dwell, or a door that opens again and again would add up."""
RELEARN_S = 300.0
"""If most of the zone has looked otherwise for so long, it is another light, and learned anew."""
BELONGS_S = 86_400.0
HABIT_S, HABIT_TIMES, MOST_HABITS = 10.0, 2, 8
"""What came, stayed for so long and went so often looking the same is a habit of the place."""
HABIT_IOU, HABIT_LOOK = 0.7, 0.8
UNKNOWN = 0.2
"""While more than this share of what can be seen is not known, every keyframe is looked at."""


@dataclass(frozen=True)
class Habit:
    box: Box
    look: Look
    times: int


@dataclass(frozen=True, eq=False)
class State:
    """``set_up``: the camera's version that ``background`` was learned of. ``strange_since_s``: since when most of the
    zone looks otherwise. ``is_due``: the zone is being learned, or a dwell or a leaving is about to be over."""

    at_s: float | None = None
    set_up: int | None = None
    background: Background | None = None
    spots: tuple[Spot, ...] = ()
    habits: tuple[Habit, ...] = ()
    strange_since_s: float | None = None
    course: Course = field(default_factory=Course)
    is_due: bool = False

    @property
    def is_running(self) -> bool:
        return self.is_due

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "at_s": self.at_s,
            "set_up": self.set_up,
            "background": None if self.background is None else self.background.to_json(),
            "spots": [spot.to_json() for spot in self.spots],
            "habits": [[list(habit.box), list(habit.look), habit.times] for habit in self.habits],
            "strange_since_s": self.strange_since_s,
            "is_due": self.is_due,
            **vars(self.course),
        }

    @classmethod
    def from_json(cls, data: object) -> "State":
        """A fresh state for anything but what ``to_json`` gave in this version."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return cls()
        try:
            return cls(
                at_s=time_or_none(data["at_s"]),
                set_up=data["set_up"],
                background=None if data["background"] is None else Background.from_json(data["background"]),
                spots=tuple(Spot.from_json(spot) for spot in data["spots"][:MOST_SPOTS]),
                habits=tuple(_habit(*habit) for habit in data["habits"][:MOST_HABITS]),
                strange_since_s=time_or_none(data["strange_since_s"]),
                course=Course.from_json(data),
                is_due=data["is_due"] is True,
            )
        except (KeyError, TypeError, ValueError):
            return cls()


@dataclass(frozen=True, eq=False)
class Scene:
    """One look at the zone's cells. ``hidden``: bodies are before or beside them, or nothing can be compared.
    ``bodies``: (n, 4), picture fractions."""

    view: NDArray[np.float32]
    zone: Cells
    hidden: Cells
    bodies: NDArray[np.float32]
    found: Compared

    @property
    def is_strange(self) -> bool:
        """Most of it looks otherwise than it did."""
        return self.found.changed_share > TOO_MUCH

    def hides(self, background: Background, box: Box) -> bool:
        return bool(self.hidden[cells_under(background.frame, box)].mean() >= HIDDEN)


def fitting(state: State, seen: Observation) -> Background:
    """What is known of this zone; nothing once someone has set it up anew: how it looks now is how it is to look."""
    frame = frame_of(seen.zone.polygon)
    known = state.background
    if known is None or state.set_up != seen.camera.version or known.frame != frame:
        return Background.unknown(frame)
    return known


def scene_of(background: Background, seen: Observation, bgr: Pixels) -> Scene:
    scale = np.array([seen.width_px, seen.height_px] * 2, np.float32)
    bodies = seen.detections.of(BODIES, BODY_SCORE).boxes_px / scale
    bodies = bodies[np.prod(bodies[:, 2:] - bodies[:, :2], axis=1) < NO_BODY]
    wide = np.tile((bodies[:, 2:] - bodies[:, :2]) * AROUND, 2) * (-1, -1, 1, 1)
    hidden = cells_in(background.frame, bodies + wide)
    zone, view = cells_of(seen.zone.polygon), view_of(bgr, background.frame)
    found = compare(background, view, zone, hidden)
    hidden = hidden | found.attended | (found.changed_share > TOO_MUCH)
    return Scene(view, zone, hidden, bodies, found)


def looked(
    state: State, background: Background, scene: Scene, seen: Observation, dwell_s: float, leave_s: float
) -> State:
    """The state after a look, its course still to be followed."""
    spots = _spots(state, background, scene, seen, dwell_s, max(leave_s, KEEP_S))
    settled = [spot for spot in spots if spot.stood_s >= BELONGS_S]
    spots = tuple(spot for spot in spots if spot.stood_s < BELONGS_S)
    taken = cells_in(background.frame, np.array([spot.box for spot in spots]).reshape(-1, 4))
    for blob in scene.found.new:
        taken = taken | blob.cells
    belongs = cells_in(background.frame, np.array([spot.box for spot in settled]).reshape(-1, 4))
    # What somebody passes in front of may look taken away for a moment: not where a thing is known to stand.
    background = background.showing(scene.view, (belongs | (scene.found.gone & ~taken)) & ~scene.hidden)
    free = scene.zone & ~scene.hidden & ~taken
    background = background.learned(scene.view, free, free & scene.found.changed, seen.at_s)
    strange_since_s = None
    if scene.is_strange:
        strange_since_s = seen.at_s if state.strange_since_s is None else state.strange_since_s
        if seen.at_s - strange_since_s >= RELEARN_S:
            background, strange_since_s = Background.unknown(background.frame), None
    return replace(
        state,
        at_s=seen.at_s,
        set_up=seen.camera.version,
        background=background,
        spots=spots,
        habits=_habits(state.habits, state.spots, spots),
        strange_since_s=strange_since_s,
    )


def _spots(
    state: State, background: Background, scene: Scene, seen: Observation, dwell_s: float, keep_s: float
) -> tuple[Spot, ...]:
    """The things after this look."""
    there, open_to_see = list[Spot](), list[Spot]()
    last_s = seen.at_s if state.at_s is None else state.at_s
    for spot in state.spots:
        cells = cells_under(background.frame, spot.box)
        if scene.hides(background, spot.box):
            there.append(_hidden(spot, scene, last_s, seen.at_s, dwell_s))
        elif background.known[cells].mean() < 0.5:
            # Learned anew around it: nothing is known of what lies under it, only how it looks itself.
            same = alike(spot.look, look_at(seen.bgr, np.array(spot.box, np.float32)))
            there.extend([replace(spot, seen_s=seen.at_s)] if same else [])
        else:
            open_to_see.append(spot)
    boxes = np.array([blob.box for blob in scene.found.new], np.float32).reshape(-1, 4)
    scores = np.array([blob.strength / (1 + blob.strength) for blob in scene.found.new], np.float32)
    after = seen_spots(open_to_see, boxes, scores, seen.at_s, seen.bgr, keep_s)
    lasting = (spot for spot in after if spot.stood_s >= dwell_s or seen.at_s - spot.seen_s < LOST_S)
    return tuple([*there, *lasting][:MOST_SPOTS])


def _hidden(spot: Spot, scene: Scene, last_s: float, at_s: float, dwell_s: float) -> Spot:
    """Taken to be as it was at the last look: there, or lost for as long as it was lost then."""
    seen_s, since_s = (at_s if spot.seen_s == last_s else spot.seen_s + at_s - last_s), spot.since_s
    if spot.stood_s < dwell_s and _covered(np.array(spot.box, np.float32), scene.bodies) > COVERED:
        since_s = min(since_s + TAKEN_BACK * (at_s - last_s), seen_s)
    return replace(spot, since_s=since_s, seen_s=seen_s)


def _covered(box: NDArray[np.float32], bodies: NDArray[np.float32]) -> float:
    """Share of the box that the one body covers which covers most."""
    if not len(bodies):
        return 0.0
    sides = np.minimum(box[2:], bodies[:, 2:]) - np.maximum(box[:2], bodies[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1).max()
    return float(shared / max((box[2] - box[0]) * (box[3] - box[1]), 1e-9))


def _habits(habits: Sequence[Habit], before: Sequence[Spot], after: Sequence[Spot]) -> tuple[Habit, ...]:
    """With what has just gone."""
    known = list(habits)
    for spot in before:
        gone = not any(_overlap(each.box, spot.box) > 0.3 for each in after)
        if not gone or spot.stood_s < HABIT_S or not spot.look:
            continue
        same = next((habit for habit in known if _is_same(habit, spot)), None)
        if same is not None:
            known.remove(same)
        known.append(Habit(spot.box, spot.look, same.times + 1 if same else 1))
    return tuple(known[-MOST_HABITS:])


def is_habit(habits: Sequence[Habit], spot: Spot) -> bool:
    return any(habit.times >= HABIT_TIMES and _is_same(habit, spot) for habit in habits)


def _is_same(habit: Habit, spot: Spot) -> bool:
    return bool(spot.look) and _overlap(habit.box, spot.box) >= HABIT_IOU and alike(habit.look, spot.look, HABIT_LOOK)


def _overlap(a: Box, b: Box) -> float:
    return float(iou(np.array(a, np.float32), np.array([b], np.float32))[0])


def _habit(box: Sequence[float], look: Sequence[int], times: int) -> Habit:
    """Raises TypeError, ValueError."""
    spot = Spot.from_json({"box": box, "look": look, "since_s": 0, "seen_s": 0, "score": 0})
    return Habit(spot.box, spot.look, int(times))
