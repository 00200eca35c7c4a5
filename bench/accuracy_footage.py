"""Real footage through the real pipeline: the clips that there is a truth for, at each rate, and all of them together.

The truths are ours, made by looking at the pictures (``bench/truth``); the footage is not, and stays where it is.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.accuracy_parts import Part, Promise, Table
from ingest.decode import reason_to_look
from ingest.enquiries import Showing
from ingest.watched import Gate, Observing
from ops.footage import cached
from ops.printing import shown
from ops.replay import RATES, Rated, judge_footage
from ops.replay_report import report_html
from ops.replay_score import DAY_S, bound
from ops.replay_truth import Headcount, Truth, View, camera_of, read_truth

TRUTHS = Path(__file__).parent / "truth"
MALL_FPS = 0.6
"""Every third picture of a recording at "under 2 fps"."""
LEAST_RECALL, MOST_LATE_S, MOST_FALSE = 0.9, 10.0, 2
"""Promised of all clips together, at each rate: what is seen, how late in the median, and false alarms in all."""


@dataclass(frozen=True)
class Clip:
    name: str
    footage: Path
    truth: Truth


@dataclass(frozen=True)
class Judged:
    clip: str
    rated: Rated


def clips(data: Path) -> tuple[list[Clip], list[str]]:
    """Those whose footage is here, and a sentence for each that is not."""
    where = {
        "one_by_one": data / "intel" / "one-by-one-person-detection.mp4",
        "car_detection": data / "intel" / "car-detection.mp4",
        "road": data / "roads" / "road.avi",
        "highway": data / "roads" / "highway.avi",
        "house6": data / "furg_fire" / "house6.mp4",
    }
    vtest = cached()
    found = [Clip("vtest", vtest, read_truth(TRUTHS / "vtest.json"))] if vtest else []
    found += [Clip(name, path, read_truth(TRUTHS / f"{name}.json")) for name, path in where.items() if path.is_file()]
    absent = [] if vtest else ["vtest: `wangge footage` fetches it"]
    absent += [f"{name}: {path} is not there" for name, path in where.items() if not path.is_file()]
    mall = data / "mall" / "heads.json"
    if mall.is_file():
        found.append(Clip("mall", mall.with_name("frames"), _mall(json.loads(mall.read_text()))))
    else:
        absent.append(f"mall: {mall} is not there")
    return found, absent


def _mall(heads: dict[str, Any]) -> Truth:
    """Everybody in the picture, counted in every picture; no alert is due below 100 people."""
    whole = [[0, 0], [1, 0], [1, 1], [0, 1]]
    levels = {"crowding": {"enter_persons": 100, "leave_persons": 80}}
    zone = {"id": "mall", "name": "Mall", "polygon": whole, "kinds": ["crowding"], "levels": levels}
    counts = [
        Headcount(zone="mall", at_s=number / MALL_FPS, persons=heads[name]["count"])
        for number, name in enumerate(sorted(heads))
    ]
    return Truth(fps=MALL_FPS, camera=View(zones=[zone]), counts=counts)


def footage_part(
    found: Sequence[Clip],
    absent: Sequence[str],
    detector: Observing,
    eyes: Showing,
    gate: Gate = reason_to_look,
    progress: Callable[[str, float], None] | None = None,
    reports: Path | None = None,
) -> Part:
    """Judges the clips. ``gate``: a check must be able to fail, so it is tried with one that never opens. ``reports``:
    a folder for the report of each clip. Raises OSError where it cannot be written.
    """
    judged: list[Judged] = []
    for clip in found:
        tell = (lambda rate, share, name=clip.name: progress(f"{name} {rate}", share)) if progress else None
        result = judge_footage(clip.footage, clip.truth, camera_of(clip.truth.camera), detector, eyes, (), gate, tell)
        if reports:
            (reports / f"{clip.name}.html").write_text(report_html(result), encoding="utf-8")
        judged += [Judged(clip.name, rated) for rated in result.rates]
    pooled = [_pooled(rate, [each.rated for each in judged if each.rated.rate == rate]) for rate in RATES]
    figures = {"clips": [{"clip": each.clip} | _brief(each.rated) for each in judged], "together": pooled}
    tables = (
        Table("Footage, clip by clip", [_row(each) for each in judged]),
        Table("Footage, all clips together, as if one camera had seen them", [_pooled_row(row) for row in pooled]),
        Table("What was missed, and what was said falsely", list(_faults(judged))),
    )
    return Part("footage", figures, tables, tuple(_promises(pooled)), tuple(absent))


def _brief(rated: Rated) -> dict[str, Any]:
    return {name: value for name, value in rated.to_json().items() if name != "kinds"} | {
        "kinds": [kind.to_json() for kind in rated.score.kinds if kind.incidents or kind.false]
    }


def _pooled(rate: str, all_of_it: Sequence[Rated]) -> dict[str, Any]:
    """One camera that saw all clips one after the other."""
    kinds = [kind for rated in all_of_it for kind in rated.score.kinds]
    late = [v.late_s for rated in all_of_it for v in rated.score.verdicts if v.late_s is not None]
    incidents, false = sum(kind.incidents for kind in kinds), sum(kind.false for kind in kinds)
    found = sum(kind.found for kind in kinds)
    pictures, looked = sum(r.played.pictures for r in all_of_it), sum(r.played.looked for r in all_of_it)
    days = sum(rated.played.seconds for rated in all_of_it) / DAY_S
    return {
        "rate": rate,
        "minutes": days * DAY_S / 60,
        "pictures": pictures,
        "gate_pass_rate": looked / pictures if pictures else None,
        "incidents": incidents,
        "recall": found / incidents if incidents else None,
        "precision": found / (found + false) if found + false else None,
        "late_median_s": median(late) if late else None,
        "late_worst_s": max(late, default=None),
        "false": false,
        "false_per_day_bound": bound(false) / days if days else None,
    }


def _row(each: Judged) -> dict[str, str]:
    rated, counts = each.rated, each.rated.score.counts
    kinds = rated.score.kinds
    late = [verdict.late_s for verdict in rated.score.verdicts if verdict.late_s is not None]
    incidents = sum(kind.incidents for kind in kinds)
    return {
        "clip": each.clip,
        "rate": rated.rate,
        "pictures": str(rated.played.pictures),
        "gate passes": shown(rated.pass_rate),
        "found": f"{sum(kind.found for kind in kinds)} of {incidents}" if incidents else "–",
        "late s (median)": shown(median(late) if late else None),
        "false": str(sum(kind.false for kind in kinds)),
        "counted": str(counts.n) if counts else "–",
        "MAE": shown(counts.mae if counts else None),
        "correlation": shown(counts.correlation if counts else None),
        "× real time": shown(rated.speed),
    }


def _faults(judged: Sequence[Judged]) -> Iterator[dict[str, str]]:
    for each in judged:
        for verdict in each.rated.score.verdicts:
            if verdict.outcome in ("miss", "false"):
                yield {
                    "clip": each.clip,
                    "rate": each.rated.rate,
                    "outcome": verdict.outcome,
                    "kind": verdict.kind,
                    "at s": shown(verdict.at_s),
                    "why": verdict.reason,
                }


def _pooled_row(pooled: dict[str, Any]) -> dict[str, str]:
    return {
        "rate": pooled["rate"],
        "minutes": shown(pooled["minutes"]),
        "gate passes": shown(pooled["gate_pass_rate"]),
        "recall": shown(pooled["recall"]),
        "precision": shown(pooled["precision"]),
        "late s (median)": shown(pooled["late_median_s"]),
        "late s (worst)": shown(pooled["late_worst_s"]),
        "false": str(pooled["false"]),
        "false a camera-day at most (95 %)": shown(pooled["false_per_day_bound"]),
    }


def _promises(pooled: Sequence[dict[str, Any]]) -> Iterator[Promise]:
    for row in pooled:
        at = f"footage at {row['rate']}"
        yield Promise(f"{at}: recall", row["recall"], LEAST_RECALL, is_least=True)
        yield Promise(f"{at}: median s from onset to alert", row["late_median_s"], MOST_LATE_S)
        yield Promise(f"{at}: false alarms", row["false"] if row["pictures"] else None, MOST_FALSE)
