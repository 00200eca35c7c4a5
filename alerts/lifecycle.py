"""The life of an alert: whether a command may be given now, and the event that it leads to.

Pure: it takes ``now_s`` and what the desk looked up, and returns an event or refuses. The state table is in
``alerts.transitions``; what an event does to an alert is in ``alerts.projection``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alerts.arguments import free_text, moment
from alerts.policy import check
from alerts.routing import Route
from alerts.transitions import HELD, TRANSITIONS, Transition, Who
from models.alert import Alert, Command, CommandType, Event
from models.errors import Conflict, Fault, Forbidden, InvalidInput, WanggeError
from models.people import Actor, Permission

REOPEN_WINDOW_S = 7 * 86_400.0
"""A closed case may be reopened for this long; later it is reported anew."""

LONGEST_SUSPENSION_S = 366 * 86_400.0

_C = CommandType


@dataclass(frozen=True)
class Facts:
    """What the desk looked up for a command: the route of a dispatch, the grid (code, path) that the case goes to."""

    route: Route | None = None
    grid: tuple[str, str] | None = None
    lease_s: float = 0.0


def decide(alert: Alert, command: Command, now_s: float, facts: Facts = Facts()) -> Event:
    """The event that the command leads to.

    Raises NotFound or Forbidden (policy, or not the person who may), Conflict (state, claim), InvalidInput (arguments).
    """
    row = TRANSITIONS[command.type]
    role = check(command.actor, row.permission, alert.grid_path, Permission.ALERT_READ)
    refusal = _refusal(alert, command.type, command.actor, now_s)
    if refusal is not None:
        raise refusal
    data = read_arguments(command)
    reason = _reason(command, row, alert)
    build = _DATA.get(command.type)
    if build is not None:
        data |= build(alert, data, now_s, facts)
    return Event(
        alert_id=alert.id,
        version=alert.version + 1,
        type=row.event,
        actor_id=command.actor.id,
        actor_name=command.actor.name,
        role=role,
        at_s=now_s,
        data=data,
        reason=reason,
        client_at_s=None if command.client_at_s is None else moment(command.client_at_s),
    )


def allowed(alert: Alert, actor: Actor, now_s: float) -> tuple[CommandType, ...]:
    """What this actor may do to the alert now, arguments apart."""
    return tuple(
        command
        for command, row in TRANSITIONS.items()
        if (actor.is_system or actor.role_for(row.permission, alert.grid_path))
        and _refusal(alert, command, actor, now_s) is None
    )


def read_arguments(command: Command) -> dict[str, Any]:
    """The command's arguments, checked and normalised. Raises InvalidInput, naming every one that is wrong."""
    row = TRANSITIONS[command.type]
    readers = {"text": free_text, **row.takes, **row.needs}
    faults = [Fault(str(name)[:64], "no such argument") for name in command.arguments if name not in readers]
    data: dict[str, Any] = {}
    for name, reader in readers.items():
        if command.arguments.get(name) is None:
            if name in row.needs:
                faults.append(Fault(name, "is needed"))
            continue
        try:
            data[name] = reader(command.arguments[name])
        except InvalidInput as error:
            faults.append(Fault(name, str(error)))
    if faults:
        said = "; ".join(str(fault)[:100] for fault in faults[:5])
        raise InvalidInput(f"{command.type.value}: {said}", faults[:20])
    return data


def _reason(command: Command, row: Transition, alert: Alert) -> str | None:
    if row.reasons:
        if command.reason not in row.reasons:
            raise InvalidInput(f"{command.type.value} needs one of these reasons: {', '.join(row.reasons)}")
        return command.reason
    takes_away = command.type is _C.DISPATCH and alert.state in HELD
    if command.reason is None and (row.must_say or takes_away):
        raise InvalidInput(f"{command.type.value} needs a reason: say in a sentence why")
    return None if command.reason is None else free_text(command.reason)


