"""When a clock has run out: who hears of it next, and the event that says so. Pure.

The ladder is assignee → backup on the same grid → lead of a grid above → supervisor. Where nobody on a rung is on duty
and reachable, it climbs at once and says why: off-duty people are not asked. Stages that wait for the desk and not for
someone outdoors have its operators or verifiers on the first rung, and then the supervisor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alerts.projection import by_system, resumed_by_itself
from alerts.routing import on_duty
from models.alert import Alert, Event, EventType, State
from models.clocks import Stage
from models.incident import Severity
from models.people import Duty, Role

ASSIGNEE, BACKUP, LEAD, SUPERVISOR = 1, 2, 3, 4
_NAMES = {
    ASSIGNEE: "责任人 / whoever has it",
    BACKUP: "同格备岗 / a backup on the same grid",
    LEAD: "上级网格负责人 / the lead of a grid above",
    SUPERVISOR: "督查 / a supervisor",
}
STEP_S: Mapping[Severity, float] = {
    Severity.RED: 5 * 60.0,
    Severity.ORANGE: 10 * 60.0,
    Severity.YELLOW: 30 * 60.0,
    Severity.BLUE: 4 * 3600.0,
}
"""How long a rung has before the next one hears of it, wall-clock seconds; proposals of ours."""

_DESK: Mapping[Stage, tuple[Role, ...]] = {
    Stage.ACK: (Role.OPERATOR,),
    Stage.DISPATCH: (Role.OPERATOR,),
    Stage.VERIFY: (Role.VERIFIER, Role.OPERATOR),
}


@dataclass(frozen=True)
class Rota:
    """Who could be asked: duties in the alert's grid and those above it (``chain``, its own first), and by role the
    holders in the nearest grid that has any. ``twin``: a newer open alert of the same place, or None."""

    chain: tuple[str, ...]
    duties: Sequence[Duty] = ()
    holders: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)
    twin: str | None = None


@dataclass(frozen=True)
class Rung:
    """``shortfall`` says which rungs below had nobody, None if none was skipped."""

    level: int
    who: tuple[str, ...]
    grid_code: str
    shortfall: str | None


def climb(alert: Alert, from_level: int, rota: Rota, now_s: float) -> Rung:
    """The first rung from ``from_level`` up on which there is someone; the supervisor's, empty, if there is nobody."""
    stage = alert.stage_clock.stage if alert.stage_clock else None
    levels = (ASSIGNEE, SUPERVISOR) if stage in _DESK else (ASSIGNEE, BACKUP, LEAD, SUPERVISOR)
    skipped: list[str] = []
    for level in levels:
        if level < from_level:
            continue
        who, grid_code = _people(alert, stage, level, rota, now_s)
        if who or level == SUPERVISOR:
            if not who:
                skipped.append(_NAMES[level])
            said = f"无人在岗或联系不上 / nobody on duty or reachable: {'; '.join(skipped)}" if skipped else None
            return Rung(level, who, grid_code, said)
        skipped.append(_NAMES[level])
    raise ValueError(f"the ladder has no rung {from_level}")


def _people(alert: Alert, stage: Stage | None, level: int, rota: Rota, now_s: float) -> tuple[tuple[str, ...], str]:
    here = alert.grid_code
    present = on_duty(rota.duties, now_s)
    if level == SUPERVISOR:
        return rota.holders.get(Role.SUPERVISOR, ()), rota.chain[-1]
    if level == ASSIGNEE and stage is not None and stage in _DESK:
        return next((rota.holders[role] for role in _DESK[stage] if rota.holders.get(role)), ()), here
    if level == ASSIGNEE:
        theirs = (alert.assignee, *alert.co_assignees) if alert.assignee else alert.offered_to
        reachable = {duty.person_id for duty in present}
        return tuple(person for person in theirs if person in reachable), here
    if level == BACKUP:
        return _ids([duty for duty in present if duty.grid_code == here and duty.rank > 0], alert), here
    for code in rota.chain[1:]:
        leads = _ids([duty for duty in present if duty.grid_code == code], alert)
        if leads:
            return leads, code
    return (), here


