"""What no camera reports: into the same ledger, once, and back to whoever reported it."""

from dataclasses import replace
from pathlib import Path

import pytest
from desk_scene import ACTORS, NOW, SHA, FakePlaces, do, handled
from sqlalchemy import Engine, select, text

from alerts.database import reading
from alerts.desk import Desk
from alerts.identity import identity_faults, name_of_a_person, number_of_a_person
from alerts.intake import Intake, Report, Taken
from alerts.intake_answers import PUBLIC, PUBLIC_OUTCOMES, IntakeAnswers
from alerts.intake_sources import IntakeSources, NewSource, Reporter, SourceKind, person_as_reporter
from alerts.notify_rules import notices
from alerts.projection import replay
from alerts.tally import source_of
from alerts.vault import Vault
from models import tables
from models.alert import OUTCOMES, Alert, EventType, State
from models.errors import Conflict, Forbidden, InvalidInput, NotFound, RateLimited, TooLarge, Unauthenticated
from models.geo import GeoPoint
from models.incident import KINDS, Evidence, Phase, Severity
from models.people import SYSTEM

IN_G1 = GeoPoint(1.0, 1.0)
CONTACT = "13800138000 张三"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "key")


@pytest.fixture
def intake(town: Engine, places: FakePlaces, vault: Vault) -> Intake:
    return Intake(town, places, vault)


@pytest.fixture
def answers(town: Engine, places: FakePlaces, vault: Vault) -> IntakeAnswers:
    return IntakeAnswers(town, places, vault)


@pytest.fixture
def sources(town: Engine) -> IntakeSources:
    return IntakeSources(town, lambda: NOW)


def registered(sources: IntakeSources, kind: SourceKind = SourceKind.RESIDENT, **changes: object) -> Reporter:
    plain = NewSource("随手拍", kind, "d", ["dumping", "crowding", "other"])
    return sources.reporter(sources.add(SYSTEM, replace(plain, **changes)).token)  # type: ignore[arg-type]


def dumped(own_id: str = "r1", **changes: object) -> Report:
    return replace(Report(external_id=own_id, kind="dumping", place=IN_G1, text="三袋垃圾"), **changes)  # type: ignore[arg-type]


def only(taken: list[Taken]) -> Taken:
    (one,) = taken
    return one


def alert_of(desk: Desk, taken: Taken) -> Alert:
    assert taken.alert_id is not None, taken
    return desk.alert(taken.alert_id, ACTORS["op"])


@pytest.mark.both_databases
def test_a_report_takes_the_way_of_every_incident_and_is_known_when_it_comes_again(
    desk: Desk, intake: Intake, sources: IntakeSources
) -> None:
    resident = registered(sources)
    first = only(intake.take(resident, [dumped()], NOW))
    alert = alert_of(desk, first)
    assert (alert.kind, alert.state, alert.grid_code, alert.camera_id) == ("dumping", State.NEW, "g1", None)
    assert alert.detected_reason == "随手拍: 三袋垃圾"
    assert source_of(desk.log(alert.id, ACTORS["op"])[0]) == "resident"
    again = only(intake.take(resident, [dumped(text="altered")], NOW + 5))
    assert again == Taken("r1", alert.id, "raise", duplicate=True)
    assert alert_of(desk, again) == alert


@pytest.mark.both_databases
def test_a_batch_keeps_its_order_and_one_that_is_refused_keeps_no_other_back(
    desk: Desk, intake: Intake, sources: IntakeSources
) -> None:
    resident = registered(sources)
    far = GeoPoint(3.0, 1.0)  # g3, in the other district
    batch = [
        dumped("a"),
        dumped("b", kind="intrusion"),
        dumped("c", place=far),
        dumped("d"),
        dumped("a"),
        dumped("e", kind="other"),
        dumped("f", kind="other"),
    ]
    told = intake.take(resident, batch, NOW)
    assert [one.external_id for one in told] == ["a", "b", "c", "d", "a", "e", "f"]
    assert [one.disposition for one in told] == ["raise", None, None, "merge", "raise", "raise", "raise"]
    assert [one.duplicate for one in told] == [False, False, False, False, True, False, False]
    assert [fault.where for fault in (*told[1].faults, *told[2].faults)] == ["kind", "geometry"]
    a, d, e, f = (told[n].alert_id for n in (0, 3, 5, 6))
    assert a == d
    assert len({a, e, f}) == 3  # what is "other" is never one
    assert "三袋垃圾" in str(desk.log(str(a), ACTORS["op"])[-1].data["said"])  # the second one's words are kept
    assert only(intake.take(resident, [dumped("b")], NOW)).disposition == "merge"  # refused, then sent mended


