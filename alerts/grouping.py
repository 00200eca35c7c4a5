"""New alerts into cases, within the transaction that raises them: the shell around ``storms``.

A member says so in its own log, by what its first event says or by a ``grouped`` event: cases can be counted from the
log alone. Breakers are not locked while they are looked at: of two dispatchers at one moment each may begin a case, and
an operator gets two items for one. No alert is lost by it.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from alerts import ledger
from alerts.clockwork import Clockwork
from alerts.draft import Draft
from alerts.projection import by_system
from alerts.storms import Breaker, Folded, Newcomer, Storms, breaker_from_json, breaker_to_json, joined, step, town_of
from models.alert import Alert, EventType, State
from models.incident import Incident
from models.tables import breakers, cameras, cases
from models.ulid import new_ulid

FED = frozenset({"camera_offline", "camera_blind", "camera_black", "camera_frozen"})
"""Kinds that the switch or recorder upstream of a camera may be the cause of."""

_READ = select(breakers.c.body).where(breakers.c.key == bindparam("of_key"))
_MADE, _BEGUN = insert(breakers), insert(cases)
_KEPT = update(breakers).where(breakers.c.key == bindparam("of_key"))


@dataclass(frozen=True)
class Membership:
    """``data`` is for the newcomer's first event, which says whether the case began with it; ``changed``: alerts that
    came into the case with it."""

    data: dict[str, Any]
    changed: tuple[Alert, ...] = ()


class Grouping:
    """The breakers that one batch of incidents meets, and the cases that it begins."""

    def __init__(
        self, connection: Connection, draft: Draft, clockwork: Clockwork, storms: Storms, now_s: float
    ) -> None:
        self._connection, self._draft, self._clockwork = connection, draft, clockwork
        self._storms, self._now_s = storms, now_s
        self._breakers: dict[str, Breaker] = {}
        self._new: set[str] = set()
        self._cases: list[dict[str, Any]] = []

    def take(self, alert_id: str, incident: Incident, grid_path: str) -> Membership:
        """What the alert, which is about to be raised, is a member of."""
        town = town_of(grid_path, self._storms.town_level)
        limit, cause, key = self._storms.limit, "storm", f"{incident.kind}{town}"
        upstream = self._upstream(incident)
        if upstream is not None:
            limit, cause, key = self._storms.upstream_limit, "upstream", f"{incident.kind}^{upstream}"
        new = Newcomer(
            alert_id, incident.severity, incident.camera_id, incident.place, incident.accuracy_m, self._now_s
        )
        breaker, folded = step(self._breaker(key), new, limit, self._storms.window_s, cause)
        changed: tuple[Alert, ...] = ()
        data: dict[str, Any] = {}
        others = [] if folded is None else self._single(folded, incident)
        if folded is not None and (others or folded.case_id or folded.cause != "place"):
            case_id = folded.case_id or self._begin(folded, incident, town if folded.cause == "storm" else grid_path)
            about = {"cause": folded.cause, "reason": folded.reason}
            data = {"case_id": case_id, "case": {**about, "begun": folded.case_id is None}}
            changed = tuple(self._group(alert, {"case_id": case_id, **about}) for alert in others)
            breaker = joined(breaker, folded, new, case_id)
        self._breakers[key] = breaker
        return Membership(data, changed)

    def write(self) -> None:
        """Once, at the end. Raises IntegrityError where another transaction was first to meet a breaker."""
        if self._cases:
            self._connection.execute(_BEGUN, self._cases)
        rows = [(key, breaker_to_json(breaker)) for key, breaker in sorted(self._breakers.items())]
        if made := [{"key": key, "body": body} for key, body in rows if key in self._new]:
            self._connection.execute(_MADE, made)
        if kept := [{"of_key": key, "body": body} for key, body in rows if key not in self._new]:
            self._connection.execute(_KEPT, kept)

    def _breaker(self, key: str) -> Breaker:
        if key not in self._breakers:
            body = self._connection.execute(_READ, {"of_key": key}).scalar_one_or_none()
            if body is None:
                self._new.add(key)
            self._breakers[key] = Breaker() if body is None else breaker_from_json(body)
        return self._breakers[key]

    def _upstream(self, incident: Incident) -> str | None:
        if incident.kind not in FED or incident.camera_id is None:
            return None
        found = select(cameras.c.upstream).where(cameras.c.id == incident.camera_id)
        return self._connection.execute(found).scalar_one_or_none()

    def _single(self, folded: Folded, incident: Incident) -> list[Alert]:
        """Those ``with_`` the newcomer that nobody has begun to work on, and whose time overlaps with its own."""
        found = [self._draft.latest(each) or ledger.load(self._connection, each, lock=True) for each in folded.with_]
        return [alert for alert in found if alert is not None and _joins(alert, folded, incident)]

    def _begin(self, folded: Folded, incident: Incident, path: str) -> str:
        case_id = new_ulid(self._now_s)
        about = {"cause": folded.cause, "kind": incident.kind, "grid_path": path, "reason": folded.reason}
        self._cases.append({"id": case_id, **about, "opened_s": self._now_s})
        return case_id

    def _group(self, alert: Alert, data: dict[str, Any]) -> Alert:
        event = by_system(alert.id, alert.version + 1, EventType.GROUPED, self._now_s, data)
        return self._clockwork.add(self._draft, alert, event)


def _joins(alert: Alert, folded: Folded, incident: Incident) -> bool:
    if alert.case_id is not None or alert.state not in (State.NEW, State.ACKNOWLEDGED):
        return False
    return folded.cause != "place" or alert.scene_clear_s is None or alert.scene_clear_s >= incident.onset_s
