"""What a reporter hears of what they reported, what they say of how it was done, and how they can be reached.

The answer is the state in words for everyone and, at the end, the outcome: no name, no log, nothing of the place.
A contact is kept sealed beside the log, shown to those who call back, and erased on request; the log says that it was.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, Select, select, update

from alerts import ledger
from alerts.clockwork import Clockwork, Duties
from alerts.database import reading, writing
from alerts.erasure import LONGEST_REASON
from alerts.identity import number_of_a_person
from alerts.intake_sources import Reporter, seal_name
from alerts.lifecycle import decide
from alerts.policy import NO_SUCH_THING, check_on
from alerts.queries import checked_key
from alerts.vault import Vault
from models import tables
from models.alert import OUTCOMES, Alert, Command, CommandType, Event, EventType, State
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.people import Actor, Permission
from models.text import checked_text

_ITEMS, _KEPT = tables.intake_items.c, tables.incidents.c
_INCIDENT = (_KEPT.source == _ITEMS.source) & (_KEPT.seq == _ITEMS.seq)

_RECEIVED = ("received", "已收到", "Received")
_IN_HAND = ("in_hand", "处理中", "Being dealt with")
_CHECKING = ("being_checked", "已处置，核查中", "Done, being checked")
_CLOSED = ("closed", "已办结", "Closed")
_NOT_TAKEN = ("not_taken", "不予受理", "Not taken on")
PUBLIC: Mapping[State, tuple[str, str, str]] = MappingProxyType(
    dict.fromkeys(State, _IN_HAND)
    | {
        State.NEW: _RECEIVED,
        State.ACKNOWLEDGED: ("accepted", "已受理", "Accepted"),
        State.DISMISSED: _NOT_TAKEN,
        State.VOIDED: _NOT_TAKEN,
        State.SUSPENDED: ("waiting", "暂缓处理", "Put off for now"),
        State.HANDLED: _CHECKING,
        State.VERIFIED: ("done", "已处置，请您评价", "Done: please say how it went"),
        State.CLOSED: _CLOSED,
    }
)
"""A reporter's word for each state: code, Chinese, English."""
PUBLIC_OUTCOMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    dict(
        zip(
            OUTCOMES,
            (
                ("已解决（服务）", "Solved by service"),
                ("已解决（管理）", "Solved by management"),
                ("已解决（执法）", "Solved by enforcement"),
                ("到场时已消除", "Gone when we came"),
                ("经核实已获许可", "Found to be permitted"),
                ("暂未解决", "Not solved"),
            ),
            strict=True,
        )
    )
)
"""Solved and not solved are never said alike."""


@dataclass(frozen=True)
class Status:
    """``stage``, ``outcome``: a code; ``words``: Chinese, English. ``may_evaluate``: whether the reporter is asked."""

    stage: str
    words: tuple[str, str]
    outcome: str | None
    outcome_words: tuple[str, str] | None
    may_evaluate: bool


@dataclass(frozen=True)
class Contact:
    """How to reach whoever reported it."""

    source: str
    external_id: str
    contact: str