def test_what_two_people_see_in_one_place_is_one_alert_and_a_merged_photo_is_shown(
    desk: Desk, intake: Intake, sources: IntakeSources
) -> None:
    first, second = registered(sources), person_as_reporter(ACTORS["w1"])
    picture = Evidence(SHA, "report", "image/jpeg", NOW)
    one = only(intake.take(first, [dumped()], NOW))
    other = only(intake.take(second, [dumped("mine", evidence=(picture,))], NOW + 60))
    assert one.alert_id == other.alert_id
    alert = alert_of(desk, other)
    assert (alert.incidents, alert.evidence) == (2, (picture,))
    assert replay(desk.log(alert.id, ACTORS["op"])) == alert
    near = GeoPoint(1.0, 1.002)  # 200 m on
    assert only(intake.take(first, [dumped("r2", place=near)], NOW)).alert_id != alert.id


def test_a_person_reports_where_they_may_act(intake: Intake) -> None:
    worker = person_as_reporter(ACTORS["w1"])
    assert only(intake.take(worker, [dumped()], NOW)).disposition == "raise"
    for place in (GeoPoint(2.0, 1.0), GeoPoint(50.0, 1.0)):  # the neighbour's grid; no grid at all
        assert only(intake.take(worker, [dumped("r2", place=place)], NOW)).faults[0].where == "geometry"


def test_a_sensors_warning_goes_to_its_person_at_once_and_again_when_it_gets_worse(
    desk: Desk, intake: Intake, sources: IntakeSources
) -> None:
    where = {"grid_code": "g2", "kinds": ["geohazard"], "place": GeoPoint(2.0, 1.0), "responsible_id": "w2"}
    sensor = registered(sources, SourceKind.SENSOR, **where)
    warning = Report(external_id="w-1", kind="geohazard", severity=Severity.YELLOW, measure={"crack_mm": 12.5})
    alert = alert_of(desk, only(intake.take(sensor, [warning], NOW)))
    assert (alert.state, alert.offered_to, alert.severity) == (State.DISPATCHED, ("w2",), Severity.YELLOW)
    log = desk.log(alert.id, ACTORS["op"])
    assert [event.type for event in log] == [EventType.DETECTED, EventType.ACKNOWLEDGED, EventType.DISPATCHED]
    (notice,) = notices(alert, log[-1])
    assert (notice.person_id, notice.on_duty_only) == ("w2", False)  # w2 has no shift now
    red = replace(warning, external_id="w-2", severity=Severity.RED)
    worse = alert_of(desk, only(intake.take(sensor, [red], NOW + 60)))
    assert (worse.id, worse.severity) == (alert.id, Severity.RED)
    assert desk.log(alert.id, ACTORS["op"])[-1].type is EventType.DISPATCHED
    still = replace(red, external_id="w-3")
    intake.take(sensor, [still], NOW + 120)
    assert desk.log(alert.id, ACTORS["op"])[-1].type is EventType.SEEN_AGAIN  # nobody is told the same twice
    over = replace(warning, external_id="w-4", phase=Phase.CLEARED)
    assert only(intake.take(sensor, [over], NOW + 180)).disposition == "merge"
    assert alert_of(desk, Taken("", alert.id, None)).scene_clear_s == NOW + 180


def test_where_the_responsible_person_is_gone_the_rota_is_asked_and_says_so(
    desk: Desk, intake: Intake, sources: IntakeSources, town: Engine
) -> None:
    where = {"grid_code": "g1", "kinds": ["geohazard"], "place": IN_G1, "responsible_id": "w1b"}
    sensor = registered(sources, SourceKind.SENSOR, **where)
    with town.begin() as connection:
        connection.execute(text("UPDATE people SET active = false WHERE id = 'w1b'"))
    alert = alert_of(desk, only(intake.take(sensor, [Report(external_id="1", kind="geohazard")], NOW)))
    assert alert.offered_to == ("w1",)
    assert "takes no cases any more" in (alert.shortfall or "")


def test_only_what_is_on_the_list_is_dispatched_without_an_operator(
    desk: Desk, intake: Intake, sources: IntakeSources
) -> None:
    with pytest.raises(InvalidInput, match="only this is dispatched without an operator: sensor of geohazard"):
        registered(sources, responsible_id="w1")
    where = {"grid_code": "g1", "kinds": ["geohazard", "other"], "place": IN_G1, "responsible_id": "w1"}
    sensor = registered(sources, SourceKind.SENSOR, **where)
    alert = alert_of(desk, only(intake.take(sensor, [Report(external_id="1", kind="other")], NOW)))
    assert alert.state is State.NEW


