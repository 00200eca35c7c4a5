"""A town: city c, districts d (grids g1, g2) and e (grid g3), their people, three cameras."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, insert

from alerts.database import writing
from alerts.desk import Desk
from models import tables
from models.alert import Alert, Command, CommandType
from models.geo import GeoPoint
from models.incident import Evidence, Incident, Phase, Severity
from models.people import Actor, Duty, Grant, Role

NOW = 1_800_000_000.0
SHA = "ab" * 32

PATHS = {"c": "/c/", "d": "/c/d/", "e": "/c/e/", "g1": "/c/d/g1/", "g2": "/c/d/g2/", "g3": "/c/e/g3/"}
PEOPLE = {
    "op": (Role.OPERATOR, "c"),
    "op_e": (Role.OPERATOR, "e"),
    "w1": (Role.GRID_WORKER, "g1"),
    "w1b": (Role.GRID_WORKER, "g1"),
    "w2": (Role.GRID_WORKER, "g2"),
    "w3": (Role.GRID_WORKER, "g3"),
    "lead": (Role.GRID_WORKER, "d"),
    "ver": (Role.VERIFIER, "c"),
    "sup": (Role.SUPERVISOR, "c"),
    "unit": (Role.UNIT, "d"),
    "admin": (Role.ADMIN, "c"),
    "aud": (Role.AUDITOR, "c"),
}


def actor(name: str) -> Actor:
    role, grid = PEOPLE[name]
    return Actor(name, name.title(), (Grant(role, grid, PATHS[grid]),))


ACTORS = {name: actor(name) for name in PEOPLE}


def furnish(engine: Engine) -> None:
    """The town's grids, people and cameras, straight into the tables."""
    with writing(engine) as connection:
        for code, path in PATHS.items():
            codes = path.strip("/").split("/")
            parent = codes[-2] if len(codes) > 1 else None
            row = {
                "code": code,
                "scheme": "test",
                "name": code,
                "parent": parent,
                "level": len(codes),
                "path": path,
                "changed_s": 0.0,
            }
            connection.execute(insert(tables.grids).values(row))
        for name, (role, grid) in PEOPLE.items():
            row = {"id": name, "username": name, "name": name.title(), "password_hash": "x", "created_s": 0.0}
            connection.execute(insert(tables.people).values(row | {"must_change_password": False, "active": True}))
            connection.execute(insert(tables.grants).values(person_id=name, role=role.value, grid_code=grid))
        for camera, grid in (("cam1", "g1"), ("cam2", "g2"), ("cam3", "g3")):
            row = {"id": camera, "code": camera, "name": camera, "lon_deg": 0.1, "lat_deg": 0.1, "url": "rtsp://x/"}
            more = {"purpose": "test", "grid_code": grid, "grid_path": PATHS[grid], "zones": [], "control_points": []}
            end = {"enabled": True, "version": 1, "created_s": 0.0, "changed_s": 0.0}
            connection.execute(insert(tables.cameras).values(row | more | end))


@dataclass(frozen=True)
class At:
    code: str | None
    path: str
    candidates: tuple[str, ...]


@dataclass
class FakePlaces:
    """Longitude 1 lies in g1, 2 in g2, 3 in g3, all else in no grid; ``on_duty`` is who is on duty."""

    on_duty: list[Duty] = field(default_factory=lambda: [duty("w1", "g1"), duty("w3", "g3"), duty("lead", "d")])

    def grid_index(self, _now_s: float) -> "FakePlaces":
        return self

    def locate(self, point: GeoPoint, accuracy_m: float) -> At:
        code = f"g{point.lon_deg:.0f}"
        if code not in PATHS:
            return At(None, "", ())
        return At(code, PATHS[code], (code, "g2") if accuracy_m > 100 else (code,))

    def duties(self, codes: Collection[str], now_s: float) -> list[Duty]:
        return [item for item in self.on_duty if item.grid_code in codes and item.starts_s <= now_s < item.ends_s]


def duty(person: str, grid: str, rank: int = 0, open_cases: int = 0, since_s: float = 0.0) -> Duty:
    return Duty(person, person, grid, rank, since_s, NOW + 10 * 86_400, open_cases)


def incident(seq: int = 1, **changes: Any) -> Incident:
    """A crowd in zone z of camera cam1, in g1; one second after the other."""
    at_s = NOW + seq
    plain: dict[str, Any] = {
        "source": "worker:1",
        "seq": seq,
        "kind": "crowding",
        "phase": Phase.ONSET,
        "camera_id": "cam1",
        "zone_id": "z",
        "severity": Severity.ORANGE,
        "confidence": 0.75,
        "place": GeoPoint(1.0, 1.0),
        "accuracy_m": 4.0,
        "onset_s": NOW,
        "at_s": at_s,
        "measure": {"persons": 31, "density_per_m2": 2.25},
        "reason": "31 persons",
        "model": "fake 1",
        "evidence": (Evidence(SHA, "still", "image/jpeg", at_s),),
    }
    return Incident(**plain | changes)


def later(item: Incident, phase: Phase, seq: int, after_s: float, **changes: Any) -> Incident:
    return replace(item, phase=phase, seq=seq, at_s=item.at_s + after_s, evidence=(), **changes)


def raised(desk: Desk, seq: int = 1, **changes: Any) -> Alert:
    """A new alert of that incident."""
    receipt = desk.report(incident(seq, **changes), NOW + seq)
    assert receipt.alert_id is not None
    return desk.alert(receipt.alert_id, ACTORS["op"])


PHOTO = "cd" * 32


def photo(sha256: str = PHOTO) -> Evidence:
    return Evidence(sha256, "photo", "image/jpeg", NOW)


def do(desk: Desk, alert: Alert, who: str, what: str, now_s: float = NOW + 10, **arguments: Any) -> Alert:
    """One command, with the version that ``alert`` shows. ``reason`` is the command's own."""
    reason = arguments.pop("reason", None)
    command = Command(CommandType(what), ACTORS[who], arguments, reason)
    return desk.execute(alert.id, command, alert.version, now_s)


def handled(desk: Desk, alert: Alert, worker: str = "w1") -> Alert:
    """The alert, brought from new to handled by that worker."""
    for who, what in (("op", "acknowledge"), ("op", "dispatch"), (worker, "claim")):
        alert = do(desk, alert, who, what)
    alert = do(desk, alert, worker, "accept", fence=alert.fence)
    alert = do(desk, alert, worker, "arrive")
    alert = desk.add_evidence(alert.id, ACTORS[worker], photo(), NOW + 10)
    return do(desk, alert, worker, "handle", evidence=[PHOTO], text="已疏散")
