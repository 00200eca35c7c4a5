"""The one policy function: who may do what in which grid. Pure.

It is asked after the look-up, with the grid of the thing that was found. Queries that list things are scoped to
``Actor.paths_for(...)`` themselves.
"""

from models.alert import Alert
from models.errors import Forbidden, NotFound
from models.people import Actor, Permission

SYSTEM_ROLE = "system"
"""The role that the log names for what a process of the product did itself."""

NO_SUCH_THING = "there is no such thing within the grids that you may see"
"""Said of what is out of sight and of what is not there at all: the two must not be told apart."""


CO_ASSIGNEE_ROLE = "co_assignee"
"""The role that the log names for a co-assignee (协同) who holds none in the grid of the case."""

CO_ASSIGNEES_MAY = frozenset({Permission.ALERT_READ, Permission.ALERT_NOTE})


def role_on(alert: Alert, actor: Actor, permission: Permission) -> str | None:
    """The role by which the actor may do that to the alert: in its grid, or as its co-assignee; None if by none."""
    if actor.is_system:
        return SYSTEM_ROLE
    role = actor.role_for(permission, alert.grid_path)
    if role is not None:
        return role.value
    return CO_ASSIGNEE_ROLE if actor.id in alert.co_assignees and permission in CO_ASSIGNEES_MAY else None


def check_on(alert: Alert, actor: Actor, permission: Permission) -> str:
    """The role by which the actor may do that to the alert. Raises as ``check`` does."""
    seen = role_on(alert, actor, Permission.ALERT_READ) is not None
    return _verdict(role_on(alert, actor, permission), seen, permission)


def check(actor: Actor, permission: Permission, grid_path: str, sight: Permission) -> str:
    """The role by which the actor may do it there.

    Raises NotFound where the actor lacks ``sight`` there: what is outside one's subtree does not exist, so that
    nobody learns of it by asking. Raises Forbidden for what is in sight but not allowed.
    """
    if actor.is_system:
        return SYSTEM_ROLE
    role = actor.role_for(permission, grid_path)
    return _verdict(role and role.value, actor.role_for(sight, grid_path) is not None, permission)


def _verdict(role: str | None, seen: bool, permission: Permission) -> str:
    if not seen:
        raise NotFound(NO_SUCH_THING)
    if role is None:
        raise Forbidden(f"this needs the permission {permission.value} in that grid; ask your administrator for it")
    return role