def test_a_gates_fault_shows_its_camera_and_stands_where_that_stands(
    desk: Desk, intake: Intake, sources: IntakeSources
) -> None:
    gate = registered(sources, SourceKind.DEVICE, grid_code="g1", kinds=["gate_fault"], camera_id="cam1")
    taken = only(intake.take(gate, [Report(external_id="1", kind="gate_fault", key="arm", accuracy_m=0)], NOW))
    alert = alert_of(desk, taken)
    assert (alert.camera_id, alert.place, alert.grid_code) == ("cam1", GeoPoint(0.1, 0.1), "g1")
    assert source_of(desk.log(alert.id, ACTORS["op"])[0]) == "device"
    other = only(intake.take(gate, [Report(external_id="2", kind="gate_fault", key="lamp", accuracy_m=0)], NOW))
    assert other.alert_id != alert.id


def test_a_source_is_held_to_its_rate_and_told_when_it_may_go_on(intake: Intake, sources: IntakeSources) -> None:
    resident = registered(sources, rate_per_s=0.5)
    intake.take(resident, [dumped(str(n), kind="other") for n in range(500)], NOW)
    with pytest.raises(RateLimited) as refused:
        intake.take(resident, [dumped("x"), dumped("y")], NOW + 1)
    assert refused.value.retry_after_s == 3
    with pytest.raises(RateLimited):
        intake.refuse_early(resident, dumped("x"), NOW + 1)
    told = intake.take(resident, [dumped("x"), dumped("y")], NOW + 1 + refused.value.retry_after_s)
    assert [one.disposition for one in told] == ["raise", "merge"]
    with pytest.raises(TooLarge, match="at most 20"):
        intake.take(person_as_reporter(ACTORS["w1"]), [dumped(str(n)) for n in range(21)], NOW)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"at_s": NOW + 3600}, "time"),
        ({"at_s": NOW - 40 * 86_400}, "time"),
        ({"text": "call 138 0013 8000"}, "text"),
        ({"text": "身份证610902199001011234的人"}, "text"),
        ({"place": None}, "geometry"),
    ],
    ids=str,
)
def test_what_cannot_be_taken_says_where(
    intake: Intake, sources: IntakeSources, changes: dict[str, object], where: str
) -> None:
    taken = only(intake.take(registered(sources), [dumped(**changes)], NOW))
    assert [fault.where for fault in taken.faults] == [where]
    assert "1380013" not in str(taken)


def test_the_reporter_hears_of_it_evaluates_it_once_and_the_case_closes(
    desk: Desk, intake: Intake, answers: IntakeAnswers, sources: IntakeSources
) -> None:
    resident, other = registered(sources), registered(sources)
    alert = alert_of(desk, only(intake.take(resident, [dumped()], NOW)))

    def stage() -> tuple[str, bool]:
        status = answers.status(resident, resident.id, "r1")
        return status.stage, status.may_evaluate

    assert stage() == ("received", False)
    with pytest.raises(Conflict):
        answers.evaluate(resident, resident.id, "r1", 5, None, NOW + 1)
    alert = handled(desk, alert)
    assert stage() == ("being_checked", False)
    alert = do(desk, alert, "ver", "verify", outcome="fixed_service")
    assert stage() == ("done", True)
    for reporter, source_id in ((other, resident.id), (other, other.id), (resident, other.id)):
        with pytest.raises(NotFound):
            answers.status(reporter, source_id, "r1")
    with pytest.raises(InvalidInput, match="telephone"):
        answers.evaluate(resident, resident.id, "r1", 5, "13800138000", NOW + 20)
    answers.evaluate(resident, resident.id, "r1", 5, "很快", NOW + 20)
    with pytest.raises(Conflict, match="before"):
        answers.evaluate(resident, resident.id, "r1", 1, None, NOW + 21)
    assert desk.tick(NOW + 25) == 1
    closed = desk.alert(alert.id, ACTORS["op"])
    assert (closed.state, closed.evaluation and closed.evaluation.by) == (State.CLOSED, resident.source)
    status = answers.status(resident, resident.id, "r1")
    assert (status.stage, status.outcome, status.may_evaluate) == ("closed", "fixed_service", False)


def test_a_silent_reporters_case_closes_and_says_so(desk: Desk, intake: Intake, sources: IntakeSources) -> None:
    alert = handled(desk, alert_of(desk, only(intake.take(registered(sources), [dumped()], NOW))))
    do(desk, alert, "ver", "verify", outcome="fixed_service")
    assert desk.tick(NOW + 6 * 86_400) == 1  # the whole case's clock, and nothing else
    while desk.tick(NOW + 8 * 86_400):
        pass
    last = desk.log(alert.id, ACTORS["op"])[-1]
    assert (last.type, last.reason) == (EventType.CLOSED, "reporter_silent")


def test_nobody_evaluates_their_own_work(desk: Desk, intake: Intake, answers: IntakeAnswers) -> None:
    worker = person_as_reporter(ACTORS["w1"])
    alert = handled(desk, alert_of(desk, only(intake.take(worker, [dumped()], NOW))))
    do(desk, alert, "ver", "verify", outcome="fixed_service")
    with pytest.raises(Forbidden):
        answers.evaluate(worker, worker.id, "r1", 5, None, NOW + 20)


