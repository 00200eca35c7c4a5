"""Cases that the product itself made, one of each course that a case can take, as moulds for many more.

The real desk takes a case along each course in a ledger of one grid. Its rows are then moulds: what is of the one case
– ids, grid, camera, person, place, picture, every time – is replaced, and all else stays as the product wrote it.
"""

import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from alerts.database import open_database, upgrade, writing
from alerts.desk import Desk
from alerts.projection import event_to_json
from alerts.registry import Registry
from alerts.sealer import canonical, event_of
from alerts.storms import Storms
from alerts.vault import Vault
from bench.town import NOW, Leaf, furnish
from models import tables
from models.alert import Command, CommandType, State
from models.incident import Evidence, Incident, Phase, Severity
from models.people import Actor, Grant, Role

ZONE, STILL, PHOTO = "MOULDZONE", "e" * 64, "d" * 64
SOURCE = "bench:mould"

_OPERATOR = Actor("op", "平台值班员", (Grant(Role.OPERATOR, "c", "/c/"),))
_VERIFIER = Actor("ver", "核查员", (Grant(Role.VERIFIER, "c", "/c/"),))
_SUPERVISOR = Actor("sup", "督查员", (Grant(Role.SUPERVISOR, "c", "/c/"),))
PEOPLE = (_OPERATOR, _VERIFIER, _SUPERVISOR)

_TO_DISPATCH = ("acknowledge", "dispatch")
_TO_ACCEPT = (*_TO_DISPATCH, "claim", "accept")
_TO_HANDLE = (*_TO_ACCEPT, "arrive", "handle")
COURSES: Mapping[State, tuple[str, ...]] = {
    State.NEW: (),
    State.ACKNOWLEDGED: ("acknowledge",),
    State.DISPATCHED: _TO_DISPATCH,
    State.ACCEPTED: _TO_ACCEPT,
    State.ON_SCENE: (*_TO_ACCEPT, "arrive"),
    State.RETURNED: (*_TO_ACCEPT, "return"),
    State.SUSPENDED: (*_TO_ACCEPT, "suspend"),
    State.HANDLED: _TO_HANDLE,
    State.REOPENED: (*_TO_HANDLE, "reject"),
    State.VERIFIED: (*_TO_HANDLE, "verify"),
    State.CLOSED: (*_TO_HANDLE, "verify", "close"),
    State.DISMISSED: ("acknowledge", "dismiss"),
    State.VOIDED: ("acknowledge", "void", "confirm_void"),
}
_SAID: Mapping[str, tuple[str, dict[str, Any], str | None]] = {
    "acknowledge": ("op", {}, None),
    "dispatch": ("op", {}, None),
    "claim": ("worker", {}, None),
    "accept": ("worker", {}, None),
    "arrive": ("worker", {}, None),
    "return": ("worker", {}, "cannot_find"),
    "suspend": ("op", {"until_s": NOW + 30 * 86_400}, "等待施工结束"),
    "handle": ("worker", {"evidence": [PHOTO], "text": "已劝离，现场恢复正常"}, None),
    "reject": ("ver", {}, "照片看不清现场"),
    "verify": ("ver", {}, None),
    "close": ("sup", {"outcome": "fixed_service"}, None),
    "dismiss": ("op", {}, "false_alarm"),
    "void": ("op", {}, "重复上报的演示数据"),
    "confirm_void": ("sup", {}, None),
}

KINDS = (("crowding", Severity.ORANGE), ("crowding", Severity.RED), ("camera_offline", Severity.YELLOW))

Which = tuple[State, str, Severity]
Values = Mapping[str, Any]
Cast = Callable[[Values], tuple[Any, ...]]
_KEYS = {"alerts": "id", **dict.fromkeys(("events", "incidents", "evidence", "timers"), "alert_id")}
_TIME = re.compile(r"\b1[78]\d{8}\.\d+")


@dataclass(frozen=True)
class Mould:
    """A case to be cast many times. ``offsets_s``: the times it names, from its beginning on.

    ``rows`` cast each table's rows, and ``sealed`` its events as they are hashed, from what ``values`` gives.
    """

    offsets_s: tuple[float, ...]
    rows: Mapping[str, tuple[Cast, ...]]
    sealed: tuple[Callable[[Values], str], ...]

    def values(self, number: int, alert_id: str, created_s: float, leaf: Leaf, zone: str, person: str) -> Values:
        place = leaf.place()
        times = {f"t{n}": created_s + offset_s for n, offset_s in enumerate(self.offsets_s)}
        named = {"id": alert_id, "grid": leaf.code, "path": leaf.path, "zone": zone, "still": f"{number:064x}"}
        named["photo"] = f"f{number:063x}"
        about = {"person": person, "camera": f"cam{leaf.code[1:]}", "lon": place.lon_deg, "lat": place.lat_deg}
        return {**named, **about, **times, "number": number}


def moulds() -> dict[Which, Mould]:
    """One for each course, kind and severity."""
    with tempfile.TemporaryDirectory(prefix="wangge-moulds-") as folder:
        file = Path(folder) / "ledger.db"
        engine = open_database(f"sqlite:///{file}")
        try:
            upgrade(engine)
            with writing(engine) as connection:
                (leaf,) = furnish(connection, 1, 1, 1)
                connection.execute(insert(tables.people), [person_row(actor) for actor in PEOPLE])
            places = Registry(engine, Vault(Path(folder) / "key"))
            desk = Desk(engine, places, claim_lease_s=120, storms=Storms(limit=10**6))  # each mould a single case
            wanted = [(state, kind, severity) for state in COURSES for kind, severity in KINDS]
            lived = {which: _live(desk, seq, leaf, which) for seq, which in enumerate(wanted, 1)}
        finally:
            engine.dispose()
        with closing(sqlite3.connect(file)) as db:
            db.row_factory = sqlite3.Row
            return {which: _mould(db, alert_id, leaf) for which, alert_id in lived.items()}