def _refusal(alert: Alert, command: CommandType, actor: Actor, now_s: float) -> WanggeError | None:
    row = TRANSITIONS[command]
    if alert.state not in row.sources:
        return Conflict(f"{command.value} does not fit an alert that is {alert.state.value}")
    if command is _C.REOPEN and now_s - (alert.closed_s or 0.0) > REOPEN_WINDOW_S:
        return Conflict("a case can be reopened for 7 days after it was closed; report it anew")
    claim = alert.claim if alert.claim is not None and alert.claim.until_s > now_s else None
    mine = claim is not None and claim.person_id == actor.id
    if row.who is Who.OFFERED:
        if claim is not None:
            return Conflict("you hold the claim already" if mine else "someone else has claimed this case")
        if alert.offered_to and actor.id not in alert.offered_to:
            return Forbidden("this case is offered to others")
    elif row.who is Who.CLAIMANT and not mine:
        return Conflict("you hold no claim on this case, or it has run out: claim it first")
    elif row.who is Who.ASSIGNEE and alert.assignee != actor.id:
        return Forbidden("only whoever accepted the case may do this")
    elif row.who is Who.NOT_HANDLER and alert.handled_by == actor.id:
        return Forbidden("whoever handled a case does not verify or close it: ask another person")
    elif command is _C.DISPATCH and claim is not None:
        return Conflict("someone is about to accept this case: wait until the claim runs out, or is released")
    return None


def _dispatch(_alert: Alert, _data: Mapping[str, Any], _now_s: float, facts: Facts) -> dict[str, Any]:
    if facts.route is None or facts.grid is None:
        raise InvalidInput("a dispatch needs a route")
    grid_code, grid_path = facts.grid
    route = facts.route
    return {
        "grid_code": grid_code,
        "grid_path": grid_path,
        "offered_to": list(route.offered_to),
        "offered_in": route.grid_code,
        "shortfall": route.shortfall,
    }


def _claim(alert: Alert, _data: Mapping[str, Any], now_s: float, facts: Facts) -> dict[str, Any]:
    return {"fence": alert.fence + 1, "until_s": now_s + facts.lease_s}


def _accept(alert: Alert, data: Mapping[str, Any], _now_s: float, _facts: Facts) -> dict[str, Any]:
    if data["fence"] != alert.fence:
        raise Conflict("that claim has run out and the case was claimed anew: look again")
    return {}


def _handle(alert: Alert, data: Mapping[str, Any], _now_s: float, _facts: Facts) -> dict[str, Any]:
    kinds = {item.sha256: item.kind for item in alert.evidence}
    if not kinds.keys() >= set(data["evidence"]):
        raise InvalidInput("handle: evidence names a picture that does not belong to this alert: add it first")
    if not any(kinds[sha256] == "photo" for sha256 in data["evidence"]):
        raise InvalidInput("handle: evidence needs a photo of how it is now, not only what the camera saw")
    return {}


def _suspend(_alert: Alert, data: Mapping[str, Any], now_s: float, _facts: Facts) -> dict[str, Any]:
    if not now_s < data["until_s"] <= now_s + LONGEST_SUSPENSION_S:
        raise InvalidInput("suspend: until_s must lie ahead, and within 366 days")
    return {}


def _move(up: bool) -> Callable[[Alert, Mapping[str, Any], float, Facts], dict[str, Any]]:
    def build(alert: Alert, _data: Mapping[str, Any], _now_s: float, facts: Facts) -> dict[str, Any]:
        grid_code, grid_path = facts.grid or ("", "")
        above, below = (grid_path, alert.grid_path) if up else (alert.grid_path, grid_path)
        if not grid_path or above == below or not below.startswith(above):
            where = "above" if up else "below"
            raise InvalidInput(f"grid_code must name a grid {where} {alert.grid_code}")
        return {"grid_code": grid_code, "grid_path": grid_path}

    return build


_DATA: Mapping[CommandType, Callable[[Alert, Mapping[str, Any], float, Facts], dict[str, Any]]] = {
    _C.DISPATCH: _dispatch,
    _C.CLAIM: _claim,
    _C.ACCEPT: _accept,
    _C.HANDLE: _handle,
    _C.SUSPEND: _suspend,
    _C.TRANSFER_UP: _move(up=True),
    _C.ASSIGN_DOWN: _move(up=False),
}