def test_a_contact_is_in_no_log_readable_by_who_calls_back_and_erased_for_good(
    desk: Desk, intake: Intake, answers: IntakeAnswers, sources: IntakeSources, town: Engine
) -> None:
    alert = alert_of(desk, only(intake.take(registered(sources), [dumped(contact=CONTACT)], NOW)))
    with reading(town) as connection:
        for table in tables.metadata.sorted_tables:
            stored = str(connection.execute(select(table)).all())
            assert "138001" not in stored, table.name
            assert "张三" not in stored, table.name
    assert [c.contact for c in answers.contacts(alert.id, ACTORS["op"])] == [CONTACT]
    for who, error in (("w1", Forbidden), ("admin", Forbidden), ("op_e", NotFound)):
        with pytest.raises(error):
            answers.contacts(alert.id, ACTORS[who])
    with pytest.raises(Forbidden):
        answers.erase_contacts(alert.id, ACTORS["op"], "asked", NOW + 1)
    assert answers.erase_contacts(alert.id, ACTORS["aud"], "asked for it", NOW + 1) == 1
    assert answers.contacts(alert.id, ACTORS["op"]) == []
    last = desk.log(alert.id, ACTORS["op"])[-1]
    assert (last.type, last.reason, last.data) == (EventType.ERASED, "asked for it", {"what": "contact", "count": 1})
    assert answers.erase_contacts(alert.id, ACTORS["aud"], "again", NOW + 2) == 0


def test_a_token_that_was_renewed_or_whose_source_rests_is_worth_nothing(sources: IntakeSources) -> None:
    made = sources.add(SYSTEM, NewSource("s", SourceKind.OTHER, "d", ["other"]))
    assert made.token not in repr(made)
    newer = sources.renew(ACTORS["admin"], made.source.id)
    with pytest.raises(Unauthenticated):
        sources.reporter(made.token)
    assert sources.reporter(newer.token).source == f"other:{made.source.id}"
    sources.set_active(ACTORS["admin"], made.source.id, False)
    with pytest.raises(Unauthenticated):
        sources.reporter(newer.token)


@pytest.mark.parametrize(
    "changes",
    [
        {"kinds": []},
        {"kinds": ["face_match"]},
        {"grid_code": "g2", "camera_id": "cam1"},
        {"camera_id": "nobody"},
        {"kind": SourceKind.SENSOR, "grid_code": "g1", "kinds": ["geohazard"], "responsible_id": "w2"},
        {"rate_per_s": 0.0},
        {"rate_per_s": float("nan")},
        {"name": " "},
    ],
    ids=str,
)
def test_a_source_that_makes_no_sense_is_refused(sources: IntakeSources, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        registered(sources, **changes)  # type: ignore[arg-type]


IDENTITY = (
    *("face", "faceId", "face_embedding", "personName", "name_of_person", "ID_Number", "身份证号", "车牌"),
    *("licensePlate", "plate", "gait", "phone", "手机", "email"),
)


@pytest.mark.parametrize("name", IDENTITY)
def test_fields_that_name_a_person_are_refused_by_name_however_deep(name: str) -> None:
    deep: object = {name: 1}
    for _ in range(3000):
        deep = [deep]
    assert len(identity_faults({"data": deep}, "report", "report.own")) == 1
    assert identity_faults({"own": {name: 1}}, "report", "report.own") == []


def test_ordinary_fields_and_words_are_no_identity() -> None:
    plain = {"surface": 1, "template": 2, "kind": "x", "camera_name": "y", "idle_s": 3, "interface": 4, "numbers": []}
    assert identity_faults(plain, "report", "own") == []
    assert number_of_a_person("3 bags, 20261123, 100 m, case 01JD0ZQ3F4K8X6T2W9V5B7C1NE") is None
    for serial in ("a13800138000f", "01JD0ZQ3F4K8X6T2W9V5B7C1NE", 1380013800, 13800138000.5e3, "gate-7/lane-2", ""):
        assert name_of_a_person(serial) is None, serial


@pytest.mark.parametrize(
    "word", ["13800138000", "resident/13800138000", "+8613800138000", "110101199003074512", 13800138000]
)
def test_a_thing_that_is_called_by_a_person_s_number_is_none(word: str | int) -> None:
    assert name_of_a_person(word) is not None


def test_each_state_and_outcome_has_words_for_everyone() -> None:
    assert set(PUBLIC) == set(State)
    assert set(PUBLIC_OUTCOMES) == set(OUTCOMES)


def test_a_rule_looks_only_for_kinds_that_cameras_see() -> None:
    from detectors.catalog import RULES
    from detectors.structure import KIND

    assert {*RULES, KIND} == {code for code, kind in KINDS.items() if kind.by_camera}
