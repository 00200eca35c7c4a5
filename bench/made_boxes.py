"""Made hours of what a detector would see, for the kinds that are judged by boxes: traffic, near misses, incidents.

Boxes jitter, are missed, and there are some where nobody is, at rates like those of the detector that ships (persons of
vtest at 5 looks a second: 3 % missed of those that the looks before and after show, edges off by 4 to 10 % of the box
with the movement in it, a box in every tenth look that no neighbouring look shows).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.made_scenes import LABELS, Scene, Shown, camera, happening
from models.detections import Detections
from ops.replay_truth import Happening, Truth

HOUR_S, EVERY_S = 3600.0, 2.0
WIDTH_PX, HEIGHT_PX = 640, 480
MISSED, JITTER, FALSE = 0.05, 0.06, 0.1
"""Share of boxes missed in each look; standard deviation of edges, of the box's size; false boxes a look."""
ZONE = ((0.3, 0.5), (0.8, 0.5), (0.8, 0.95), (0.3, 0.95))
INCIDENTS = 3
"""An hour."""
SIZES: Mapping[str, tuple[float, float]] = {
    "person": (0.16, 0.4),
    "bicycle": (0.13, 1.3),
    "motorcycle": (0.14, 1.4),
    "car": (0.16, 1.9),
    "truck": (0.28, 1.5),
}
"""Height of a picture's lower edge, as a fraction of the picture; width by height."""


Place = NDArray[np.float64]
"""(2,): where someone's feet are, picture fractions."""


@dataclass
class Street:
    """Who is where: each goes straight from one place to another in its time, or stays."""

    rng: np.random.Generator
    rows: list[tuple[float, ...]] = field(default_factory=list)
    incidents: list[Happening] = field(default_factory=list)

    def go(self, label: str, from_s: float, until_s: float, start: Place, end: Place) -> None:
        self.rows.append((LABELS.index(label), from_s, until_s, *start, *end))

    def stay(self, label: str, from_s: float, until_s: float, margin: float = 0.08) -> None:
        """Somewhere in the zone."""
        place = self.within(margin)
        self.go(label, from_s, until_s, place, place + self.rng.normal(0, 0.004, 2))

    def within(self, margin: float) -> Place:
        low, high = np.array(ZONE[0]) + margin, np.array(ZONE[2]) - margin
        return self.rng.uniform(low, high)

    def pass_by(self, label: str, at_s: float) -> None:
        """Along the zone's upper side, outside of it."""
        y = float(self.rng.uniform(0.36, 0.44))
        ways = np.array([[-0.05, y], [1.05, y]])[:: self.rng.choice([1, -1])]
        self.go(label, at_s, at_s + float(self.rng.uniform(8, 25)), ways[0], ways[1])

    def cross(self, label: str, at_s: float, lasting_s: float) -> None:
        """Straight through the zone."""
        ways = np.array([[0.25, self.rng.uniform(0.6, 0.9)], [0.85, self.rng.uniform(0.6, 0.9)]])
        ways = ways[:: self.rng.choice([1, -1])]
        self.go(label, at_s, at_s + lasting_s, ways[0], ways[1])


def _intrusion(street: Street, kind: str, at_s: float, label: str = "person") -> None:
    until_s = at_s + float(street.rng.uniform(20, 120))
    street.stay(label, at_s, until_s)
    street.incidents.append(happening(kind, at_s, until_s))


def _two_wheeler(street: Street, kind: str, at_s: float) -> None:
    _intrusion(street, kind, at_s, str(street.rng.choice(["bicycle", "motorcycle"])))


def _crowd(street: Street, kind: str, at_s: float, low: int = 28, high: int = 45) -> None:
    """They come within 20 s and stay for some minutes."""
    until_s = at_s + float(street.rng.uniform(150, 400))
    for _ in range(int(street.rng.integers(low, high))):
        early_s, late_s = street.rng.uniform(0, 20, 2).tolist()
        street.stay("person", at_s - early_s, until_s + late_s, 0.03)
    street.incidents.append(happening(kind, at_s, until_s))


def _queue(street: Street, kind: str, at_s: float) -> None:
    _crowd(street, kind, at_s, 11, 17)


def _parked(street: Street, kind: str, at_s: float, low_s: float = 300, high_s: float = 900) -> None:
    until_s = at_s + float(street.rng.uniform(low_s, high_s))
    street.stay(str(street.rng.choice(["car", "truck"])), at_s, until_s)
    street.incidents.append(happening(kind, at_s, until_s))


def _in_the_way(street: Street, kind: str, at_s: float) -> None:
    _parked(street, kind, at_s, 150, 500)


def _strollers(street: Street, at_s: float) -> None:
    """Up to a dozen people in the zone, far below a crowd."""
    street.stay("person", at_s, at_s + float(street.rng.uniform(20, 150)))


