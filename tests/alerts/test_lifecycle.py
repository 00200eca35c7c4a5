"""The state table: who may do what when, and that no walk through it leads anywhere undefined."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from random import Random
from typing import Any

import pytest
from desk_scene import ACTORS, NOW, PATHS, PHOTO, duty, incident, later, photo
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from walks import ARGUMENTS, CODES, arguments_of, drawn, keeps_to_the_table

from alerts.ladder import Rota, fired
from alerts.lifecycle import allowed, decide
from alerts.projection import (
    alert_from_json,
    alert_to_json,
    apply,
    claim_expired,
    detected,
    event_to_json,
    evidence_added,
    sighted,
)
from alerts.routing import Route
from alerts.sayings import Facts
from alerts.sealer import event_of
from alerts.sla import NO_POLICIES, timers, with_clocks
from alerts.transitions import IN_TRANSFER, TRANSITIONS
from alerts.triage import worth_telling
from models.alert import ENDED, OUTCOMES, Alert, Command, CommandType, Event, State
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.incident import Phase
from models.people import Actor, Role

ROUTE = Facts(Route(("w1",), "g1", None), ("g1", PATHS["g1"]), lease_s=120)


def fresh() -> Alert:
    return apply(None, detected("A" * 26, incident(), ("g1", PATHS["g1"]), ("g1",), "31 persons", NOW))


def give(alert: Alert, who: str, what: str, now_s: float = NOW + 10, facts: Facts = ROUTE, **arguments: Any) -> Alert:
    reason = arguments.pop("reason", None)
    return apply(alert, decide(alert, Command(CommandType(what), ACTORS[who], arguments, reason), now_s, facts))


def walked(to: State) -> Alert:
    """An alert that has come to that state by the shortest way."""
    ways: dict[State, tuple[State, Callable[[Alert], Alert]]] = {
        State.ACKNOWLEDGED: (State.NEW, lambda a: give(a, "op", "acknowledge")),
        State.DISMISSED: (State.NEW, lambda a: give(a, "op", "dismiss", reason="permitted")),
        State.DISPATCHED: (State.ACKNOWLEDGED, lambda a: give(a, "op", "dispatch")),
        State.ACCEPTED: (State.DISPATCHED, lambda a: give(give(a, "w1", "claim"), "w1", "accept", fence=1)),
        State.ON_SCENE: (State.ACCEPTED, lambda a: give(a, "w1", "arrive")),
        State.RETURNED: (State.ON_SCENE, lambda a: give(a, "w1", "return", reason="unsafe")),
        State.SUSPENDED: (State.ON_SCENE, lambda a: give(a, "op", "suspend", reason="rain", until_s=NOW + 9999)),
        State.HANDLED: (State.ON_SCENE, _handle),
        State.VERIFIED: (State.HANDLED, lambda a: give(a, "ver", "verify")),
        State.CLOSED: (State.VERIFIED, lambda a: give(a, "ver", "close", outcome="fixed_service")),
        State.REOPENED: (State.HANDLED, lambda a: give(a, "ver", "reject", reason="still there")),
        State.TRANSFERRED_UP: (State.ACKNOWLEDGED, lambda a: give(a, "op", "transfer_up", facts=UP, grid_code="d")),
        State.ASSIGNED_DOWN: (State.TRANSFERRED_UP, _down),
        State.VOIDED: (State.NEW, lambda a: give(give(a, "sup", "void", reason="a test"), "op", "confirm_void")),
    }
    if to is State.NEW:
        return fresh()
    before, step = ways[to]
    return step(walked(before))


UP, DOWN = Facts(grid=("d", "/c/d/")), Facts(grid=("g2", "/c/d/g2/"))


def _handle(alert: Alert) -> Alert:
    alert = apply(alert, evidence_added(alert, ACTORS["w1"], "grid_worker", photo(), NOW))
    return give(alert, "w1", "handle", evidence=[PHOTO], text="dispersed")


def _down(alert: Alert) -> Alert:
    return give(give(alert, "sup", "take_over"), "op", "assign_down", facts=DOWN, grid_code="g2")


def test_every_command_and_state_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(CommandType)
    assert {row.to for row in TRANSITIONS.values()} - {None} == set(State) - {State.NEW}
    assert len({row.event for row in TRANSITIONS.values()}) == len(TRANSITIONS)


@pytest.mark.parametrize("state", list(State))
def test_each_state_is_reached_and_takes_only_its_commands(state: State) -> None:
    alert = walked(state)
    assert alert.state is state
    for command, row in TRANSITIONS.items():
        if state in row.sources:
            continue
        for who in ("op", "w1", "sup", "unit"):
            with pytest.raises((Conflict, Forbidden, NotFound)):
                decide(alert, Command(command, ACTORS[who]), NOW + 20, ROUTE)


def test_ended_states_have_no_way_on_but_the_written_ones() -> None:
    ways = {state: {c for c, row in TRANSITIONS.items() if state in row.sources} for state in ENDED}
    c = CommandType
    assert ways == {
        State.DISMISSED: {c.NOTE, c.REPLY},
        State.VOIDED: {c.NOTE, c.REPLY, c.CONFIRM_VOID, c.REFUSE_VOID},
        State.CLOSED: {c.NOTE, c.REPLY, c.REOPEN, c.VOID, c.VOID_ALONE, c.CONFIRM_VOID, c.REFUSE_VOID}
        | {c.EVALUATE, c.CALL_BACK},
    }


@pytest.mark.parametrize("who", ["admin", "aud"])
def test_who_only_looks_may_give_no_command(who: str) -> None:
    for state in State:
        if state is not State.ASSIGNED_DOWN:
            assert allowed(walked(state), ACTORS[who], NOW + 20) == ()


def test_allowed_says_what_decide_accepts() -> None:
    assert allowed(walked(State.NEW), ACTORS["op"], NOW + 20) == (
        CommandType.ACKNOWLEDGE,
        CommandType.DISMISS,
        CommandType.VOID,
        CommandType.VOID_ALONE,
        CommandType.NOTE,
    )
    dispatched = walked(State.DISPATCHED)
    assert CommandType.CLAIM in allowed(dispatched, ACTORS["w1"], NOW + 20)
    assert CommandType.CLAIM not in allowed(dispatched, ACTORS["w1b"], NOW + 20)  # offered to w1 only
    assert allowed(dispatched, ACTORS["w3"], NOW + 20) == ()
    claimed = give(dispatched, "w1", "claim")
    assert CommandType.ACCEPT in allowed(claimed, ACTORS["w1"], NOW + 129)
    assert CommandType.ACCEPT not in allowed(claimed, ACTORS["w1"], NOW + 130)
    assert CommandType.DISPATCH not in allowed(claimed, ACTORS["op"], NOW + 20)
    assert CommandType.DISPATCH in allowed(claimed, ACTORS["op"], NOW + 999)


def test_what_the_camera_saw_does_not_show_that_it_is_handled() -> None:
    alert = walked(State.ON_SCENE)
    still = replace(photo("5" * 64), kind="still")
    alert = apply(alert, evidence_added(alert, ACTORS["w1"], "grid_worker", still, NOW))
    with pytest.raises(InvalidInput, match="photo"):
        give(alert, "w1", "handle", evidence=[still.sha256], text="dispersed")


def test_handler_neither_verifies_nor_closes_nor_rejects() -> None:
    both = Actor("w1", "W1", ACTORS["w1"].grants + ACTORS["ver"].grants)
    alert = walked(State.HANDLED)
    for what in (CommandType.VERIFY, CommandType.REJECT):
        with pytest.raises(Forbidden, match="another person"):
            decide(alert, Command(what, both, reason="x"), NOW + 20)
    with pytest.raises(Forbidden, match="another person"):
        decide(walked(State.VERIFIED), Command(CommandType.CLOSE, both, {"outcome": "fixed_service"}), NOW + 20)


def test_only_the_assignee_goes_on() -> None:
    lead = ACTORS["lead"]
    for state, what in ((State.ACCEPTED, "arrive"), (State.ON_SCENE, "return"), (State.ON_SCENE, "handle")):
        with pytest.raises(Forbidden, match="whoever accepted"):
            decide(walked(state), Command(CommandType(what), lead), NOW + 20)


def test_taking_a_case_from_its_assignee_needs_a_reason() -> None:
    alert = walked(State.ACCEPTED)
    with pytest.raises(InvalidInput, match="needs a reason"):
        give(alert, "op", "dispatch")
    taken = give(alert, "op", "dispatch", reason="手机失联")
    assert (taken.state, taken.assignee) == (State.DISPATCHED, None)


def test_reopen_window_is_seven_days_and_notes_do_not_prolong_it() -> None:
    closed = walked(State.CLOSED)
    noted = give(closed, "op", "note", NOW + 6 * 86_400, text="call back")
    late_s = NOW + 10 + 7 * 86_400
    assert give(noted, "ver", "reopen", late_s, reason="back again").state is State.REOPENED
    with pytest.raises(Conflict, match="7 days"):
        give(noted, "ver", "reopen", late_s + 1, reason="back again")


def test_suspension_has_an_end_and_resumes_where_it_was() -> None:
    for until_s in (NOW, NOW + 400 * 86_400, float("nan"), float("inf"), "soon", True, 10**400):
        with pytest.raises(InvalidInput, match="until_s"):
            give(walked(State.ON_SCENE), "op", "suspend", reason="rain", until_s=until_s)
    resumed = give(walked(State.SUSPENDED), "op", "resume")
    assert (resumed.state, resumed.suspended_from, resumed.assignee) == (State.ON_SCENE, None, "w1")


@pytest.mark.parametrize(
    ("state", "who", "what", "arguments"),
    [
        (State.NEW, "op", "dismiss", {"reason": "I do not like it"}),
        (State.NEW, "op", "dismiss", {}),
        (State.ON_SCENE, "w1", "return", {"reason": "false_alarm"}),
        (State.VERIFIED, "ver", "close", {"outcome": "done"}),
        (State.VERIFIED, "ver", "close", {"outcome": ["fixed_service"]}),
        (State.VERIFIED, "ver", "close", {}),
        (State.HANDLED, "ver", "reject", {}),
        (State.HANDLED, "ver", "reject", {"reason": ""}),
        (State.ON_SCENE, "w1", "handle", {"evidence": [PHOTO]}),
        (State.ON_SCENE, "w1", "handle", {"evidence": [PHOTO], "text": "x" * 3000}),
        (State.ON_SCENE, "w1", "handle", {"evidence": [PHOTO], "text": {"deep": [1]}}),
        (State.NEW, "op", "acknowledge", {"text": "a\x00b"}),
        (State.NEW, "op", "acknowledge", {"text": "\ud800"}),
        (State.NEW, "op", "acknowledge", {"state": "closed"}),
        (State.NEW, "sup", "void", {}),
    ],
)
def test_bad_arguments_are_refused_by_name(state: State, who: str, what: str, arguments: dict[str, Any]) -> None:
    alert = walked(state)
    with pytest.raises(InvalidInput, match=f"{what}|the text"):
        give(alert, who, what, **arguments)


def test_every_wrong_argument_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        give(walked(State.ON_SCENE), "w1", "handle", evidence="x", nonsense=1)
    assert {fault.where for fault in refused.value.faults} == {"evidence", "text", "nonsense"}


def test_client_time_is_checked() -> None:
    note = Command(CommandType.NOTE, ACTORS["op"], {"text": "x"}, client_at_s=float("inf"))
    with pytest.raises(InvalidInput, match="Unix seconds"):
        decide(fresh(), note, NOW)


def test_a_log_with_a_gap_or_without_its_beginning_is_no_log() -> None:
    first = detected("A" * 26, incident(), ("g1", PATHS["g1"]), ("g1",), "why", NOW)
    second = decide(apply(None, first), Command(CommandType.NOTE, ACTORS["op"], {"text": "x"}), NOW)
    for broken in ([second], [replace(second, version=1)], [first, first], [first, replace(second, version=3)]):
        with pytest.raises(InvalidInput):
            reduce(apply, broken, None)


class Walk(RuleBasedStateMachine):
    """Random commands by random people, sightings and time; the alert goes through JSON at every step."""

    @initialize()
    def born(self) -> None:
        self.now_s, self.seq, self.fences = NOW, 1, [0]
        self.log: list[Event] = []
        self.alert: Alert | None = None
        self.keep(detected("A" * 26, incident(), ("g1", PATHS["g1"]), ("g1", "g2"), "why", NOW))

    def keep(self, event: Event) -> None:
        event = with_clocks(self.alert, apply(self.alert, event), event, NO_POLICIES)
        self.log.append(event_of(json.loads(json.dumps(event_to_json(event)))))
        keeps_to_the_table(self.alert, event, apply(self.alert, event))
        self.alert = alert_from_json(json.loads(json.dumps(alert_to_json(apply(self.alert, event)))))
        self.fences.append(self.alert.fence)

    @rule(pick=st.randoms(use_true_random=True), given_arguments=ARGUMENTS, rounds=st.integers(1, 25))
    def commands(self, pick: Random, given_arguments: dict[str, Any], rounds: int) -> None:
        for _ in range(rounds):
            assert self.alert is not None
            who, kind = drawn(pick, self.alert, self.now_s)
            self.attempt(who, kind, given_arguments if pick.random() < 0.3 else {}, pick)
            self.now_s += 1

    def attempt(self, who: Actor, kind: CommandType, given_arguments: dict[str, Any], pick: Random) -> None:
        assert self.alert is not None
        if kind is CommandType.HANDLE:
            self.picture(PHOTO)
        can = allowed(self.alert, who, self.now_s)
        arguments = arguments_of(kind, given_arguments, self.alert, self.now_s)
        grid = arguments.get("grid_code", "g1")
        facts = Facts(
            Route(pick.choice([(), ("w1",), ("w1", "w1b")]), grid, None),
            (grid, PATHS[grid]),
            lease_s=60,
            unit="u",
            organisation=pick.choice([None, "u"]),
            known_person=True,
            working_time=pick.random() < 0.5,
        )
        try:
            event = decide(self.alert, Command(kind, who, arguments, CODES.get(kind, "why")), self.now_s, facts)
        except (InvalidInput, Conflict):  # what is allowed may still lack a good argument
            return
        except (Forbidden, NotFound):
            assert kind not in can
            return
        assert kind in can
        self.keep(event)

    @rule(photo_of=st.just(PHOTO))
    def picture(self, photo_of: str) -> None:
        assert self.alert is not None
        if all(item.sha256 != photo_of for item in self.alert.evidence):
            self.keep(evidence_added(self.alert, ACTORS["w1"], "grid_worker", photo(photo_of), self.now_s))

    @rule(phase=st.sampled_from([Phase.CONTINUING, Phase.CLEARED]), after_s=st.integers(1, 90))
    def sighting(self, phase: Phase, after_s: int) -> None:
        assert self.alert is not None
        self.seq += 1
        seen = later(incident(), phase, self.seq, self.now_s - NOW + after_s)
        if self.alert.state not in ENDED and worth_telling(self.alert, seen):
            self.keep(sighted(self.alert, seen, self.seq, self.now_s))

    @rule(seconds=st.sampled_from([1, 30, 61, 7200, 86_400]))
    def time_passes(self, seconds: int) -> None:
        assert self.alert is not None
        self.now_s += seconds
        if self.alert.claim is not None and self.alert.claim.until_s <= self.now_s and seconds > 30:
            self.keep(claim_expired(self.alert, self.now_s))

    @rule(on_duty=st.sampled_from([(), ("w1",), ("w1", "lead")]), twin=st.sampled_from([None, "B" * 26]))
    def timers_fire(self, on_duty: tuple[str, ...], twin: str | None) -> None:
        for _ in range(20):
            assert self.alert is not None
            due = sorted((at_s, kind) for kind, at_s in timers(self.alert) if at_s <= self.now_s)
            if not due:
                return
            duties = [duty(person, "d" if person == "lead" else "g1") for person in on_duty]
            chain = tuple(reversed(self.alert.grid_path.strip("/").split("/")))
            rota = Rota(chain, duties, {Role.OPERATOR: ("op",), Role.SUPERVISOR: ("sup",)}, twin)
            self.keep(fired(self.alert, due[0][1], rota, self.now_s))
        raise AssertionError("the timers never end")

    @invariant()
    def holds(self) -> None:
        alert = self.alert
        if alert is None:
            return
        assert reduce(apply, self.log, None) == alert
        assert [event.version for event in self.log] == list(range(1, alert.version + 1))
        assert self.fences == sorted(self.fences)
        assert alert.verified_by is None or alert.verified_by != alert.handled_by
        assert (alert.suspended_from is not None) == (alert.state is State.SUSPENDED) or alert.state is State.VOIDED
        assert alert.moved_from is None or alert.state in IN_TRANSFER | ENDED
        assert alert.assignee not in alert.co_assignees or alert.assignee is None
        clocks = [clock for clock in (alert.stage_clock, alert.whole_clock) if clock is not None]
        for clock in clocks:
            assert clock.started_s <= clock.amber_s <= clock.due_s
            assert (clock.paused_s is not None) == (alert.state is State.SUSPENDED or alert.state in ENDED)
        assert alert.whole_clock is not None
        if alert.state in ENDED:
            assert {kind for kind, _ in timers(alert)} <= {"void"}
        if alert.state in (State.ACCEPTED, State.ON_SCENE, State.HANDLED):
            assert alert.assignee is not None
        if alert.claim is not None:
            assert alert.state is State.DISPATCHED
        if alert.state is State.CLOSED:
            assert alert.outcome in OUTCOMES


TestWalk = Walk.TestCase
TestWalk.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
