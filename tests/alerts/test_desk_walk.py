"""Random people at the real desk on a real ledger: commands good and bad, sightings, claims and clocks that run out."""

import json
from contextlib import ExitStack
from random import Random
from typing import Any

from databases import Databases
from desk_scene import ACTORS, NOW, PHOTO, FakePlaces, duty, furnish, incident, photo
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, event, insert, select
from walks import ARGUMENTS, CODES, arguments_of, drawn, keeps_to_the_table

from alerts import ledger
from alerts.database import reading, upgrade, writing
from alerts.desk import Desk
from alerts.lifecycle import allowed
from alerts.projection import LATE, alert_from_json, alert_to_json, apply, event_to_json
from alerts.sealer import event_of, seal, verify_chain
from alerts.sla import _STAGES as STAGES
from alerts.sla import timers
from alerts.transitions import TRANSITIONS
from models import tables
from models.alert import ENDED, Alert, Command, CommandType, Event
from models.errors import Conflict, Forbidden, InvalidInput, NotFound, StaleVersion
from models.incident import Phase
from models.people import SYSTEM

REFUSED = (InvalidInput, Conflict, Forbidden, NotFound, StaleVersion)


def _town_with_a_unit(engine: Engine) -> None:
    upgrade(engine)
    furnish(engine)
    with writing(engine) as connection:
        row = {"code": "u", "name": "u", "kind": "unit", "grid_code": "d", "active": True, "created_s": 0.0}
        connection.execute(insert(tables.organisations).values(row))
        connection.execute(tables.people.update().where(tables.people.c.id == "unit").values(organisation_code="u"))


class DeskWalk(RuleBasedStateMachine):
    """Several cases at once in one ledger. ``seen`` has what was checked of each case, and its log then."""

    databases: Databases

    @initialize()
    def opens(self) -> None:
        self.held = ExitStack()
        self.engine = self.held.enter_context(self.databases.fresh(_town_with_a_unit))
        event.listen(self.engine, "connect", lambda link, _: link.execute("PRAGMA synchronous=OFF"))
        self.places = FakePlaces()
        self.desk = Desk(self.engine, self.places, claim_lease_s=120)
        self.now_s, self.seq = NOW, 0
        self.seen: dict[str, list[Event]] = {}
        self.sighted("z", Phase.ONSET)

    @rule(zone=st.sampled_from("zy"), phase=st.sampled_from(Phase))
    def sighted(self, zone: str, phase: Phase) -> None:
        self.seq += 1
        self.now_s += 1
        at = {"at_s": self.now_s, "onset_s": self.now_s, "evidence": ()}
        receipt = self.desk.report(incident(self.seq, zone_id=zone, phase=phase, **at), self.now_s)
        if receipt.alert_id is not None:
            self.seen.setdefault(receipt.alert_id, [])

    @rule(pick=st.randoms(use_true_random=True), given_arguments=ARGUMENTS, rounds=st.integers(10, 40))
    def commands(self, pick: Random, given_arguments: dict[str, Any], rounds: int) -> None:
        for _ in range(rounds):
            cases = [self.desk.alert(alert_id, SYSTEM) for alert_id in sorted(self.seen)]
            ongoing = [each for each in cases if each.state not in ENDED]
            alert = pick.choice(ongoing if ongoing and pick.random() < 0.9 else cases)
            who, kind = drawn(pick, alert, self.now_s)
            if kind is CommandType.HANDLE and PHOTO not in {item.sha256 for item in alert.evidence}:
                alert = self.desk.add_evidence(alert.id, ACTORS["op"], photo(), self.now_s)
            arguments = arguments_of(kind, given_arguments if pick.random() < 0.3 else {}, alert, self.now_s)
            behind = pick.random() < 0.1
            self.attempt(alert, Command(kind, who, arguments, CODES.get(kind, "why")), alert.version - behind)
            self.now_s += 1

    def attempt(self, alert: Alert, command: Command, expected_version: int) -> None:
        can = allowed(alert, command.actor, self.now_s)
        try:
            after = self.desk.execute(alert.id, command, expected_version, self.now_s)
        except REFUSED as error:
            refused = type(error)
        else:
            refused = None
            assert after.version > alert.version
        with reading(self.engine) as connection:
            since = ledger.log(connection, alert.id, alert.version)
        if refused is None:
            assert command.type in can
            assert since[0].type is TRANSITIONS[command.type].event
        else:
            assert command.type not in can or not issubclass(refused, Forbidden | NotFound)
            assert [event_.reason for event_ in since] in ([], [LATE])
            assert self.desk.alert(alert.id, SYSTEM).state is alert.state

    @rule(seconds=st.sampled_from([1, 121, 700, 7200, 86_400, 8 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.now_s += seconds
        self.desk.expire_claims(self.now_s)
        assert self.desk.expire_claims(self.now_s) == 0
        for _ in range(30):
            if not self.desk.tick(self.now_s):
                return
        raise AssertionError("the timers never end")

    @rule(who=st.sampled_from([(), ("w1",), ("w1", "w1b", "lead")]))
    def the_shift_changes(self, who: tuple[str, ...]) -> None:
        self.places.on_duty = [duty(person, "d" if person == "lead" else "g1") for person in who]

    def log(self, alert_id: str) -> list[Event]:
        return list(self.desk.log(alert_id, SYSTEM))

    @invariant()
    def holds(self) -> None:
        for alert_id, known in getattr(self, "seen", {}).items():
            log = self.log(alert_id)
            assert log[: len(known)] == known  # nothing that was written changes
            if log == known:
                continue
            self.seen[alert_id] = log
            self.replays(self.desk.alert(alert_id, SYSTEM), log)

    def replays(self, alert: Alert, log: list[Event]) -> None:
        replayed: Alert | None = None
        for version, event_ in enumerate(log, 1):
            assert event_.version == version
            assert event_of(json.loads(json.dumps(event_to_json(event_)))) == event_
            after = apply(replayed, event_)
            keeps_to_the_table(replayed, event_, after)
            replayed = after
        assert replayed == alert == alert_from_json(json.loads(json.dumps(alert_to_json(alert))))
        self.clocks(alert)

    def clocks(self, alert: Alert) -> None:
        rows = tables.timers.c
        with self.engine.connect() as connection:
            running = select(rows.kind, rows.due_s).where(rows.alert_id == alert.id, rows.fired_s.is_(None))
            kept = {(row.kind, row.due_s) for row in connection.execute(running)}
        assert kept == timers(alert)
        if alert.state in ENDED:
            assert {kind for kind, _ in kept} <= {"void"}
        elif alert.stage_clock is not None and alert.stage_clock.paused_s is None:
            assert alert.stage_clock.stage in STAGES[alert.state]

    def teardown(self) -> None:
        while seal(self.engine, "walk", self.now_s):
            pass
        assert verify_chain(self.engine) is None
        self.held.close()


def test_whatever_people_do_the_log_tells_it_and_nothing_else_happens(databases: Databases) -> None:
    def walk() -> DeskWalk:
        machine = DeskWalk()
        machine.databases = databases
        return machine

    sizes = {"max_examples": 5, "stateful_step_count": 16}
    # Not made smaller where it fails: that takes minutes.
    quick = settings(
        **sizes, phases=[Stage.generate], deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(walk, settings=quick)