def _hurry(label: str) -> Callable[[Street, float], None]:
    """A corner cut within less than the dwell."""

    def near(street: Street, at_s: float) -> None:
        street.go(label, at_s, at_s + 6, np.array([0.15, 0.55]), np.array([0.38, 0.4]))

    return near


def _stops(low_s: float, high_s: float) -> Callable[[Street, float], None]:
    """A vehicle that stops for less than its dwell."""

    def near(street: Street, at_s: float) -> None:
        street.stay("car", at_s, at_s + float(street.rng.uniform(low_s, high_s)))

    return near


def _walks_through(street: Street, at_s: float) -> None:
    street.cross("person", at_s, float(street.rng.uniform(6, 15)))


@dataclass(frozen=True)
class _Made:
    """``incident``; ``near``, what is nearly one, every ``near_s`` seconds; ``label`` passes by outside of the zone."""

    incident: Callable[[Street, str, float], None]
    near: Callable[[Street, float], None]
    near_s: float
    label: str


MADE: Mapping[str, _Made] = {
    "intrusion": _Made(_intrusion, _hurry("person"), 60.0, "person"),
    "e_bike": _Made(_two_wheeler, _hurry("bicycle"), 60.0, "motorcycle"),
    "crowding": _Made(_crowd, _strollers, 10.0, "person"),
    "gate_queue": _Made(_queue, _walks_through, 8.0, "person"),
    "blocked_fire_lane": _Made(_parked, _stops(30.0, 140.0), 150.0, "car"),
    "gate_blocked": _Made(_in_the_way, _stops(8.0, 40.0), 150.0, "motorcycle"),
}


def hour(kind: str, seed: int, incidents: int = INCIDENTS) -> Scene:
    """An hour with ``incidents`` of a kind, traffic beside the zone, and what is nearly an incident all the time."""
    made, street = MADE[kind], Street(np.random.default_rng([seed, *kind.encode()]))
    for number in range(incidents):
        made.incident(street, kind, HOUR_S * (number + 0.3) / max(incidents, 1) + float(street.rng.uniform(-60, 60)))
    busy = [(each.onset_s - 300, each.end_or(HOUR_S) + 300) for each in street.incidents]
    for at_s in np.arange(10.0, HOUR_S - 200, made.near_s) + street.rng.uniform(0, made.near_s / 2):
        if not any(begin_s < at_s < end_s for begin_s, end_s in busy) or kind in ("intrusion", "e_bike"):
            made.near(street, float(at_s))
    for at_s in np.arange(0.0, HOUR_S, 20.0):
        street.pass_by(made.label, float(at_s))
    return Scene(
        f"{kind}, hour {seed}",
        kind,
        camera(kind, ZONE),
        HOUR_S,
        Truth(incidents=street.incidents, tolerance_s=10.0),
        lambda: _looks(np.array(street.rows), seed),
    )


def _looks(rows: NDArray[np.float64], seed: int) -> Iterator[Shown]:
    rng = np.random.default_rng(seed)
    label, from_s, until_s = rows[:, 0].astype(np.int32), rows[:, 1], rows[:, 2]
    start, end = rows[:, 3:5], rows[:, 5:7]
    height, shape = np.array([SIZES.get(name, (0.2, 1.5)) for name in LABELS]).T
    for look in range(round(HOUR_S / EVERY_S)):
        at_s = look * EVERY_S
        here = np.flatnonzero((from_s <= at_s) & (at_s < until_s) & (rng.random(len(rows)) >= MISSED))
        share = ((at_s - from_s[here]) / (until_s[here] - from_s[here]))[:, None]
        feet = start[here] + share * (end[here] - start[here])
        feet, labels = np.concatenate([feet, rng.random((rng.poisson(FALSE), 2))]), label[here]
        labels = np.append(labels, rng.choice([0, 2], len(feet) - len(labels))).astype(np.int32)
        tall = height[labels] * (0.35 + 0.65 * feet[:, 1]) * HEIGHT_PX
        wide = tall * shape[labels]
        x, y = feet[:, 0] * WIDTH_PX, feet[:, 1] * HEIGHT_PX
        edges = np.stack([x - wide / 2, y - tall, x + wide / 2, y], axis=1)
        edges += rng.normal(0, JITTER, edges.shape) * np.stack([wide, tall, wide, tall], axis=1) / 2
        boxes = np.clip(edges, 0, (WIDTH_PX, HEIGHT_PX, WIDTH_PX, HEIGHT_PX)).astype(np.float32)
        scores = rng.uniform(0.36, 0.8, len(boxes)).astype(np.float32)
        yield Shown(at_s, Detections(boxes, scores, labels, LABELS), WIDTH_PX, HEIGHT_PX)
