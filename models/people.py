"""People and what they may do: permission sets, each within a subtree of the grid tree; and who is on duty."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Permission(StrEnum):
    """One thing that can be allowed. Every API route and every command names exactly one."""

    ALERT_READ = "alert:read"
    ALERT_NOTE = "alert:note"
    ALERT_ACKNOWLEDGE = "alert:acknowledge"
    ALERT_DISPATCH = "alert:dispatch"
    ALERT_WORK = "alert:work"
    ALERT_VERIFY = "alert:verify"
    ALERT_REOPEN = "alert:reopen"
    ALERT_VOID = "alert:void"
    ALERT_TRANSFER = "alert:transfer"
    ALERT_SUPERVISE = "alert:supervise"
    ALERT_EVALUATE = "alert:evaluate"
    ALERT_REPORT = "alert:report"
    INTAKE_WRITE = "intake:write"
    CAMERA_READ = "camera:read"
    CAMERA_WRITE = "camera:write"
    GRID_READ = "grid:read"
    GRID_WRITE = "grid:write"
    PEOPLE_READ = "people:read"
    PEOPLE_WRITE = "people:write"
    PEOPLE_REACH = "people:reach"
    DUTY_WRITE = "duty:write"
    DESK_HANDOVER = "desk:handover"
    AUDIT_READ = "audit:read"
    POLICY_WRITE = "policy:write"
    EVIDENCE_ERASE = "evidence:erase"
    PRACTICE_RUN = "practice:run"
    SILENCE_WRITE = "silence:write"


class Role(StrEnum):
    """Permission sets, fixed from the start. A person holds any number, each within a grid and all below it."""

    OPERATOR = "operator"
    GRID_WORKER = "grid_worker"
    UNIT = "unit"
    VERIFIER = "verifier"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    AUDITOR = "auditor"


_P = Permission
_SEE = {_P.ALERT_READ, _P.GRID_READ, _P.CAMERA_READ}
_TAKE_PART = {_P.ALERT_READ, _P.ALERT_NOTE, _P.ALERT_REPORT, _P.GRID_READ}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.OPERATOR: frozenset(
            _SEE
            | _TAKE_PART
            | {_P.ALERT_ACKNOWLEDGE, _P.ALERT_DISPATCH, _P.ALERT_VERIFY, _P.ALERT_REOPEN, _P.ALERT_VOID}
            | {_P.ALERT_TRANSFER, _P.ALERT_EVALUATE}
            | {_P.PEOPLE_READ, _P.PEOPLE_REACH, _P.DESK_HANDOVER, _P.SILENCE_WRITE}
        ),
        Role.GRID_WORKER: frozenset(_TAKE_PART | {_P.ALERT_WORK}),
        Role.UNIT: frozenset(_TAKE_PART | {_P.ALERT_WORK, _P.ALERT_TRANSFER}),
        Role.VERIFIER: frozenset(_SEE | _TAKE_PART | {_P.ALERT_VERIFY, _P.ALERT_REOPEN, _P.ALERT_EVALUATE}),
        Role.SUPERVISOR: frozenset(
            _SEE
            | _TAKE_PART
            | {_P.ALERT_VERIFY, _P.ALERT_REOPEN, _P.ALERT_TRANSFER, _P.ALERT_VOID, _P.AUDIT_READ}
            | {_P.ALERT_SUPERVISE, _P.ALERT_EVALUATE, _P.PRACTICE_RUN}
            | {_P.PEOPLE_READ, _P.PEOPLE_REACH, _P.DUTY_WRITE, _P.DESK_HANDOVER, _P.SILENCE_WRITE}
        ),
        Role.ADMIN: frozenset(
            _SEE
            | {_P.CAMERA_WRITE, _P.GRID_WRITE, _P.PEOPLE_READ, _P.PEOPLE_WRITE, _P.DUTY_WRITE, _P.POLICY_WRITE}
            | {_P.PRACTICE_RUN, _P.EVIDENCE_ERASE, _P.INTAKE_WRITE, _P.SILENCE_WRITE}
        ),
        Role.AUDITOR: frozenset({_P.ALERT_READ, _P.GRID_READ, _P.AUDIT_READ, _P.EVIDENCE_ERASE}),
    }
)


@dataclass(frozen=True)
class Grant:
    """A permission set within the grid of ``grid_path`` and all below it.

    A grid's path is "/" + the codes from the root down to it, each followed by "/": a subtree is a path prefix.
    """

    role: Role
    grid_code: str
    grid_path: str


@dataclass(frozen=True)
class Actor:
    """Whoever acts: a signed-in person, or a process of the product itself (``grants`` empty, ``is_system``)."""

    id: str
    name: str
    grants: tuple[Grant, ...] = ()
    is_system: bool = False

    def role_for(self, permission: Permission, grid_path: str) -> Role | None:
        """The role by which this actor may do that in that grid; None if by none."""
        for grant in self.grants:
            if grid_path.startswith(grant.grid_path) and permission in PERMISSIONS[grant.role]:
                return grant.role
        return None

    def paths_for(self, permission: Permission) -> tuple[str, ...]:
        """The grid subtrees in which this actor holds that permission: what a query is scoped to."""
        return tuple(sorted({g.grid_path for g in self.grants if permission in PERMISSIONS[g.role]}))


SYSTEM = Actor("system", "wangge", is_system=True)


@dataclass(frozen=True)
class Grid:
    """A unit of grid management: one grid, one code (一网一码), in a tree that is stated and never read off digits.

    ``level`` counts from 1 at the root. ``valid_from_s``/``valid_to_s`` bound it in time (Unix seconds).
    ``polygon`` is a GeoJSON Polygon or MultiPolygon geometry in WGS-84, or None for a unit without land of its own.
    ``system`` is the map system it was stated in; ``polygon_raw`` keeps it as it was stated, where that was another.
    """

    code: str
    scheme: str
    name: str
    parent: str | None
    level: int
    path: str
    polygon: Mapping[str, object] | None = None
    valid_from_s: float | None = None
    valid_to_s: float | None = None
    system: str = "wgs84"
    polygon_raw: Mapping[str, object] | None = None

    def is_valid(self, at_s: float) -> bool:
        return (self.valid_from_s is None or self.valid_from_s <= at_s) and (
            self.valid_to_s is None or at_s < self.valid_to_s
        )


@dataclass(frozen=True)
class Duty:
    """Someone on duty for a grid. ``rank`` 0 is first to be asked, 1 the backup.

    ``unit`` is the code of the organisation that the person belongs to. Whoever is marked unreachable stays in the
    rota: routing passes over them and says so. ``stands_in_for`` is the id of the absent person whose shift this is.
    """

    person_id: str
    person_name: str
    grid_code: str
    rank: int
    starts_s: float
    ends_s: float
    open_cases: int = 0
    skills: tuple[str, ...] = ()
    reachable: bool = True
    unit: str | None = None
    stands_in_for: str | None = None
