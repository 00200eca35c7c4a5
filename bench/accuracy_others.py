"""The benches beside real footage, each run by its own command at a size that fits into minutes."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import crowd, position, structures
from bench.accuracy_parts import Part, Promise, Table
from ops.printing import shown

LONGEST_S = 900.0
KINDS_SIZE = ("--hours", "4", "--ground", "vtest", "--ground", "highway")
"""Half of the hours, two of the five recordings."""
STRUCTURES_SIZE = (
    *("--split", "judging", "--contender", "product"),
    *("--cameras", "4", "--days", "12", "--looks-a-day", "48"),
)
"""A glance at what takes hours in full, beside the simple contenders: ``wangge bench structures --split judging``."""


@dataclass(frozen=True)
class Other:
    """``arguments`` of ``python -m bench.NAME``; ``read`` makes a part of the document that it prints."""

    name: str
    arguments: Sequence[str]
    takes_data: bool
    read: Callable[[Any], Part]


def run_other(other: Other, data: Path, say: Callable[[str], None]) -> Part:
    """Its part; a part that says why where there is none of it. What it says on the way is handed on to ``say``."""
    words = [*other.arguments, "--json", *(["--data", str(data)] if other.takes_data else [])]
    last = [""]
    with subprocess.Popen(
        [sys.executable, "-m", f"bench.{other.name}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        hearing = threading.Thread(target=_hear, args=(process, other.name, say, last))
        ending = threading.Timer(LONGEST_S, process.kill)
        hearing.start()
        ending.start()
        try:
            out = process.stdout.read() if process.stdout else ""
        finally:
            ending.cancel()
            process.kill()
            hearing.join()
    try:
        return other.read(json.loads(out))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        why = f"it ended with {process.returncode} ({type(error).__name__} {error}): {last[0]}"
        return Part(other.name, None, left_out=(f"{other.name}: {why}",))


def _hear(process: "subprocess.Popen[str]", name: str, say: Callable[[str], None], last: list[str]) -> None:
    for line in process.stderr or ():
        last[0] = line.strip() or last[0]
        say(f"{name}: {line.strip()}")


def read_crowd(told: Mapping[str, Any]) -> Part:
    mall = told["mall"]
    whole = [
        {
            "set": f"Mall, {mall['frames']} frames of {mall['mean_persons']:.1f} persons",
            "uncalibrated MAE": shown(mall["uncalibrated_mae"]),
            f"calibrated by {crowd.FRAMES} frames, median of {mall['draws']} draws": shown(mall["mae_median"]),
            "P90": shown(mall["mae_p90"]),
            "called too dense": shown(mall["called_too_dense"]),
        }
    ]
    bands = [
        {
            "persons": f"{band['from']} to {band['below'] or '…'}",
            "stills": str(band["stills"]),
            "persons, mean": shown(band["mean_persons"]),
            "counted, mean": shown(band["mean_counted"]),
            "MAE": shown(band["mae"]),
            "said to be too dense": str(band["too_dense"]),
        }
        for band in told["streets"]
    ]
    cost = [{"look": form, "ms": shown(ms)} for form, ms in told["median_ms"].items()]
    numbered = sum(b["stills"] - b["too_dense"] for b in told["streets"] if b["from"] >= crowd.DENSE_FROM)
    return Part(
        "crowd",
        told,
        (Table("Counting, Mall", whole), Table("Counting, ShanghaiTech B", bands), Table("What a look costs", cost)),
        (
            Promise("Mall: MAE when calibrated, median", mall["mae_median"], crowd.MOST_MAE),
            Promise("Mall: MAE when calibrated, P90", mall["mae_p90"], crowd.MOST_P90_MAE),
            Promise("Mall: share of frames called too dense", mall["called_too_dense"], crowd.MOST_FALSE),
            Promise(f"ShanghaiTech B: stills of {crowd.DENSE_FROM} or more that get a number", numbered, 0),
        ),
    )


def read_structures(told: Mapping[str, Any]) -> Part:
    contenders = told["contenders"]
    size = f"{told['set']}; {told['cameras']} cameras x {told['days']} days, {told['looks_a_day']} looks a day"
    rows = [
        {
            "contender": name,
            "structures": str(found["structures"]),
            "recall": shown(found["recall"]),
            "watched": str(found["watched"]),
            "recall, watched": shown(found["recall_watched"]),
            "false in 20 cameras x 30 days": shown(found["false_per_20_cameras_30_days"]),
            "days to alert": shown(found["median_days_to_alert"]),
            "area off by": shown(found["median_area_error"]),
            "ms a look": shown(told["ms_a_look"].get(name)),
        }
        for name, found in contenders.items()
    ]
    product = contenders.get(structures.PRODUCT, {})
    kinds = [{"kind": kind, "recall": str(recall)} for kind, recall in product.get("recall_by_kind", {}).items()]
    promised = [
        Promise("structures: recall of the watched", product.get("recall_watched"), structures.RECALL_WATCHED, True),
        Promise(
            "structures: false in 20 cameras x 30 days",
            product.get("false_per_20_cameras_30_days"),
            structures.MOST_FALSE,
        ),
    ]
    promised += [
        Promise(
            f"structures: recall of {name}, which must find little", found["recall_watched"], structures.SIMPLE_RECALL
        )
        for name, found in contenders.items()
        if name != structures.PRODUCT
    ]
    tables = (Table(f"New structures ({size})", rows), Table("New structures, the product by kind", kinds))
    return Part("structures", told, tables, tuple(promised))


def read_kinds(told: Mapping[str, Any]) -> Part:
    rows = [
        {
            "kind": line["kind"],
            "found": f"{line['found']} of {line['incidents']}",
            "recall": shown(line["recall"]),
            "precision": shown(line["precision"]),
            "late s (median)": shown(line["late_median_s"]),
            "late s (worst)": shown(line["late_worst_s"]),
            "false": str(line["false"]),
            "hours": shown(line["hours"]),
            "false a camera-day at most (95 %)": shown(line["false_per_day_bound"]),
            "rule ms": shown(line["rule_ms"]),
        }
        for line in told["kinds"]
    ]
    broken = Table("Made scenes: promised and not so", [{"promise": sentence} for sentence in told["missed"]])
    promise = Promise("made scenes: promises of `wangge bench kinds` that are broken", len(told["missed"]), 0)
    return Part("kinds", told, (Table("Made scenes, by kind", rows), broken), (promise,), tuple(told["left_out"]))


def read_position(told: Mapping[str, Any]) -> Part:
    rows = [
        {
            "calibrated by": band["way"],
            "range m": f"{band['from_m']:.0f} to {band['to_m']:.0f}",
            "feet": str(band["feet"]),
            "off m (median)": shown(band["off_p50_m"]),
            "off m (95 %)": shown(band["off_p95_m"]),
            "said m (median)": shown(band["accuracy_p50_m"]),
            "inside": shown(band["inside"]),
        }
        for band in told["bands"]
    ]
    promises = [
        Promise(f"position, {way}: share inside accuracy_m", share, position.LEAST_INSIDE, is_least=True)
        for way, share in told["inside"].items()
    ]
    return Part("position", told, (Table("Position against range, cameras of known pose", rows),), tuple(promises))


OTHERS = (
    Other("position", (), False, read_position),
    Other("crowd", (), True, read_crowd),
    Other("kinds", KINDS_SIZE, True, read_kinds),
    Other("structures", STRUCTURES_SIZE, True, read_structures),
)
