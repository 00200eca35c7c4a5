"""Who hears of it when a clock has run out."""

from dataclasses import replace

import pytest
from desk_scene import NOW, duty
from test_sla import NINE, fresh, give

from alerts.ladder import Rota, climb, fired, nobody_there
from models.alert import Alert, EventType
from models.incident import Severity
from models.people import Role

HOLDERS = {Role.OPERATOR: ("op",), Role.VERIFIER: ("ver",), Role.SUPERVISOR: ("sup",)}
CHAIN = ("g1", "d", "c")


def dispatched() -> Alert:
    return give(give(fresh(), "op", "acknowledge", NINE), "op", "dispatch", NINE)


def accepted() -> Alert:
    return give(give(dispatched(), "w1", "claim", NINE), "w1", "accept", NINE, fence=1)


def rota(*people: tuple[str, str, int], silent: tuple[str, ...] = ()) -> Rota:
    duties = [duty(person, grid, rank) for person, grid, rank in people]
    return Rota(CHAIN, [replace(item, reachable=item.person_id not in silent) for item in duties], HOLDERS)


EVERYONE = (("w1", "g1", 0), ("spare", "g1", 1), ("lead", "d", 0), ("boss", "c", 0))


@pytest.mark.parametrize(
    ("from_level", "people", "silent", "level", "who"),
    [
        (1, EVERYONE, (), 1, ("w1",)),
        (2, EVERYONE, (), 2, ("spare",)),
        (3, EVERYONE, (), 3, ("lead",)),
        (4, EVERYONE, (), 4, ("sup",)),
        (1, EVERYONE, ("w1",), 2, ("spare",)),  # who cannot be reached is climbed over at once
        (1, EVERYONE, ("w1", "spare", "lead"), 3, ("boss",)),  # the next grid above that has someone
        (1, (), (), 4, ("sup",)),
        (2, (("w1", "g1", 1), ("lead", "d", 0)), (), 3, ("lead",)),  # nobody is their own backup
    ],
)
def test_assignee_backup_lead_supervisor(
    from_level: int, people: tuple[tuple[str, str, int], ...], silent: tuple[str, ...], level: int, who: tuple[str, ...]
) -> None:
    rung = climb(accepted(), from_level, rota(*people, silent=silent), NINE)
    assert (rung.level, rung.who) == (level, who)
    assert (rung.shortfall is None) == (level == from_level)


def test_where_there_is_nobody_at_all_it_says_so() -> None:
    rung = climb(accepted(), 1, Rota(CHAIN), NINE)
    assert (rung.level, rung.who) == (4, ())
    assert "supervisor" in (rung.shortfall or "")


def test_an_assignee_whose_shift_is_over_is_not_asked() -> None:
    tired = replace(duty("w1", "g1"), ends_s=NINE)
    assert climb(accepted(), 1, Rota(CHAIN, [tired], HOLDERS), NINE).who == ("sup",)


def test_what_waits_for_the_desk_goes_to_operators_then_the_supervisor() -> None:
    assert climb(fresh(), 1, rota(*EVERYONE), NINE).who == ("op",)
    assert climb(fresh(), 2, rota(*EVERYONE), NINE).who == ("sup",)


def test_a_dispatch_to_nobody_of_the_own_grid_climbs_at_once() -> None:
    alert = replace(dispatched(), shortfall="nobody", offered_to=("lead",))
    event = nobody_there(alert, rota(("lead", "d", 0)), NINE)
    assert event is not None
    assert (event.type, event.data["cause"], event.data["level"]) == (EventType.ESCALATED, "nobody", 3)
    assert event.data["who"] == ["lead"]
    assert nobody_there(dispatched(), rota(*EVERYONE), NINE) is None
    only_a_backup = replace(dispatched(), shortfall="only a backup", offered_to=("spare",))
    assert nobody_there(only_a_backup, rota(("spare", "g1", 1)), NINE) is None


@pytest.mark.parametrize(("severity", "minutes"), [(Severity.RED, 5), (Severity.ORANGE, 10), (Severity.BLUE, 240)])
def test_the_more_severe_the_sooner_the_next_rung_hears(severity: Severity, minutes: float) -> None:
    event = fired(fresh(severity), "stage", rota(*EVERYONE), NOW)
    assert event.data["next_s"] == NOW + minutes * 60
