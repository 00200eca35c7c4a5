"""Made hours at a gate, five looks a second: people who go through it, one at a time or behind one another, and what it
reports of them.

Boxes jitter, are missed, hide one another, and there are some where nobody is, as in ``made_boxes``; a pass is reported
up to three seconds late by a clock that is up to a second off. Beside those who followed somebody: people on passes of
their own close behind one another, people who are let in and turn back, who go out, walk by, and stand before the line.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bench.made_boxes import FALSE, HEIGHT_PX, HOUR_S, INCIDENTS, JITTER, MISSED, WIDTH_PX
from bench.made_scenes import BEGINS_S, LABELS, Scene, Shown, camera, happening
from models.detections import Detections
from models.gate import GateEvent, GateLog, GateSignal
from ops.replay_truth import Happening, Truth

TAILGATING, HELD_OPEN = "gate_tailgating", "gate_held_open"
EVERY_S = 0.2
ZONE = ((0.25, 0.3), (0.75, 0.3), (0.75, 0.95), (0.25, 0.95))
LINE = ((0.35, 0.62), (0.65, 0.62))
TALL, WIDE = 0.3, 0.42
"""Of a person at the line: share of the picture's height, and width by height."""
HIDDEN, HIDES = 0.4, 0.5
"""From so much of a box behind another one on, it is missed so often."""
LATE_S, OFF_S = 3.0, 1.0
SINGLE_S = 2.5
"""Of a gate that opens for one person: sooner than that it does not open again."""
SLOW_S, FAST_S = 2.5, 4.5
"""From where one comes into view until one is through: that long."""
CYCLE_S = 25.0


@dataclass
class Gate:
    """Who walks where, as (from, until, x, y, x, y), and what is reported, as (when it is known, signal)."""

    rng: np.random.Generator
    rows: list[tuple[float, ...]] = field(default_factory=list)
    said: list[tuple[float, GateSignal]] = field(default_factory=list)
    incidents: list[Happening] = field(default_factory=list)

    def go(self, over_s: float, way: int = 1) -> None:
        """Through the gate, over its line at ``over_s``; ``way`` -1 is out."""
        lasts_s, x = float(self.rng.uniform(SLOW_S, FAST_S)), float(self.rng.uniform(0.44, 0.56))
        start, end = (0.36, 0.92)[::way]
        share = (LINE[0][1] - start) / (end - start)
        drift = float(self.rng.normal(0, 0.02))
        begin_s = over_s - share * lasts_s
        self.rows.append((begin_s, begin_s + lasts_s, x, start, x + drift, end))

    def lets_in(self, over_s: float) -> None:
        """A pass, some time before that person goes."""
        at_s = over_s - float(self.rng.uniform(0.8, 2.5))
        clock_s = BEGINS_S + at_s + float(self.rng.uniform(-OFF_S, OFF_S))
        known_s = at_s + float(self.rng.exponential(0.5))
        self.said.append((min(known_s, at_s + LATE_S), GateSignal(GateEvent.PASS, clock_s)))

    def turns_back(self, at_s: float) -> None:
        """Let in, then not: up to the line and away from it."""
        self.lets_in(at_s)
        x = float(self.rng.uniform(0.45, 0.55))
        self.rows.append((at_s - 2, at_s, x, 0.36, x, 0.585))
        self.rows.append((at_s, at_s + 2, x, 0.585, x, 0.36))

    def waits(self, at_s: float) -> None:
        """Stands close before the line."""
        x, y = float(self.rng.uniform(0.4, 0.6)), float(self.rng.uniform(0.52, 0.58))
        self.rows.append((at_s, at_s + float(self.rng.uniform(5, 15)), x, y, x, y))

    def walks_by(self, at_s: float) -> None:
        y = float(self.rng.uniform(0.4, 0.5))
        left, right = (-0.05, 1.05)[:: int(self.rng.choice([1, -1]))]
        self.rows.append((at_s, at_s + float(self.rng.uniform(5, 9)), left, y, right, y))


def hour(by_sight: bool, seed: int, incidents: int = INCIDENTS) -> Scene:
    """An hour with ``incidents`` of somebody who follows somebody. ``by_sight``: the gate reports nothing, and lets one
    person in at a time."""
    gate = Gate(np.random.default_rng([seed, by_sight, 7]))
    for number in range(incidents):
        share_s = HOUR_S / incidents
        _followed(gate, share_s * (number + 0.5 + float(gate.rng.uniform(-1, 1)) / 6), by_sight)
    busy = [(each.onset_s - 40, each.onset_s + 60) for each in gate.incidents]
    for at_s in np.arange(20.0, HOUR_S - 60, CYCLE_S) + gate.rng.uniform(0, 5):
        if not any(begin_s < at_s < end_s for begin_s, end_s in busy):
            _usual(gate, float(at_s), by_sight)
    for at_s in np.arange(5.0, HOUR_S - 20, 30.0):
        gate.walks_by(float(at_s))
    levels = {"single_s": SINGLE_S} if by_sight else {}
    rows, said = np.array(gate.rows), None if by_sight else sorted(gate.said, key=lambda each: each[0])
    point = camera(TAILGATING, ZONE, levels)
    return Scene(
        f"{TAILGATING}{' by sight' if by_sight else ''}, hour {seed}",
        TAILGATING,
        replace(point, zones=tuple(replace(zone, line=LINE) for zone in point.zones)),
        HOUR_S,
        Truth(incidents=sorted(gate.incidents, key=lambda each: each.onset_s), tolerance_s=10.0),
        lambda: _looks(rows, said, seed),
    )