class IntakeAnswers:
    """``vault`` opens the reporters' contacts."""

    def __init__(self, engine: Engine, duties: Duties, vault: Vault) -> None:
        self._engine, self._vault = engine, vault
        self._clockwork = Clockwork(engine, duties)

    def status(self, reporter: Reporter, source_id: str, external_id: str) -> Status:
        """Raises NotFound for what somebody else reported, or nobody."""
        with reading(self._engine) as connection:
            alert, evaluated = _reported(connection, reporter, source_id, external_id)
        if alert is None:
            return Status(_RECEIVED[0], _RECEIVED[1:], None, None, may_evaluate=False)
        stage, zh, en = PUBLIC[alert.state]
        outcome = alert.outcome if alert.state is State.CLOSED else None
        asked = alert.state in (State.VERIFIED, State.CLOSED) and not evaluated
        return Status(stage, (zh, en), outcome, PUBLIC_OUTCOMES.get(outcome or ""), may_evaluate=asked)

    def evaluate(
        self, reporter: Reporter, source_id: str, external_id: str, rating: int, text: str | None, now_s: float
    ) -> None:
        """Once. A content one lets a verified case close at once (``sla.CONTENT_FROM``).

        Raises NotFound, Conflict (not done yet, or evaluated before), Forbidden (their own work), InvalidInput.
        """
        told = number_of_a_person(text or "")
        if told is not None:
            raise InvalidInput(f"the text holds {told}: it is kept in a log, leave it out")
        with writing(self._engine) as connection:
            found, evaluated = _reported(connection, reporter, source_id, external_id)
            if found is None:
                raise Conflict("nothing has been done about this yet")
            if evaluated:
                raise Conflict("this report was evaluated before")
            if reporter.actor is not None and reporter.actor.id in (found.handled_by, found.verified_by):
                raise Forbidden("whoever handled or verified a case does not evaluate it")
            actor = Actor(reporter.source, reporter.name, is_system=True)
            arguments = {"rating": rating, **({} if text is None else {"text": text})}
            event = decide(found, Command(CommandType.EVALUATE, actor, arguments), now_s)
            self._clockwork.append(connection, found, event)
            row = (_ITEMS.source == reporter.source, _ITEMS.external_id == external_id)
            connection.execute(update(tables.intake_items).where(*row).values(evaluated_s=now_s))

    def contacts(self, alert_id: str, actor: Actor) -> list[Contact]:
        """Of those who reported what became this alert and left one. Raises NotFound, Forbidden, Misconfigured."""
        with reading(self._engine) as connection:
            _of_case(connection, alert_id, actor, Permission.ALERT_EVALUATE)
            rows = connection.execute(_left(alert_id)).all()
        found = []
        for row in rows:
            opened = self._vault.open(row.contact, seal_name(row.source, row.external_id))
            found.append(Contact(row.source, row.external_id, json.loads(opened)))
        return found

    def erase_contacts(self, alert_id: str, actor: Actor, reason: str, now_s: float) -> int:
        """How many were erased; the log says that, by whom and why. Raises NotFound, Forbidden, InvalidInput."""
        said = checked_text(" ".join(reason.split()), "the reason", LONGEST_REASON)
        with writing(self._engine) as connection:
            alert, role = _of_case(connection, alert_id, actor, Permission.EVIDENCE_ERASE)
            rows = connection.execute(_left(alert_id)).all()
            for row in rows:
                one = (_ITEMS.source == row.source, _ITEMS.external_id == row.external_id)
                connection.execute(update(tables.intake_items).where(*one).values(contact=None))
            if rows:
                data = {"what": "contact", "count": len(rows)}
                head = (alert.id, alert.version + 1, EventType.ERASED, actor.id, actor.name, role, now_s)
                self._clockwork.append(connection, alert, Event(*head, data, said))
        return len(rows)


def _reported(
    connection: Connection, reporter: Reporter, source_id: str, external_id: str
) -> tuple[Alert | None, bool]:
    """The alert that the report is part of, None for none; whether it was evaluated."""
    query = (
        select(_KEPT.alert_id, _ITEMS.evaluated_s)
        .select_from(tables.intake_items)
        .join(tables.incidents, _INCIDENT)
        .where(_ITEMS.source == reporter.source, _ITEMS.external_id == checked_key(external_id))
    )
    row = connection.execute(query).one_or_none() if source_id == reporter.id else None
    if row is None:
        raise NotFound("you reported nothing of that id")
    alert = ledger.load(connection, row.alert_id) if row.alert_id else None
    return alert, row.evaluated_s is not None


def _of_case(connection: Connection, alert_id: str, actor: Actor, permission: Permission) -> tuple[Alert, str]:
    alert = ledger.load(connection, alert_id)
    if alert is None:
        raise NotFound(NO_SUCH_THING)
    return alert, check_on(alert, actor, permission)


def _left(alert_id: str) -> Select[Any]:
    """The sealed contacts of those who reported what became that alert."""
    return (
        select(_ITEMS.source, _ITEMS.external_id, _ITEMS.contact)
        .join(tables.incidents, _INCIDENT)
        .where(_KEPT.alert_id == alert_id, _ITEMS.contact.is_not(None))
        .order_by(_ITEMS.source, _ITEMS.external_id)
    )