def columns(table: str) -> list[str]:
    """Those that a mould casts: all but a number that the database gives."""
    return [column.name for column in tables.metadata.tables[table].c if column.autoincrement is not True]


def person_row(actor: Actor) -> dict[str, Any]:
    about = {"id": actor.id, "username": actor.id, "name": actor.name, "password_hash": "x", "created_s": 0.0}
    return {**about, "must_change_password": False, "active": True}


def _live(desk: Desk, seq: int, leaf: Leaf, which: Which) -> str:
    """A case that takes its course; its id."""
    state, kind, severity = which
    incident = Incident(
        source=SOURCE,
        seq=seq,
        kind=kind,
        phase=Phase.ONSET,
        camera_id="cam0",
        zone_id=f"{ZONE}{seq}-",
        severity=severity,
        confidence=0.81,
        place=leaf.place(),
        accuracy_m=4.0,
        onset_s=NOW - 10,
        at_s=NOW - 1,
        measure={"persons": 31, "area_m2": 14.5, "density_per_m2": 2.14, "threshold": 2.0},
        reason="31 persons on 14.5 m²: 2.14 per m², the threshold is 2.0",
        model="nanodet-g-416 1.0",
        evidence=(Evidence(STILL, "still", "image/jpeg", NOW - 1),),
    )
    alert_id = desk.report(incident, NOW).alert_id
    assert alert_id is not None
    worker = Actor("p0", "网格员 0", (Grant(Role.GRID_WORKER, leaf.code, leaf.path),))
    actors = {"worker": worker, **{actor.id: actor for actor in PEOPLE}}
    for step, name in enumerate(COURSES[state], 1):
        who, arguments, reason = _SAID[name]
        alert = desk.alert(alert_id, PEOPLE[0])
        if name == "accept":
            arguments = {"fence": alert.fence}
        if name == "handle":
            photo = Evidence(PHOTO, "photo", "image/jpeg", NOW + 60.0 * step - 5)
            alert = desk.add_evidence(alert_id, worker, photo, photo.at_s)
        command = Command(CommandType(name), actors[who], arguments, reason)
        alert = desk.execute(alert_id, command, alert.version, NOW + 60.0 * step)
    assert desk.alert(alert_id, PEOPLE[0]).state is state
    return alert_id


def _mould(db: sqlite3.Connection, alert_id: str, leaf: Leaf) -> Mould:
    found = {
        name: db.execute(
            f"SELECT {', '.join(columns(name))} FROM {name} WHERE {key} = ? ORDER BY rowid",  # noqa: S608 - our own names
            (alert_id,),
        ).fetchall()
        for name, key in {
            "alerts": "id",
            **dict.fromkeys(("events", "incidents", "evidence", "timers"), "alert_id"),
        }.items()
    }
    events = [{**row, "data": json.loads(row["data"])} for row in map(dict, found["events"])]
    sealed = [canonical(event_to_json(event_of(row))).decode() for row in events]
    texts = sealed + [value for rows in found.values() for row in rows for value in row if isinstance(value, str)]
    numbers = [value for rows in found.values() for row in rows for value in row if isinstance(value, float)]
    times = {float(time) for text in texts for time in _TIME.findall(text)} | set(filter(_is_time, numbers))
    named = {repr(time): f"t{n}" for n, time in enumerate(sorted(times))}
    place = leaf.place()
    named |= {
        alert_id: "id",
        leaf.path: "path",
        STILL: "still",
        PHOTO: "photo",
        "cam0": "camera",
        f'"{leaf.code}"': "grid",
        '"p0"': "person",
    }
    named |= {repr(place.lon_deg): "lon", repr(place.lat_deg): "lat"}
    token = re.compile("|".join([rf"{ZONE}\d+-", *sorted(map(re.escape, named), key=len, reverse=True)]))

    def replaced(match: re.Match[str]) -> str:
        said = match[0]
        if said.startswith(ZONE):
            return "%(zone)s"
        name = named[said]
        # A float as JSON and canonical JSON write it: by its repr.
        return f'"%({name})s"' if said.startswith('"') else f"%({name})r" if _is_number(said) else f"%({name})s"

    def mould(text: str) -> str:
        return token.sub(replaced, text.replace("%", "%%"))

    whole = {leaf.code: "grid", "p0": "person"}
    bare = {time: named[repr(time)] for time in times} | {place.lon_deg: "lon", place.lat_deg: "lat"}

    def cast(row: sqlite3.Row) -> Cast:
        makers: list[Callable[[Values], Any]] = []
        for column in row.keys():  # noqa: SIM118 - a Row iterates over its values
            value = row[column]
            if column == "seq" or value in whole or (isinstance(value, float) and value in bare):
                name = "number" if column == "seq" else whole[value] if value in whole else bare[value]
                makers.append(itemgetter(name))
            elif isinstance(value, str) and token.search(value):
                makers.append(mould(value).__mod__)
            else:
                makers.append(partial(_same, value))
        return lambda values: tuple([make(values) for make in makers])

    return Mould(
        tuple(time - NOW for time in sorted(times)),
        {name: tuple(map(cast, rows)) for name, rows in found.items()},
        tuple(mould(text).__mod__ for text in sealed),
    )


def _same(value: Any, _values: Values) -> Any:
    return value


def _is_time(value: float) -> bool:
    return abs(value - NOW) < 400 * 86_400


def _is_number(text: str) -> bool:
    return text[:1].isdigit() and "." in text
