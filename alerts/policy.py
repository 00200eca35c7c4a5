"""The one policy function: who may do what in which grid. Pure.

It is asked after the look-up, with the grid of the thing that was found. Queries that list things are scoped to
``Actor.paths_for(...)`` themselves.
"""

from models.errors import Forbidden, NotFound
from models.people import Actor, Permission

SYSTEM_ROLE = "system"
"""The role that the log names for what a process of the product did itself."""

NO_SUCH_THING = "there is no such thing within the grids that you may see"
"""Said of what is out of sight and of what is not there at all: the two must not be told apart."""


def check(actor: Actor, permission: Permission, grid_path: str, sight: Permission) -> str:
    """The role by which the actor may do it there.

    Raises NotFound where the actor lacks ``sight`` there: what is outside one's subtree does not exist, so that
    nobody learns of it by asking. Raises Forbidden for what is in sight but not allowed.
    """
    if actor.is_system:
        return SYSTEM_ROLE
    role = actor.role_for(permission, grid_path)
    if role is not None and (permission == sight or actor.role_for(sight, grid_path) is not None):
        return role.value
    if actor.role_for(sight, grid_path) is None:
        raise NotFound(NO_SUCH_THING)
    raise Forbidden(f"this needs the permission {permission.value} in that grid; ask your administrator for it")
