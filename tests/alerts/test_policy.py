"""Who may do what where."""

import pytest
from desk_scene import ACTORS, PATHS

from alerts.policy import check
from models.errors import Forbidden, NotFound
from models.people import PERMISSIONS, SYSTEM, Actor, Grant, Permission, Role

SIGHT = Permission.ALERT_READ


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("permission", [p for p in Permission if p.value.startswith("alert:")])
def test_each_role_has_what_its_set_says_and_only_in_its_subtree(role: Role, permission: Permission) -> None:
    who = Actor("x", "X", (Grant(role, "d", PATHS["d"]),))
    with pytest.raises(NotFound):
        check(who, permission, PATHS["g3"], SIGHT)
    with pytest.raises(NotFound):
        check(who, permission, PATHS["c"], SIGHT)  # what is above is out of sight too
    if permission in PERMISSIONS[role]:
        assert check(who, permission, PATHS["g1"], SIGHT) == role.value
    else:
        with pytest.raises(Forbidden, match=permission.value):
            check(who, permission, PATHS["g1"], SIGHT)


def test_the_right_without_the_sight_is_not_found() -> None:
    deaf = Actor("x", "X", (Grant(Role.ADMIN, "d", PATHS["d"]),))
    with pytest.raises(NotFound):
        check(deaf, Permission.PEOPLE_WRITE, PATHS["d"], Permission.AUDIT_READ)


def test_a_code_that_begins_like_another_is_not_within_it() -> None:
    who = Actor("x", "X", (Grant(Role.OPERATOR, "g1", "/c/d/g1/"),))
    with pytest.raises(NotFound):
        check(who, SIGHT, "/c/d/g10/", SIGHT)


def test_nobody_without_grants_and_everything_for_the_system() -> None:
    with pytest.raises(NotFound):
        check(Actor("x", "X"), SIGHT, "/c/", SIGHT)
    assert check(SYSTEM, Permission.ALERT_VOID, "/c/", SIGHT) == "system"
    assert check(ACTORS["op"], Permission.ALERT_DISPATCH, PATHS["g3"], SIGHT) == "operator"
