"""What the event of a command says beside its arguments: checked against the alert, and filled from what was looked up.

Pure. Each function takes the alert, the command, its checked arguments, the time and the facts, and returns what is
added to the event's data. Each raises InvalidInput or Conflict.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alerts.routing import Route
from models.alert import Alert, Command, CommandType
from models.errors import Conflict, InvalidInput

LONGEST_SUSPENSION_S = 366 * 86_400.0
LONGEST_SUPERVISION_S = 366 * 86_400.0
CONFIRM_VOID_S = 86_400.0
"""A void by one person, alone at night, is confirmed by a second within a day, or it lapses (dispatch.md, states)."""

MOST_CO_ASSIGNEES = 20

_C = CommandType


@dataclass(frozen=True)
class Facts:
    """What the desk looked up for a command.

    ``route`` of a dispatch; ``grid`` (code, path) and ``unit`` (code) that the case goes to; ``organisation``: the one
    that the actor belongs to; ``known_person``: whether the co-assignee is someone who works on cases;
    ``working_time``: whether it is, at the place of the case.
    """

    route: Route | None = None
    grid: tuple[str, str] | None = None
    lease_s: float = 0.0
    unit: str | None = None
    organisation: str | None = None
    known_person: bool = False
    working_time: bool = True


Builder = Callable[[Alert, Command, Mapping[str, Any], float, Facts], dict[str, Any]]


def _dispatch(
    _alert: Alert, _command: Command, _data: Mapping[str, Any], _now_s: float, facts: Facts
) -> dict[str, Any]:
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


def _claim(alert: Alert, _command: Command, _data: Mapping[str, Any], now_s: float, facts: Facts) -> dict[str, Any]:
    return {"fence": alert.fence + 1, "until_s": now_s + facts.lease_s}


def _accept(alert: Alert, _command: Command, data: Mapping[str, Any], _now_s: float, _facts: Facts) -> dict[str, Any]:
    if data["fence"] != alert.fence:
        raise Conflict("that claim has run out and the case was claimed anew: look again")
    return {}


def _handle(alert: Alert, _command: Command, data: Mapping[str, Any], _now_s: float, _facts: Facts) -> dict[str, Any]:
    kinds = {item.sha256: item.kind for item in alert.evidence if item.sha256 not in alert.erased}
    if not kinds.keys() >= set(data["evidence"]):
        raise InvalidInput("handle: evidence names a picture that does not belong to this alert: add it first")
    if not any(kinds[sha256] == "photo" for sha256 in data["evidence"]):
        raise InvalidInput("handle: evidence needs a photo of how it is now, not only what the camera saw")
    return {}


def _suspend(_alert: Alert, _command: Command, data: Mapping[str, Any], now_s: float, _facts: Facts) -> dict[str, Any]:
    if not now_s < data["until_s"] <= now_s + LONGEST_SUSPENSION_S:
        raise InvalidInput("suspend: until_s must lie ahead, and within 366 days")
    return {}


def _moved_from(alert: Alert, command: Command) -> dict[str, Any]:
    origin = {"grid_code": alert.grid_code, "grid_path": alert.grid_path, "unit": alert.unit}
    return {"moved_from": {"by": command.actor.id, **origin}}


def _move(up: bool) -> Builder:
    def build(alert: Alert, command: Command, _data: Mapping[str, Any], _now_s: float, facts: Facts) -> dict[str, Any]:
        grid_code, grid_path = facts.grid or ("", "")
        above, below = (grid_path, alert.grid_path) if up else (alert.grid_path, grid_path)
        if not grid_path or above == below or not below.startswith(above):
            where = "above" if up else "below"
            raise InvalidInput(f"grid_code must name a grid {where} {alert.grid_code}")
        return {"grid_code": grid_code, "grid_path": grid_path, "unit": None, **_moved_from(alert, command)}

    return build


def _across(alert: Alert, command: Command, data: Mapping[str, Any], _now_s: float, facts: Facts) -> dict[str, Any]:
    if facts.unit is None:
        raise InvalidInput("transfer_across: unit must name an organisation that is responsible for that grid")
    if facts.unit == alert.unit:
        raise Conflict("that unit has the case already")
    here = {"grid_code": alert.grid_code, "grid_path": alert.grid_path}
    return {**here, "unit": data["unit"], **_moved_from(alert, command)}


def _new_owner(
    alert: Alert, _command: Command, _data: Mapping[str, Any], _now_s: float, facts: Facts
) -> dict[str, Any]:
    if alert.unit is not None and facts.organisation != alert.unit:
        raise Conflict("this case waits for someone of the unit that it was given to")
    return {}


def _alone(alert: Alert, _command: Command, _data: Mapping[str, Any], now_s: float, facts: Facts) -> dict[str, Any]:
    if facts.working_time:
        raise Conflict("in working time there is a second person: ask for the void, and let them confirm it")
    return {"confirm_by_s": now_s + CONFIRM_VOID_S, "was": alert.state.value}


def _refused(alert: Alert, _command: Command, _data: Mapping[str, Any], _now_s: float, _facts: Facts) -> dict[str, Any]:
    was = alert.void_asked.was if alert.void_asked else None
    return {"state": was.value if was else None}


def _supervise(
    _alert: Alert, _command: Command, data: Mapping[str, Any], now_s: float, _facts: Facts
) -> dict[str, Any]:
    if not now_s < data["reply_due_s"] <= now_s + LONGEST_SUPERVISION_S:
        raise InvalidInput("supervise: reply_due_s must lie ahead, and within 366 days")
    return {}


def _add(alert: Alert, _command: Command, data: Mapping[str, Any], _now_s: float, facts: Facts) -> dict[str, Any]:
    if data["person_id"] in (*alert.co_assignees, alert.assignee):
        raise Conflict("that person works on this case already")
    if len(alert.co_assignees) >= MOST_CO_ASSIGNEES:
        raise Conflict(f"a case has at most {MOST_CO_ASSIGNEES} co-assignees")
    if not facts.known_person:
        raise InvalidInput("add_co_assignee: person_id names nobody who works on cases")
    return {}


def _remove(alert: Alert, _command: Command, data: Mapping[str, Any], _now_s: float, _facts: Facts) -> dict[str, Any]:
    if data["person_id"] not in alert.co_assignees:
        raise Conflict("that person is no co-assignee of this case")
    return {}


DATA: Mapping[CommandType, Builder] = {
    _C.DISPATCH: _dispatch,
    _C.CLAIM: _claim,
    _C.ACCEPT: _accept,
    _C.HANDLE: _handle,
    _C.SUSPEND: _suspend,
    _C.TRANSFER_UP: _move(up=True),
    _C.ASSIGN_DOWN: _move(up=False),
    _C.TRANSFER_ACROSS: _across,
    _C.TAKE_OVER: _new_owner,
    _C.DECLINE: _new_owner,
    _C.VOID_ALONE: _alone,
    _C.REFUSE_VOID: _refused,
    _C.SUPERVISE: _supervise,
    _C.ADD_CO_ASSIGNEE: _add,
    _C.REMOVE_CO_ASSIGNEE: _remove,
}
