"""How well each kind of incident is told, on footage made for it: precision, recall, delay, false alarms, cost.

What is judged by boxes gets made hours of what a detector would see: traffic, near misses, incidents. What is judged by
pixels gets things painted into real recordings, and cameras that go blind. It says how well the rules decide, not how
well a detector sees: for that, see ``wangge bench accuracy``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.made_blind import FAULTS, blind, dusk
from bench.made_boxes import MADE, hour
from bench.made_dumping import KIND, NUISANCES, THINGS, left
from bench.made_gates import HELD_OPEN, TAILGATING, held_open_hour
from bench.made_gates import hour as gate_hour
from bench.made_pictures import RECORDINGS, Ground, read_ground
from bench.made_scenes import Scene, play
from detectors.perception import Perception
from detectors.zoo.manifest import find_entry, read_zoo
from models.errors import WanggeError
from ops.footage import cached
from ops.replay_score import DAY_S, bound, score

PICTURED = (KIND, *FAULTS)
GATES = (TAILGATING, HELD_OPEN)
DETECTOR = "nanodet-g-416"
LEAST_RECALL, LEAST_PRECISION = 0.9, 0.9
LEAST_DUMPING = 0.5
"""Where people and vehicles pass all the time a thing is hardly ever alone: those are in the set, and missed."""
MOST_MS, MOST_DUMPING_MS = 1.0, 3.0
"""A look, of one zone and kind; left objects compare the picture."""


def measure(kind: str, scenes: Iterable[Scene], say: Callable[[str], None]) -> dict[str, Any]:
    """One line of the report: what became of all scenes of a kind."""
    incidents = found = false = 0
    judged_s, late_s, cost_ms, verdicts = 0.0, list[float](), list[float](), list[dict[str, Any]]()
    for scene in scenes:
        played = play(scene)
        scored = score(scene.truth, [kind], played.played)
        (line,) = scored.kinds
        incidents, found, false = incidents + line.incidents, found + line.found, false + line.false
        judged_s += line.judged_s
        late_s += [verdict.late_s for verdict in scored.verdicts if verdict.late_s is not None]
        cost_ms.append(played.rule_ms)
        wrong = [verdict for verdict in scored.verdicts if verdict.outcome in ("miss", "false")]
        verdicts += [{"scene": scene.name, "outcome": v.outcome, "at_s": v.at_s, "reason": v.reason} for v in wrong]
        say(f"{scene.name}: {line.found} of {line.incidents} found, {line.false} false")
    return {
        "kind": kind,
        "incidents": incidents,
        "found": found,
        "false": false,
        "recall": found / incidents if incidents else None,
        "precision": found / (found + false) if found + false else None,
        "late_median_s": round(median(late_s), 1) if late_s else None,
        "late_worst_s": round(max(late_s), 1) if late_s else None,
        "hours": round(judged_s / 3600, 2),
        "false_per_day": round(false * DAY_S / judged_s, 2) if judged_s else None,
        "false_per_day_bound": round(bound(false) * DAY_S / judged_s, 2) if judged_s else None,
        "rule_ms": round(min(cost_ms), 3) if cost_ms else None,
        "wrong": verdicts,
    }


def grounds(data: Path, names: Sequence[str], say: Callable[[str], None]) -> tuple[list[Ground], list[str]]:
    """The recordings there are, and a sentence for each that there is not."""
    eyes = None
    found, left_out = list[Ground](), list[str]()
    for name in names:
        path = cached() if name == "vtest" else data / RECORDINGS[name][0]
        if path is None or not path.exists():
            left_out.append(f"{name}: it is not at {path or 'the demo’s place: run wangge footage'}; left out")
            continue
        eyes = eyes or Perception.load(find_entry(read_zoo(), DETECTOR))
        say(f"looking at {name}")
        found.append(read_ground(name, path, eyes))
    return found, left_out


def pictured(kind: str, places: Sequence[Ground], seeds: int) -> Iterator[Scene]:
    for seed in range(1, seeds + 1):
        for number, ground in enumerate(places):
            if kind != KIND:
                yield blind(ground, kind, seed)
                yield dusk(ground, kind, seed)
                continue
            for step, what in enumerate(THINGS):
                yield left(ground, 100 * seed + 10 * number + step, what)
            for nuisance in NUISANCES.values():
                yield nuisance(ground, 100 * seed + number)


def missed(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was promised and is not so."""
    faults = []
    for line in lines:
        kind = line["kind"]
        recall = LEAST_DUMPING if kind == KIND else LEAST_RECALL
        most_ms = MOST_DUMPING_MS if kind == KIND else MOST_MS
        if line["recall"] is None or line["recall"] < recall:
            faults.append(f"{kind}: {line['found']} of {line['incidents']} found, promised {recall:.0%}")
        if line["precision"] is None or line["precision"] < LEAST_PRECISION:
            faults.append(f"{kind}: {line['false']} false beside {line['found']}, promised {LEAST_PRECISION:.0%} right")
        if line["rule_ms"] is not None and line["rule_ms"] > most_ms and kind not in FAULTS:
            faults.append(f"{kind}: {line['rule_ms']} ms a look, promised {most_ms:g}")
    return faults


