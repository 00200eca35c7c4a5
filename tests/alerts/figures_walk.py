"""Random lives of alerts through the desk, and the figures counted by hand from their logs."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from desk_scene import ACTORS, NOW, PHOTO, duty, incident, photo
from sqlalchemy import Engine, select

from alerts import sealer
from alerts.desk import Desk
from alerts.lifecycle import allowed
from alerts.projection import replay
from alerts.tally import Bucket
from alerts.transitions import TRANSITIONS
from models import tables
from models.alert import DISMISS_REASONS, OUTCOMES, RETURN_REASONS, Alert, Command, CommandType, Event, State
from models.errors import WanggeError
from models.geo import GeoPoint
from models.incident import Phase
from models.people import Actor, Grant, Role

C = CommandType
ZONE = "Asia/Shanghai"
PEOPLE = [*ACTORS.values(), Actor("sup2", "Sup2", (Grant(Role.SUPERVISOR, "c", "/c/"),))]
ON = {C.ACKNOWLEDGE, C.DISPATCH, C.CLAIM, C.ACCEPT, C.ARRIVE, C.HANDLE, C.VERIFY, C.CLOSE, C.RESUME, C.TAKE_OVER}
"""Bring a case on: without a bias to them, hardly a life gets anywhere."""
ASTRAY = {C.RETURN, C.SUSPEND, C.REJECT, C.REOPEN, C.TRANSFER_UP, C.ASSIGN_DOWN, C.DECLINE, C.DISMISS, C.CONFIRM_VOID}


SENDS = ("dispatched", "transferred_up", "assigned_down", "transferred_across")


@dataclass
class Lives:
    """Alerts that are raised and commanded at random; ``now_s`` goes on by seconds to days."""

    desk: Desk
    pick: Random
    now_s: float = NOW
    seqs: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)

    def go(self, steps: int) -> None:
        for _ in range(steps):
            self.now_s += self.pick.choice((1, 20, 300, 4000, 40_000))
            way = self.pick.random()
            if not self.ids or way < 0.12:
                self.sight()
            elif way < 0.2:
                self.desk.expire_claims(self.now_s)
                self.desk.tick(self.now_s)
            else:
                alert_id = self.pick.choice(self.ids)
                for _ in range(self.pick.randint(1, 12)):
                    self.now_s += self.pick.choice((1, 20, 20, 300))
                    self.command(alert_id)

    def sight(self) -> None:
        """A new scene, or more of an old one, in one of three places."""
        n = self.pick.randint(1, 3)
        source = f"worker:{n}"
        self.seqs[source] += 1
        phase = self.pick.choice((Phase.ONSET, Phase.ONSET, Phase.CONTINUING, Phase.CLEARED))
        kind = self.pick.choice(("crowding", "camera_offline"))
        place = {"camera_id": f"cam{n}", "zone_id": self.pick.choice("ab"), "place": GeoPoint(float(n), 1.0)}
        about = {"source": source, "phase": phase, "kind": kind, "onset_s": self.now_s, "evidence": (), **place}
        receipt = self.desk.report(incident(self.seqs[source], **{**about, "at_s": self.now_s}), self.now_s)
        if receipt.alert_id and receipt.alert_id not in self.ids:
            self.ids.append(receipt.alert_id)

    def command(self, alert_id: str) -> None:
        alert = self.desk.alert(alert_id, ACTORS["op"])
        may = [(who, kind) for who in PEOPLE for kind in allowed(alert, who, self.now_s)]
        chance = self.pick.random()
        wanted = ON if chance < 0.75 else ASTRAY if chance < 0.95 else set(C)
        may = [way for way in may if way[1] in wanted]
        if not may:
            return
        kind = self.pick.choice(sorted({kind for _, kind in may}))
        who = self.pick.choice([who for who, its in may if its is kind])
        if kind is C.HANDLE:
            alert = self.desk.add_evidence(alert_id, who, photo(), self.now_s)
        try:
            command = Command(kind, who, self.arguments(alert, kind), self.reason(kind))
            self.desk.execute(alert_id, command, alert.version, self.now_s)
        except WanggeError:
            return

    def arguments(self, alert: Alert, kind: CommandType) -> dict[str, Any]:
        sure = {
            "fence": alert.fence,
            "evidence": [PHOTO],
            "text": "说明",
            "until_s": self.now_s + self.pick.choice((600, 90_000)),
            "outcome": self.pick.choice(OUTCOMES),
            "grid_code": self.pick.choice(("c", "d", "e") if kind is C.TRANSFER_UP else ("g1", "g2", "g3")),
            "rating": self.pick.randint(1, 5),
            "reached": True,
            "reply_due_s": self.now_s + 600,
            "person_id": "w2",
            "unit": "u",
        }
        row = TRANSITIONS[kind]
        chosen = {name for name in row.takes if self.pick.random() < 0.3 and name != "person_id"}
        return {name: sure[name] for name in (*row.needs, *chosen) if name in sure}

    def reason(self, kind: CommandType) -> str:
        codes = {C.DISMISS: DISMISS_REASONS, C.RETURN: RETURN_REASONS, C.DECLINE: RETURN_REASONS}
        return self.pick.choice(codes.get(kind, ("why",)))

    def seal(self, engine: Engine) -> None:
        while sealer.seal(engine, "test", self.now_s):
            pass


def on_duty() -> list[Any]:
    return [duty(person, grid) for person, grid in (("w1", "g1"), ("w2", "g2"), ("w3", "g3"), ("lead", "d"))]


def logs(engine: Engine, position: int) -> list[list[Event]]:
    """Each alert's log up to that position."""
    joined = tables.events.join(tables.seals, tables.seals.c.event_seq == tables.events.c.seq)
    query = select(tables.events).select_from(joined).where(tables.seals.c.position <= position)
    found: dict[str, list[Event]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query.order_by(tables.seals.c.position)).mappings():
            found.setdefault(row["alert_id"], []).append(sealer.event_of(row))
    return list(found.values())


