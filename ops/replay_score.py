"""What a replay is worth: its alarms against the truth, by kind; its counts; its places. Pure.

An alarm is right when it belongs to an incident of its kind and zone: its time, from its onset until it was said,
meets the incident's. Further alarms of an incident that has one are repeats, neither right nor false. An incident
that comes within ``JOIN_S`` of one whose alarm still lasts is found by that alarm, as the operator has it before him.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any, Literal

import numpy as np
from scipy.special import gammaincinv

from ingest.replay import Alarm, Count, Replayed, Still
from models.geo import GeoPoint, distance_m
from ops.replay_truth import Happening, Span, Truth

Outcome = Literal["hit", "joined", "miss", "false", "repeat", "unjudged"]

JOIN_S = 60.0
DAY_S = 86_400.0
SURE = 0.95


@dataclass(frozen=True)
class Verdict:
    """One line of the report. ``at_s``: when it was said, or, of a miss, when it began."""

    outcome: Outcome
    kind: str
    zone: str | None
    at_s: float
    reason: str
    late_s: float | None = None
    error_m: float | None = None
    accuracy_m: float | None = None
    still: Still | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "still"}


@dataclass(frozen=True)
class KindScore:
    """``incidents`` of the truth, of which ``found``; ``false`` alarms in ``judged_s`` seconds. ``late_*``: seconds
    from an incident's onset until it was said. Rates are None where there is nothing to divide by."""

    kind: str
    incidents: int
    found: int
    false: int
    repeats: int
    judged_s: float
    late_median_s: float | None
    late_worst_s: float | None

    @property
    def recall(self) -> float | None:
        return self.found / self.incidents if self.incidents else None

    @property
    def precision(self) -> float | None:
        return self.found / (self.found + self.false) if self.found + self.false else None

    @property
    def false_per_day(self) -> float | None:
        return self.false * DAY_S / self.judged_s if self.judged_s else None

    @property
    def false_per_day_bound(self) -> float | None:
        return bound(self.false) * DAY_S / self.judged_s if self.judged_s else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "recall": self.recall,
            "precision": self.precision,
            "false_per_day": self.false_per_day,
            "false_per_day_bound": self.false_per_day_bound,
        }


@dataclass(frozen=True)
class CountScore:
    """``n`` pictures counted by a person, against what was counted in them: mean absolute error, mean error and
    correlation; ``smoothed_mae``: of what the rule went by. ``correlation`` None where one of both does not vary."""

    n: int
    mean: float
    mae: float
    bias: float
    correlation: float | None
    smoothed_mae: float


@dataclass(frozen=True)
class PlaceScore:
    """Metres between where an incident was and where its alarm said, and the share that was off by less than the
    alarm's own ``accuracy_m``."""

    n: int
    median_m: float
    worst_m: float
    within_accuracy: float


@dataclass(frozen=True)
class Score:
    """Of one replay. ``kinds``: those that are watched; ``uncounted``: counts of the truth before any look."""

    kinds: tuple[KindScore, ...]
    verdicts: tuple[Verdict, ...]
    counts: CountScore | None
    uncounted: int
    places: PlaceScore | None

    @property
    def recall(self) -> float | None:
        """Over all kinds."""
        incidents = sum(kind.incidents for kind in self.kinds)
        return sum(kind.found for kind in self.kinds) / incidents if incidents else None

    def to_json(self) -> dict[str, Any]:
        return {
            "recall": self.recall,
            "kinds": [kind.to_json() for kind in self.kinds],
            "counts": asdict(self.counts) if self.counts else None,
            "uncounted": self.uncounted,
            "places": asdict(self.places) if self.places else None,
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }


def bound(events: int, sure: float = SURE) -> float:
    """The most events that so many seen ones leave possible, ``sure``: 3.0 for none ("rule of three").

    Source: F. Garwood, Fiducial limits for the Poisson distribution (1936).
    """
    return float(gammaincinv(events + 1, sure))


def score(truth: Truth, watched: Sequence[str], played: Replayed) -> Score:
    """What ``played`` is worth by ``truth``; ``watched``: the kinds of incident that were looked for.

    Of a film that broke off, only what happens before is judged.
    """
    length_s = played.seconds
    happenings = [each for each in truth.incidents if each.onset_s < length_s]
    verdicts: list[Verdict] = []
    for kind in watched:
        verdicts += _of_kind(kind, truth, happenings, played)
    kinds = [_kind_score(kind, truth, [v for v in verdicts if v.kind == kind], length_s) for kind in watched]
    counts, uncounted = _count_score(truth, played.counts, length_s)
    verdicts.sort(key=lambda verdict: verdict.at_s)
    return Score(tuple(kinds), tuple(verdicts), counts, uncounted, _place_score(verdicts))


