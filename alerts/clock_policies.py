"""Clock policies and calendars at rest: each grid's own, read as one book that the core decides by."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from alerts.calendars import Calendar
from alerts.database import reading, writing
from alerts.grid_registry import grid_of
from alerts.policy import check
from alerts.sla import ANY_KIND, NO_POLICIES, PolicyBook, Rule
from models.clocks import Span, Stage, TimeUnit
from models.errors import Fault, InvalidInput
from models.incident import KINDS, Severity
from models.people import Actor, Permission
from models.tables import calendars, clock_policies, clock_stamp

BOOK_MAX_AGE_S = 3.0
"""How long a process may set clocks by a book that another process has changed."""

MOST_RULES = 2000


@dataclass(frozen=True)
class InForce:
    """What holds in a grid for one key. ``policy`` names the rule, "default" where no grid has one."""

    kind: str
    severity: Severity
    stage: Stage
    span: Span | None
    policy: str


class ClockPolicies:
    """``clock`` gives Unix seconds for what is written."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._clock = engine, clock
        self._lock = threading.Lock()
        self._book, self._version, self._checked_s = NO_POLICIES, 0, -math.inf

    def book(self, now_s: float) -> PolicyBook:
        """All policies and calendars, at most BOOK_MAX_AGE_S behind. Cheap to ask per event."""
        with self._lock:
            if abs(now_s - self._checked_s) >= BOOK_MAX_AGE_S:
                with reading(self._engine) as connection:
                    version = connection.execute(select(clock_stamp.c.version)).scalar_one_or_none() or 0
                    if version != self._version:
                        self._book, self._version = _read(connection), version
                self._checked_s = now_s
            return self._book

    def in_force(self, grid_code: str, actor: Actor) -> list[InForce]:
        """What holds in that grid: by kind where any rule names one, by severity and stage. Raises NotFound."""
        with reading(self._engine) as connection:
            path = grid_of(connection, grid_code).path
            check(actor, Permission.GRID_READ, path, sight=Permission.GRID_READ)
            book = _read(connection)
        above = set(path.split("/"))
        kinds = sorted({kind for code, kind, _, _ in book.rules if code in above} - {ANY_KIND})
        return [
            InForce(kind, severity, stage, *book.span(kind, severity, stage, path))
            for kind in (ANY_KIND, *kinds)
            for severity in Severity
            for stage in Stage
        ]

    def set_rules(self, grid_code: str, rules: Sequence[Rule], actor: Actor) -> None:
        """The grid's own rules from now on: these and no others. Raises NotFound, Forbidden, InvalidInput."""
        faults = [
            Fault(f"rules.{n}", f"there is no incident kind {rule.kind[:64]!r}")
            for n, rule in enumerate(rules)
            if rule.kind not in KINDS and rule.kind != ANY_KIND
        ]
        keys = [(rule.kind, rule.severity, rule.stage) for rule in rules]
        faults += [Fault(f"rules.{n}", "says the same key again") for n, key in enumerate(keys) if key in keys[:n]]
        if len(rules) > MOST_RULES or faults:
            said = str(faults[0]) if faults else f"at most {MOST_RULES} rules"
            raise InvalidInput(f"no rule was changed: {said}", faults[:50])
        now_s = self._clock()
        with writing(self._engine) as connection:
            self._allowed(connection, grid_code, actor)
            connection.execute(delete(clock_policies).where(clock_policies.c.grid_code == grid_code))
            rows = [
                {
                    "grid_code": grid_code,
                    "kind": rule.kind,
                    "severity": int(rule.severity),
                    "stage": rule.stage.value,
                    "amount": rule.span.amount if rule.span else None,
                    "unit": (rule.span.unit if rule.span else TimeUnit.SECONDS).value,
                    "changed_s": now_s,
                    "changed_by": actor.id,
                }
                for rule in rules
            ]
            if rows:
                connection.execute(insert(clock_policies), rows)
            _stamp(connection)
        self._forget()

    def calendar(self, grid_code: str, actor: Actor) -> tuple[Calendar, str | None]:
        """The calendar that holds in that grid, and the grid whose own it is (None: the product's). Raises NotFound."""
        with reading(self._engine) as connection:
            path = grid_of(connection, grid_code).path
            check(actor, Permission.GRID_READ, path, sight=Permission.GRID_READ)
            found = _read(connection).calendar(path)
        return found, found.code if found.code in path.split("/") else None

    def set_calendar(self, grid_code: str, calendar: Calendar | None, actor: Actor) -> None:
        """The grid's own calendar from now on; None: that of the grid above. Raises NotFound, Forbidden."""
        with writing(self._engine) as connection:
            self._allowed(connection, grid_code, actor)
            connection.execute(delete(calendars).where(calendars.c.grid_code == grid_code))
            if calendar is not None:
                row = {"body": _to_json(calendar), "changed_s": self._clock(), "changed_by": actor.id}
                connection.execute(insert(calendars).values(grid_code=grid_code, **row))
            _stamp(connection)
        self._forget()

    def _allowed(self, connection: Connection, grid_code: str, actor: Actor) -> None:
        path = grid_of(connection, grid_code).path
        check(actor, Permission.POLICY_WRITE, path, sight=Permission.GRID_READ)

    def _forget(self) -> None:
        with self._lock:
            self._checked_s = -math.inf


def _stamp(connection: Connection) -> None:
    if connection.execute(update(clock_stamp).values(version=clock_stamp.c.version + 1)).rowcount == 0:
        connection.execute(insert(clock_stamp).values(id=1, version=1))


def _read(connection: Connection) -> PolicyBook:
    rules = {}
    for row in connection.execute(select(clock_policies)):
        severity, stage = Severity(row.severity), Stage(row.stage)
        span = None if row.amount is None else Span(row.amount, TimeUnit(row.unit))
        rules[row.grid_code, row.kind, severity, stage] = Rule(
            row.grid_code, row.kind, severity, stage, span, row.changed_s
        )
    rows = connection.execute(select(calendars.c.grid_code, calendars.c.body))
    return PolicyBook(rules, {row.grid_code: _from_json(row.grid_code, row.body) for row in rows})


def _to_json(calendar: Calendar) -> dict[str, Any]:
    return {
        "zone": calendar.zone,
        "country": calendar.country,
        "weekdays": sorted(calendar.weekdays),
        "hours": [list(pair) for pair in calendar.hours],
        "days_off": sorted(day.isoformat() for day in calendar.days_off),
        "days_on": sorted(day.isoformat() for day in calendar.days_on),
    }


def _from_json(code: str, body: Mapping[str, Any]) -> Calendar:
    return Calendar(
        code,
        body["zone"],
        body["country"],
        frozenset(body["weekdays"]),
        tuple((start, end) for start, end in body["hours"]),
        frozenset(map(date.fromisoformat, body["days_off"])),
        frozenset(map(date.fromisoformat, body["days_on"])),
    )
