"""What is done to the processes, in which order: kills at every named point and at no point, and the other faults."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from bench.crashing import POINTS
from bench.loss_processes import ANYWHERE

FAULTS = ("flush", "out-of-memory", "locked", "full-disk")
KILLS_PER_FLUSH = 40


@dataclass(frozen=True)
class Step:
    """A kill of one process of ``role`` at ``what``, or, with an empty role, a fault of that name."""

    role: str
    what: str


def kinds() -> list[Step]:
    """Every way to be killed."""
    named = [Step(role, point) for role, points in POINTS.items() for point in points]
    return named + [Step(role, ANYWHERE) for role in (*POINTS, "valkey")]


def plan(kills: int, without: Collection[str], seed: int, only: Collection[str] = ()) -> list[Step]:
    """``kills`` kills at named points and as many more at no point as there are of each, every kind as often as any
    other, in a shuffled order; the faults spread among them.

    ``only`` names the points to kill at, where it is not to be all.
    """
    wanted = [step for step in kinds() if not only or step.what in only]
    chance = random.Random(seed)
    steps: list[Step] = []
    named = 0
    while named < kills:
        each = wanted.copy()
        chance.shuffle(each)
        for step in each:
            if step.what == ANYWHERE or named < kills:
                steps.append(step)
                named += step.what != ANYWHERE
    faults = [Step("", fault) for fault in FAULTS if fault not in without]
    if "flush" not in without:
        faults += [Step("", "flush")] * (kills // KILLS_PER_FLUSH)
    for number, fault in enumerate(faults, 1):
        steps.insert(round(number * len(steps) / (len(faults) + 1)), fault)
    return steps
