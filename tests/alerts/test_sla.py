"""Clocks: which policy holds, when a stage is due, what stands still, and what light it shows."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from desk_scene import ACTORS, PATHS, incident, later
from test_lifecycle import ROUTE

from alerts.calendars import Calendar
from alerts.lifecycle import decide
from alerts.projection import apply, detected, sighted
from alerts.sla import ANY_KIND, DEFAULTS, NO_POLICIES, PolicyBook, Rule, start, timers, with_clocks
from models.alert import Alert, Command, CommandType, Event, State
from models.clocks import Light, Span, Stage, TimeUnit
from models.errors import InvalidInput
from models.incident import Phase, Severity


def local(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


NINE = local("2026-11-24T09:00")
"""A Tuesday."""
MIN, H = 60.0, 3600.0


def step(alert: Alert | None, event: Event, book: PolicyBook = NO_POLICIES) -> Alert:
    return apply(alert, with_clocks(alert, apply(alert, event), event, book))


def fresh(severity: Severity = Severity.ORANGE, at_s: float = NINE, book: PolicyBook = NO_POLICIES) -> Alert:
    born = detected("A" * 26, incident(severity=severity), ("g1", PATHS["g1"]), ("g1",), "why", at_s)
    return step(None, born, book)


def give(alert: Alert, who: str, what: str, at_s: float, book: PolicyBook = NO_POLICIES, **arguments: Any) -> Alert:
    reason = arguments.pop("reason", None)
    command = Command(CommandType(what), ACTORS[who], arguments, reason)
    return step(alert, decide(alert, command, at_s, ROUTE), book)


def on_scene(alert: Alert, at_s: float = NINE) -> Alert:
    for who, what in (("op", "acknowledge"), ("op", "dispatch"), ("w1", "claim")):
        alert = give(alert, who, what, at_s)
    return give(give(alert, "w1", "accept", at_s, fence=1), "w1", "arrive", at_s)


def due(alert: Alert) -> float | None:
    return alert.stage_clock.due_s if alert.stage_clock else None


def test_the_table_of_the_design_note() -> None:
    red = [DEFAULTS[Severity.RED, stage] for stage in (Stage.ACK, Stage.ACCEPT, Stage.ON_SCENE, Stage.HANDLE)]
    assert [span and span.amount / 60 for span in red] == [2, 5, 15, 120]
    assert DEFAULTS[Severity.ORANGE, Stage.HANDLE] == Span(4, TimeUnit.WORKING_HOURS)
    assert DEFAULTS[Severity.YELLOW, Stage.VERIFY] == Span(1, TimeUnit.WORKING_DAYS)
    assert DEFAULTS[Severity.BLUE, Stage.ON_SCENE] is None
    assert len(DEFAULTS) == len(Severity) * len(Stage)


def test_each_stage_starts_its_clock_and_the_whole_one_runs_on() -> None:
    alert = fresh()
    assert alert.stage_clock is not None
    assert alert.whole_clock is not None
    assert (alert.stage_clock.stage, due(alert)) == (Stage.ACK, NINE + 5 * MIN)
    assert alert.whole_clock.due_s == local("2026-11-25T18:00")
    for who, what, stage, span_s in (
        ("op", "acknowledge", Stage.DISPATCH, 30 * MIN),
        ("op", "dispatch", Stage.ACCEPT, 10 * MIN),
    ):
        alert = give(alert, who, what, NINE + 60)
        assert alert.stage_clock is not None
        assert (alert.stage_clock.stage, due(alert)) == (stage, NINE + 60 + span_s)
    claimed = give(alert, "w1", "claim", NINE + 120)
    assert claimed.stage_clock == alert.stage_clock  # a claim is not an accept
    accepted = give(claimed, "w1", "accept", NINE + 120, fence=1)
    assert due(accepted) == NINE + 120 + 30 * MIN
    there = give(accepted, "w1", "arrive", NINE + H)
    assert due(there) == local("2026-11-24T15:00")  # 4 working hours from 10, over lunch
    assert there.whole_clock == fresh().whole_clock


def test_lights_turn_at_80_and_100_percent() -> None:
    alert = fresh()
    lights = [alert.light(NINE + after * MIN) for after in (0, 3.99, 4, 4.99, 5, 600)]
    assert lights == [Light.GREEN, Light.GREEN, Light.AMBER, Light.AMBER, Light.RED, Light.RED]


def test_a_case_is_as_late_as_its_worse_clock() -> None:
    alert = give(fresh(), "op", "acknowledge", NINE + 5 * 86_400)
    assert alert.stage_clock is not None
    assert alert.stage_clock.light(NINE + 5 * 86_400) is Light.GREEN
    assert alert.light(NINE + 5 * 86_400) is Light.RED


def test_without_a_time_on_scene_the_handling_clock_starts_at_acceptance_and_goes_on() -> None:
    handle = Rule("c", ANY_KIND, Severity.BLUE, Stage.HANDLE, Span(2, TimeUnit.WORKING_DAYS))
    book = PolicyBook({("c", ANY_KIND, Severity.BLUE, Stage.HANDLE): handle}, {})
    alert = fresh(Severity.BLUE, book=book)
    for who, what in (("op", "acknowledge"), ("op", "dispatch"), ("w1", "claim")):
        alert = give(alert, who, what, NINE, book)
    accepted = give(alert, "w1", "accept", NINE, book, fence=1)
    assert accepted.stage_clock is not None
    assert accepted.stage_clock.stage is Stage.HANDLE
    assert give(accepted, "w1", "arrive", NINE + H, book).stage_clock == accepted.stage_clock
    assert on_scene(fresh(Severity.BLUE)).stage_clock is None  # "by kind": none until a policy says


def rule(grid: str, kind: str, minutes: float | None) -> Rule:
    span = None if minutes is None else Span(minutes * 60, TimeUnit.SECONDS)
    return Rule(grid, kind, Severity.ORANGE, Stage.ACK, span, 7.0)


def test_the_nearest_grid_wins_and_there_the_kind() -> None:
    rules = [rule("c", ANY_KIND, 1), rule("c", "crowding", 2), rule("d", ANY_KIND, 3), rule("e", ANY_KIND, None)]
    book = PolicyBook({(r.grid_code, r.kind, r.severity, r.stage): r for r in rules}, {})

    def ack(kind: str, path: str) -> tuple[float | None, str]:
        span, policy = book.span(kind, Severity.ORANGE, Stage.ACK, path)
        return span and span.amount / 60, policy

    assert ack("crowding", "/c/d/g1/") == (3, "d/*@7")
    assert ack("crowding", "/c/") == (2, "c/crowding@7")
    assert ack("camera_offline", "/c/") == (1, "c/*@7")
    assert ack("crowding", "/c/e/g3/") == (None, "e/*@7")  # told to have no clock
    assert ack("crowding", "/x/") == (5, "default")
    alert = fresh(book=book)
    assert alert.stage_clock is not None
    assert (alert.stage_clock.policy, due(alert)) == ("d/*@7", NINE + 3 * MIN)


def test_a_running_clock_is_not_changed_by_a_later_policy() -> None:
    alert = fresh()
    seen = later(incident(), Phase.CONTINUING, 2, 90)
    book = PolicyBook({("c", ANY_KIND, Severity.ORANGE, Stage.ACK): rule("c", ANY_KIND, 1)}, {})
    assert step(alert, sighted(alert, seen, 2, NINE + 90), book).stage_clock == alert.stage_clock


def test_a_grids_own_calendar_counts() -> None:
    book = PolicyBook({}, {"d": Calendar("d", hours=((0, 1440),), weekdays=frozenset(range(7)), country="")})
    clock = start(Span(4, TimeUnit.WORKING_HOURS), Stage.HANDLE, "x", 1, NINE, book.calendar("/c/d/g1/"))
    assert clock.due_s == NINE + 4 * H
    assert book.calendar("/c/e/").code == "default"


def test_suspension_stops_both_clocks_and_gives_back_what_was_left() -> None:
    alert = on_scene(fresh())
    suspended = give(alert, "op", "suspend", NINE + H, reason="rain", until_s=NINE + 30 * 86_400)
    assert suspended.stage_clock is not None
    assert (suspended.stage_clock.left_s, suspended.stage_clock.paused_s) == (3 * H, NINE + H)
    assert suspended.light(NINE + 20 * 86_400) is Light.GREEN
    assert timers(suspended) == {("suspension", NINE + 30 * 86_400)}
    back_s = local("2026-12-01T09:00")
    resumed = give(suspended, "op", "resume", back_s)
    assert due(resumed) == local("2026-12-01T12:00")
    assert resumed.suspended_s == back_s - NINE - H  # and stays reported
    assert resumed.stage_clock is not None
    assert resumed.stage_clock.started_s == NINE


def test_what_was_overdue_stays_overdue_through_a_suspension() -> None:
    alert = on_scene(fresh())
    late_s = NINE + 30 * H
    suspended = give(alert, "op", "suspend", late_s, reason="rain", until_s=late_s + 86_400)
    assert suspended.stage_clock is not None
    assert suspended.stage_clock.left_s is not None
    assert suspended.stage_clock.left_s < 0
    resumed = give(suspended, "op", "resume", late_s + 3600)
    assert due(resumed) == due(alert)
    assert resumed.light(late_s + 3600) is Light.RED


def test_a_rise_in_severity_sets_the_clocks_anew_from_when_they_began() -> None:
    alert = fresh()
    red = sighted(alert, later(incident(), Phase.CONTINUING, 2, 30, severity=Severity.RED), 2, NINE + 30)
    risen = step(alert, red)
    assert due(risen) == NINE + 2 * MIN
    assert risen.whole_clock is not None
    assert risen.whole_clock.due_s == NINE + 4 * H


def test_an_ended_case_keeps_the_light_it_ended_with_and_no_timers() -> None:
    done = give(fresh(), "op", "dismiss", NINE + 60, reason="permitted")
    assert done.stage_clock is None
    assert done.light(NINE + 99 * 86_400) is Light.GREEN
    assert timers(done) == frozenset()


def test_only_a_verification_that_names_an_outcome_lets_a_case_close_by_itself() -> None:
    alert = replace(on_scene(fresh()), state=State.HANDLED, handled_by="w1")
    assert give(alert, "ver", "verify", NINE + H).stage_clock is None
    verified = give(alert, "ver", "verify", NINE + H, outcome="fixed_service")
    assert due(verified) == NINE + H + 7 * 86_400
    content = give(verified, "op", "evaluate", NINE + 2 * H, rating=4)
    assert ("stage", NINE + 2 * H) in timers(content)  # closes now
    assert give(verified, "op", "evaluate", NINE + 2 * H, rating=2).stage_clock is None  # a person decides


@pytest.mark.parametrize(
    ("amount", "unit"),
    [(0, "s"), (-1, "s"), (float("nan"), "s"), (float("inf"), "working_h"), (251, "working_d"), (1e300, "s")],
)
def test_times_that_nobody_can_keep_are_refused(amount: float, unit: str) -> None:
    with pytest.raises(InvalidInput, match="more than 0"):
        Span(amount, TimeUnit(unit))