def _of_kind(kind: str, truth: Truth, happenings: Sequence[Happening], played: Replayed) -> Iterator[Verdict]:
    alarms = [alarm for alarm in played.alarms if alarm.begin.kind == kind]
    numbered = [(number, each) for number, each in enumerate(truth.incidents) if each in happenings]
    owners: dict[int, list[Alarm]] = {}
    for alarm in alarms:
        number = _owner(alarm, kind, numbered, truth.tolerance_s, played.seconds)
        if number is None:
            yield _verdict("false" if _is_judged(truth, alarm.said_s) else "unjudged", alarm)
        else:
            owners.setdefault(number, []).append(alarm)
    last: dict[str | None, tuple[Happening, Alarm]] = {}
    for number, each in sorted(numbered, key=lambda pair: pair[1].onset_s):
        if each.kind != kind:
            continue
        own = owners.get(number, [])
        earlier = last.get(each.zone)
        if own:
            yield _verdict("hit", own[0], each)
            yield from (_verdict("repeat", alarm) for alarm in own[1:])
            last[each.zone] = (each, own[-1])
        elif earlier and _still_lasts(earlier[0], earlier[1], each, played.seconds):
            said = f"the alarm of {earlier[1].said_s:.1f} s still lasted"
            yield Verdict("joined", kind, each.zone, each.onset_s, said, still=played.asked.get(number))
            last[each.zone] = (each, earlier[1])
        else:
            still = played.asked.get(number)
            unseen = still is not None and still.boxes is None
            said = "the gate kept the detector from this picture" if unseen else "no alarm"
            yield Verdict("miss", kind, each.zone, each.onset_s, said, still=still)


def _owner(
    alarm: Alarm, kind: str, numbered: Sequence[tuple[int, Happening]], slack_s: float, length_s: float
) -> int | None:
    """The incident that an alarm is of: the one that shares most of its time, or at least comes near enough."""
    shared_s = {
        number: min(alarm.said_s, each.end_or(length_s)) - max(alarm.onset_s, each.onset_s)
        for number, each in numbered
        if each.kind == kind and each.zone == alarm.begin.zone_id
    }
    best = max(shared_s, key=lambda number: shared_s[number], default=None)
    return None if best is None or shared_s[best] < -slack_s else best


def _still_lasts(before: Happening, alarm: Alarm, now: Happening, length_s: float) -> bool:
    until_s = math.inf if alarm.cleared_s is None else alarm.cleared_s
    return now.onset_s - before.end_or(length_s) <= JOIN_S and until_s > now.onset_s


def _is_judged(truth: Truth, at_s: float) -> bool:
    return truth.quiet is None or any(span.from_s <= at_s <= span.until_s for span in truth.quiet)


def _verdict(
    outcome: Literal["hit", "false", "repeat", "unjudged"], alarm: Alarm, of: Happening | None = None
) -> Verdict:
    begin, error_m = alarm.begin, None
    if of is not None and of.place is not None:
        error_m = round(distance_m(GeoPoint(*of.place), begin.place), 2)
    return Verdict(
        outcome=outcome,
        kind=begin.kind,
        zone=begin.zone_id,
        at_s=alarm.said_s,
        reason=begin.reason,
        late_s=None if of is None else round(alarm.said_s - of.onset_s, 2),
        error_m=error_m,
        accuracy_m=begin.accuracy_m,
        still=alarm.still,
    )


def _kind_score(kind: str, truth: Truth, verdicts: Sequence[Verdict], length_s: float) -> KindScore:
    told = [verdict.outcome for verdict in verdicts]
    late = [verdict.late_s for verdict in verdicts if verdict.late_s is not None]
    found = told.count("hit") + told.count("joined")
    return KindScore(
        kind=kind,
        incidents=found + told.count("miss"),
        found=found,
        false=told.count("false"),
        repeats=told.count("repeat"),
        judged_s=length_s if truth.quiet is None else _covered_s(truth.quiet, length_s),
        late_median_s=median(late) if late else None,
        late_worst_s=max(late) if late else None,
    )


def _covered_s(spans: Sequence[Span], length_s: float) -> float:
    return sum(max(min(span.until_s, length_s) - span.from_s, 0.0) for span in spans)


def _count_score(truth: Truth, counts: Mapping[str, Sequence[Count]], length_s: float) -> tuple[CountScore | None, int]:
    """Each counted picture against the last look until then, which is what the product would say at that moment."""
    pairs: list[tuple[int, Count]] = []
    wanted = [each for each in truth.counts if each.at_s <= length_s]
    for each in wanted:
        seen = counts.get(each.zone, ())
        at = int(np.searchsorted([count.at_s for count in seen], each.at_s + 1e-3, side="right"))
        if at:
            pairs.append((each.persons, seen[at - 1]))
    if not pairs:
        return None, len(wanted)
    persons = np.array([truly for truly, _ in pairs], float)
    seen_now = np.array([count.seen for _, count in pairs])
    smoothed = np.array([count.smoothed for _, count in pairs])
    varies = len(pairs) > 1 and persons.std() > 0 and seen_now.std() > 0
    found = CountScore(
        n=len(pairs),
        mean=float(persons.mean()),
        mae=float(np.abs(seen_now - persons).mean()),
        bias=float((seen_now - persons).mean()),
        correlation=float(np.corrcoef(persons, seen_now)[0, 1]) if varies else None,
        smoothed_mae=float(np.abs(smoothed - persons).mean()),
    )
    return found, len(wanted) - len(pairs)


def _place_score(verdicts: Sequence[Verdict]) -> PlaceScore | None:
    placed = [(v.error_m, v.accuracy_m) for v in verdicts if v.error_m is not None and v.accuracy_m is not None]
    if not placed:
        return None
    errors = [error_m for error_m, _ in placed]
    return PlaceScore(len(placed), median(errors), max(errors), fmean(e <= a for e, a in placed))