def by_hand(all_logs: Sequence[Sequence[Event]]) -> dict[str, Any]:
    """Counts and lengths of those cases, as docs/figures.md says them and as plainly as can be."""
    counts: Counter[str] = Counter()
    lengths: dict[str, list[float]] = {"ack": [], "dispatch": [], "handle": [], "close": []}
    for log in all_logs:
        alert = replay(log)
        if alert.state is State.VOIDED:
            counts["voided"] += 1
            continue
        types = [event.type.value for event in log]
        misses = [e for e in log if e.type.value in ("returned", "declined") and str(e.reason).startswith("wrong_")]
        sends = [e for e in log if e.type.value in SENDS]
        judged = [e for e in log if e.type.value in ("acknowledged", "dismissed")]
        handled = [e for e in log if e.type.value == "handled"]
        redone = [e for e in log if e.type.value in ("rejected", "reopened")]
        closed, dismissed = alert.state is State.CLOSED, alert.state is State.DISMISSED
        clock = alert.whole_clock
        assert clock is not None
        overdue = any(e.type.value == "escalated" and e.data.get("clock") == "whole" for e in log)
        last = [e for e in log if e.type.value == "dismissed"]
        counts["alerts"] += 1
        counts["detections"] += max(event.data.get("incidents", 1) for event in log)
        counts["judged"] += bool(judged)
        counts["dismissed"] += dismissed
        counts["false_alarms"] += dismissed and last[-1].reason == "false_alarm"
        counts["to_do"] += not dismissed
        counts["suspended"] += alert.state is State.SUSPENDED
        counts["closed"] += closed
        counts["open"] += not (dismissed or closed or alert.state is State.SUSPENDED)
        counts["fixed"] += closed and bool(alert.verified_by) and str(alert.outcome).startswith("fixed")
        counts["due"] += closed or (overdue and not dismissed)
        counts["on_time"] += closed and alert.closed_s is not None and clock.due_s > (clock.paused_s or 0)
        counts["sent"] += bool(sends)
        counts["missent"] += bool(misses)
        counts["handled"] += bool(handled)
        counts["redone"] += bool(redone)
        counts["grouped"] += alert.case_id is not None
        counts["cases"] += alert.case_id is None or log[0].data.get("case", {}).get("begun", False)
        if judged:
            lengths["ack"].append(judged[0].at_s - log[0].at_s)
        if sends:
            lengths["dispatch"].append(sends[0].at_s - log[0].at_s)
        if handled and not any(e.version > handled[-1].version for e in redone):
            upto = replay(log[: types.index("handled", handled[-1].version - 1) + 1])
            lengths["handle"].append(handled[-1].at_s - log[0].at_s - upto.suspended_s)
        if closed and alert.closed_s is not None:
            lengths["close"].append(alert.closed_s - log[0].at_s - alert.suspended_s)
    return {"counts": counts, "lengths": lengths}


def bucket_of(log: Sequence[Event], bucket: Bucket) -> str:
    """The hour, day or month of the detection, as a clock and a calendar in China name it."""
    return bucket_name(log[0].at_s, bucket)


def bucket_name(at_s: float, bucket: Bucket) -> str:
    form = {Bucket.HOUR: "%Y-%m-%d %H", Bucket.DAY: "%Y-%m-%d", Bucket.MONTH: "%Y-%m"}[bucket]
    return datetime.fromtimestamp(at_s, ZoneInfo(ZONE)).strftime(form)


def rank(values: Sequence[float], tenths: int) -> float:
    """The smallest value that so many tenths of all do not exceed."""
    return sorted(values)[math.ceil(Fraction(tenths * len(values), 10)) - 1]