def _followed(gate: Gate, at_s: float, by_sight: bool) -> None:
    """One or two are let in, and one more goes close behind."""
    over_s = at_s
    for _ in range(1 if by_sight else int(gate.rng.integers(1, 3))):
        gate.lets_in(over_s)
        gate.go(over_s)
        over_s += float(gate.rng.uniform(1.0, 2.0))
    gate.go(over_s)
    gate.incidents.append(happening(TAILGATING, over_s, over_s + 5))


def _usual(gate: Gate, at_s: float, by_sight: bool) -> None:
    over_s = at_s
    for _ in range(1 + int(gate.rng.poisson(0.7))):
        gate.lets_in(over_s)
        gate.go(over_s)
        over_s += float(gate.rng.uniform(3.5, 5.0) if by_sight else gate.rng.uniform(1.0, 4.0))
    more = gate.rng.random()
    if more < 0.15:
        gate.turns_back(at_s + 15)
    elif more < 0.3:
        gate.waits(at_s + 12)
    elif more < 0.5:
        gate.go(at_s + 12, -1)
        gate.go(at_s + 13.2, -1)


def held_open_hour(seed: int, incidents: int = INCIDENTS) -> Scene:
    """A door that says when it opens and closes: it stands open for up to 45 s, and ``incidents`` times for longer."""
    rng, said, found = np.random.default_rng([seed, 8]), list[tuple[float, GateSignal]](), list[Happening]()
    long_ones = set(rng.choice(np.arange(2, 28), incidents, replace=False).tolist())
    for number in range(30):
        at_s = 120.0 * number + float(rng.uniform(0, 20))
        until_s = at_s + float(rng.uniform(70, 95) if number in long_ones else rng.uniform(3, 45))
        if number in long_ones:
            found.append(happening(HELD_OPEN, at_s, until_s))
        for event, when_s in ((GateEvent.OPENED, at_s), (GateEvent.CLOSED, until_s)):
            said.append((when_s + float(rng.uniform(0, LATE_S)), GateSignal(event, BEGINS_S + when_s)))
    said.sort(key=lambda each: each[0])
    truth = Truth(incidents=found, tolerance_s=10.0)
    point = camera(HELD_OPEN, ZONE)
    return Scene(
        f"{HELD_OPEN}, hour {seed}", HELD_OPEN, point, HOUR_S, truth, lambda: _looks(np.zeros((0, 6)), said, seed, 2.0)
    )


def _looks(
    rows: NDArray[np.float64], said: list[tuple[float, GateSignal]] | None, seed: int, every_s: float = EVERY_S
) -> Iterator[Shown]:
    rng, log, heard = np.random.default_rng(seed), None if said is None else GateLog(), 0
    from_s, until_s = rows[:, 0], rows[:, 1]
    for look in range(round(HOUR_S / every_s)):
        at_s = look * every_s
        while log is not None and said and heard < len(said) and said[heard][0] <= at_s:
            log, heard = log.after([said[heard][1]]), heard + 1
        here = rows[(from_s <= at_s) & (at_s < until_s)]
        share = ((at_s - here[:, 0]) / (here[:, 1] - here[:, 0]))[:, None]
        feet = here[:, 2:4] + share * (here[:, 4:6] - here[:, 2:4])
        boxes = _seen(_boxes(np.concatenate([feet, rng.random((rng.poisson(FALSE), 2))]), rng), len(feet), rng)
        scores = rng.uniform(0.25, 0.8, len(boxes)).astype(np.float32)
        found = Detections(boxes, scores, np.zeros(len(boxes), np.int32), LABELS)
        yield Shown(at_s, found, WIDTH_PX, HEIGHT_PX, gate=log)


def _boxes(feet: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    tall = TALL * (0.5 + 0.8 * feet[:, 1]) * HEIGHT_PX
    wide, x, y = WIDE * tall, feet[:, 0] * WIDTH_PX, feet[:, 1] * HEIGHT_PX
    edges = np.stack([x - wide / 2, y - tall, x + wide / 2, y], axis=1)
    edges += rng.normal(0, JITTER, edges.shape) * np.stack([wide, tall, wide, tall], axis=1) / 2
    return np.clip(edges, 0, (WIDTH_PX, HEIGHT_PX, WIDTH_PX, HEIGHT_PX)).astype(np.float32)


def _seen(boxes: NDArray[np.float32], people: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Without those of the first ``people`` that are missed: at random, and behind whoever stands nearer."""
    missed = np.append(rng.random(people) < MISSED, np.zeros(len(boxes) - people, bool))
    for i in range(people):
        nearer = boxes[:people][boxes[:people, 3] > boxes[i, 3]]
        low, high = np.maximum(boxes[i, :2], nearer[:, :2]), np.minimum(boxes[i, 2:], nearer[:, 2:])
        behind = (high - low).clip(0).prod(axis=1) / max(float((boxes[i, 2:] - boxes[i, :2]).prod()), 1.0)
        missed[i] |= bool((behind > HIDDEN).any()) and rng.random() < HIDES
    kept: NDArray[np.float32] = boxes[~missed]
    return kept