def _shown(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "kind                       found  recall precis.        late s  false  hours  a day ≤     ms"
    for line in lines:
        rates = (f"{line[name]:.2f}" if line[name] is not None else "–" for name in ("recall", "precision"))
        late = "–" if line["late_median_s"] is None else f"{line['late_median_s']:g}/{line['late_worst_s']:g}"
        yield (
            f"{line['kind']:<22} {line['found']:>4}/{line['incidents']:<4} {next(rates):>7} {next(rates):>7} "
            f"{late:>13} {line['false']:>6} {line['hours']:>6g} {line['false_per_day_bound']:>8g} "
            f"{line['rule_ms']:>6.2f}"
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="wangge bench kinds", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where recordings lie, see README")
    parser.add_argument(
        "--kind", action="append", choices=[*MADE, *GATES, *PICTURED], help="only this; may be repeated"
    )
    parser.add_argument("--ground", action="append", choices=list(RECORDINGS), help="only this recording")
    parser.add_argument("--hours", type=int, default=8, help="made hours of each kind that is judged by boxes")
    parser.add_argument("--seeds", type=int, default=1, help="rounds over the recordings, for kinds judged by pixels")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit 1 where what was promised is not so")
    asked = parser.parse_args(arguments)
    kinds = asked.kind or [*MADE, *GATES, *PICTURED]

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    hours = range(1, asked.hours + 1)
    lines = [measure(kind, (hour(kind, n) for n in hours), say) for kind in kinds if kind in MADE]
    if TAILGATING in kinds:
        lines.append(measure(TAILGATING, (gate_hour(False, n) for n in hours), say))
        sight = measure(TAILGATING, (gate_hour(True, n) for n in hours), say)
        lines.append(sight | {"kind": f"{TAILGATING}, seen"})
    if HELD_OPEN in kinds:
        lines.append(measure(HELD_OPEN, (held_open_hour(n) for n in hours), say))
    left_out: list[str] = []
    if wanted := [kind for kind in kinds if kind in PICTURED]:
        try:
            places, left_out = grounds(asked.data, asked.ground or list(RECORDINGS), say)
        except WanggeError as error:
            print(error, file=sys.stderr)
            return 1
        lines += [measure(kind, pictured(kind, places, asked.seeds), say) for kind in wanted if places]
        left_out += [] if places else [f"{kind}: no recording to paint it into; left out" for kind in wanted]
    faults = missed(lines)
    if asked.json:
        print(json.dumps({"kinds": lines, "left_out": left_out, "missed": faults}, ensure_ascii=False))
    else:
        print(*_shown(lines), *left_out, *faults, sep="\n")
    return 1 if asked.check and faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