def _ids(duties: Sequence[Duty], alert: Alert) -> tuple[str, ...]:
    ordered = sorted(duties, key=lambda duty: (duty.rank, duty.open_cases, duty.person_id))
    return tuple(dict.fromkeys(duty.person_id for duty in ordered if duty.person_id != alert.assignee))


def nobody_there(alert: Alert, rota: Rota, now_s: float) -> Event | None:
    """The climb at once of a case that was just dispatched where nobody of its own grid is on duty; else None."""
    own = [duty for duty in on_duty(rota.duties, now_s) if duty.grid_code == alert.grid_code]
    if alert.state is not State.DISPATCHED or alert.shortfall is None or own or alert.stage_clock is None:
        return None
    rung = replace(climb(alert, LEAD, rota, now_s), shortfall=alert.shortfall)  # routing's says more
    return _escalated(alert, rung, now_s, alert.stage_clock.due_s, "nobody")


def fired(alert: Alert, kind: str, rota: Rota, now_s: float) -> Event:
    """What a timer that is due leads to. ``kind`` is one of those that ``sla.timers`` names for this alert."""
    if kind == "suspension":
        return resumed_by_itself(alert, now_s)
    if kind == "void":
        return _void_lapsed(alert, rota, now_s)
    if kind == "whole":
        return _told(alert, "whole", rota.holders.get(Role.SUPERVISOR, ()), rota, now_s)
    if kind == "reply":
        return _told(alert, "reply", (alert.supervision.by,) if alert.supervision else (), rota, now_s)
    clock, escalation = alert.stage_clock, alert.escalation
    if clock is not None and clock.stage is Stage.SILENCE:
        return _closed(alert, now_s)
    if clock is not None and clock.stage is Stage.DISPATCH and escalation is None and alert.acknowledged_by:
        again = {"who": [alert.acknowledged_by], "since_s": clock.started_s, "next_s": now_s + STEP_S[alert.severity]}
        return by_system(alert.id, alert.version + 1, EventType.ASKED_AGAIN, now_s, again)
    rung = climb(alert, min((escalation.level if escalation else 0) + 1, SUPERVISOR), rota, now_s)
    next_s = None if rung.level == SUPERVISOR else now_s + STEP_S[alert.severity]
    return _escalated(alert, rung, now_s, next_s, "overdue")


def _escalated(alert: Alert, rung: Rung, now_s: float, next_s: float | None, cause: str) -> Event:
    data: dict[str, Any] = {
        "clock": "stage",
        "stage": alert.stage_clock.stage.value if alert.stage_clock else None,
        "cause": cause,
        "level": rung.level,
        "who": list(rung.who),
        "grid_code": rung.grid_code,
        "offered_to": list(rung.who if rung.level < SUPERVISOR else ()),  # a supervisor sees to it, and works on none
        "shortfall": rung.shortfall,
        "next_s": next_s,
    }
    return by_system(alert.id, alert.version + 1, EventType.ESCALATED, now_s, data)


def _told(alert: Alert, clock: str, who: Sequence[str], rota: Rota, now_s: float) -> Event:
    data = {"clock": clock, "cause": "overdue", "level": SUPERVISOR, "who": list(who), "grid_code": rota.chain[-1]}
    return by_system(alert.id, alert.version + 1, EventType.ESCALATED, now_s, data)


def _closed(alert: Alert, now_s: float) -> Event:
    said = "evaluated" if alert.evaluation else "reporter_silent"
    event = by_system(alert.id, alert.version + 1, EventType.CLOSED, now_s, {"outcome": alert.outcome})
    return Event(**{**vars(event), "reason": said})


def _void_lapsed(alert: Alert, rota: Rota, now_s: float) -> Event:
    """Back to what it was; but where a newer alert of the place is open, one place would have two: it stays voided."""
    was = alert.void_asked.was if alert.void_asked else None
    data = {"state": was.value if was and rota.twin is None else None, "twin": rota.twin}
    return by_system(alert.id, alert.version + 1, EventType.VOID_LAPSED, now_s, data)
