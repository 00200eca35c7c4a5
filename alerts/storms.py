"""What folds new alerts of one kind into one case: a storm in a town, one cause upstream, one happening in sight of
neighbouring cameras. Pure.

Defaults: an operator bears 20 items an hour (dispatch.md, "How many alerts a person can bear"). LIMIT alerts of one
kind in one town within WINDOW_S stay single, 18 an hour. One more, and they are one case, those earlier in the window
too. The breaker closes by itself once half as many come in a window. Red is never folded into a storm, and opens none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.geo import GeoPoint, distance_m
from models.incident import Severity
from models.settings import Settings

LIMIT = 3
WINDOW_S = 600.0
TOWN_LEVEL = 3
"""Which level of the grid tree is the town: city 1, county 2, town 3. In a shallower branch it is the lowest grid."""
MARGIN_M = 15.0
"""Two cameras see one happening where their ground points are nearer than both accuracies and this."""
REMEMBERED = 12
"""Newest alerts that a breaker knows by id and place. With a higher limit, those before them stay single."""


@dataclass(frozen=True)
class Storms:
    """Settings of the breakers. Behind one switch or recorder, two alerts are one case already."""

    limit: int = LIMIT
    window_s: float = WINDOW_S
    town_level: int = TOWN_LEVEL
    upstream_limit: int = 1


def storms_of(settings: Settings) -> Storms:
    """As the settings say."""
    return Storms(limit=settings.storm_limit, town_level=settings.town_level)


@dataclass(frozen=True)
class Newcomer:
    """What a breaker needs of an alert. ``case_id``: the case that it is in, if any; ``in_storm``: one that is not of
    neighbours. ``at_s``: when it was raised."""

    id: str
    severity: Severity
    camera_id: str | None
    place: GeoPoint
    accuracy_m: float
    at_s: float
    case_id: str | None = None
    in_storm: bool = False


@dataclass(frozen=True)
class Breaker:
    """One kind in one town, or behind one upstream: the newest alerts, oldest first; when the newest that are not red
    came; and the storm's case while the breaker is open."""

    recent: tuple[Newcomer, ...] = ()
    times_s: tuple[float, ...] = ()
    storm: str | None = None


@dataclass(frozen=True)
class Folded:
    """What a newcomer folds into. ``case_id`` None: a case begins. ``with_``: single alerts that come in with it."""

    cause: str
    case_id: str | None
    with_: tuple[str, ...]
    reason: str


def town_of(grid_path: str, level: int) -> str:
    """The path of the grid of that level that holds the grid of ``grid_path``; itself where it stands above."""
    codes = [code for code in grid_path.split("/") if code][:level]
    return "/" + "".join(f"{code}/" for code in codes)


def step(
    breaker: Breaker, new: Newcomer, limit: int, window_s: float, cause: str = "storm"
) -> tuple[Breaker, Folded | None]:
    """The breaker after the newcomer, and what that folds into. Once the case has an id: ``joined``."""
    since_s = new.at_s - window_s
    recent = tuple(each for each in breaker.recent if each.at_s > since_s)
    times_s = tuple(at_s for at_s in breaker.times_s if at_s > since_s)
    counts = new.severity is not Severity.RED
    if counts:
        times_s = (*times_s, new.at_s)[-(limit + 1) :]
    is_open = len(times_s) > limit or (breaker.storm is not None and len(times_s) > limit // 2)
    storm = breaker.storm if is_open else None
    if counts and is_open:
        single = tuple(each.id for each in recent if each.case_id is None and each.severity is not Severity.RED)
        where = "in this town" if cause == "storm" else "behind one switch or recorder"
        said = f"more than {limit} of this kind {where} within {window_s / 60:.0f} min"
        folded: Folded | None = Folded(cause, storm, () if storm else single, said)
    else:
        folded = _neighbour(recent, new)
    return Breaker((*recent, new)[-REMEMBERED:], times_s, storm), folded


def joined(breaker: Breaker, folded: Folded, new: Newcomer, case_id: str) -> Breaker:
    """The breaker once the newcomer and those ``with_`` it are members of that case."""
    members = {new.id, *folded.with_}
    in_storm = folded.cause != "place" or any(each.in_storm for each in breaker.recent if each.case_id == case_id)
    recent = tuple(
        replace(each, case_id=case_id, in_storm=in_storm) if each.id in members else each for each in breaker.recent
    )
    return replace(breaker, recent=recent, storm=breaker.storm if folded.cause == "place" else case_id)


def _neighbour(recent: tuple[Newcomer, ...], new: Newcomer) -> Folded | None:
    for each in reversed(recent):
        if None in (each.camera_id, new.camera_id) or each.camera_id == new.camera_id:
            continue
        if each.in_storm and new.severity is Severity.RED:  # near one of a storm's, it is still not the storm's
            continue
        apart_m = distance_m(each.place, new.place)
        if apart_m <= each.accuracy_m + new.accuracy_m + MARGIN_M:
            said = f"{apart_m:.0f} m from what another camera sees (alert {each.id})"
            return Folded("place", each.case_id, () if each.case_id else (each.id,), said)
    return None


def breaker_to_json(breaker: Breaker) -> dict[str, Any]:
    recent = []
    for n in breaker.recent:
        where = (n.camera_id, n.place.lon_deg, n.place.lat_deg, n.accuracy_m)
        recent.append([n.id, int(n.severity), *where, n.at_s, n.case_id, n.in_storm])
    return {"recent": recent, "times_s": list(breaker.times_s), "storm": breaker.storm}


def breaker_from_json(body: Mapping[str, Any]) -> Breaker:
    """What ``breaker_to_json`` wrote."""
    recent = tuple(
        Newcomer(id_, Severity(severity), camera_id, GeoPoint(lon_deg, lat_deg), *rest)
        for id_, severity, camera_id, lon_deg, lat_deg, *rest in body["recent"]
    )
    return Breaker(recent, tuple(body["times_s"]), body["storm"])
