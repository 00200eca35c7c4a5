"""Who of a rota can be asked, and why the others cannot."""

from collections.abc import Mapping
from dataclasses import replace

from alerts.candidates import Absence, Missing, Shift, Why, Worker, fit, off_shift, present, told
from models.people import Duty

NOW = 1_800_000_000.0


def worker(name: str, **more: object) -> Worker:
    plain = Worker(name, name.title(), active=True, reachable=True, skills=(), unit=None, open_cases=0)
    return replace(plain, **more)  # type: ignore[arg-type]


def shift(
    number: int, person: str, grid: str = "g", rank: int = 0, starts_s: float = -100, ends_s: float = 100
) -> Shift:
    return Shift(number, person, grid, rank, NOW + starts_s, NOW + ends_s)


def away(person: str, stand_in: str | None = None, starts_s: float = -10, ends_s: float = 10) -> Absence:
    return Absence(1, person, NOW + starts_s, NOW + ends_s, stand_in, "leave")


WORKERS: Mapping[str, Worker] = {name: worker(name) for name in ("wang", "li", "zhao")}


def names(duties: list[Duty]) -> list[str]:
    return [duty.person_id for duty in duties]


def whys(missing: list[Missing]) -> list[tuple[str, Why]]:
    return [(item.person_id, item.why) for item in missing]


def test_a_shift_holds_from_its_start_until_before_its_end() -> None:
    shifts = [shift(1, "wang", starts_s=0), shift(2, "li", ends_s=0), shift(3, "zhao", starts_s=1)]
    assert names(present(shifts, [], WORKERS, NOW)[0]) == ["wang"]


def test_first_asked_first_by_rank_then_load_then_id() -> None:
    workers = {**WORKERS, "wang": worker("wang", open_cases=2), "zhao": worker("zhao", open_cases=1)}
    shifts = [shift(1, "li", rank=1), shift(2, "wang"), shift(3, "zhao")]
    assert names(present(shifts, [], workers, NOW)[0]) == ["zhao", "wang", "li"]


def test_an_absent_persons_shift_is_the_stand_ins_while_it_lasts() -> None:
    there, gone = present([shift(1, "wang")], [away("wang", "li", ends_s=50)], WORKERS, NOW)
    assert [(duty.person_id, duty.stands_in_for, duty.ends_s) for duty in there] == [("li", "wang", NOW + 50)]
    assert [(item.why, item.until_s) for item in gone] == [(Why.ABSENT, NOW + 50)]
    assert names(present([shift(1, "wang")], [away("wang", "li", ends_s=0)], WORKERS, NOW)[0]) == ["wang"]


def test_nobody_stands_in_where_there_is_no_one_or_they_are_away_or_left() -> None:
    assert present([shift(1, "wang")], [away("wang")], WORKERS, NOW)[0] == []
    assert present([shift(1, "wang")], [away("wang", "li"), away("li", "zhao")], WORKERS, NOW)[0] == []
    left = {**WORKERS, "li": worker("li", active=False)}
    assert present([shift(1, "wang")], [away("wang", "li")], left, NOW)[0] == []


def test_whoever_stands_in_beside_a_shift_of_their_own_is_asked_once() -> None:
    there, _ = present([shift(1, "wang"), shift(2, "li", rank=1)], [away("wang", "li")], WORKERS, NOW)
    assert [(duty.person_id, duty.rank) for duty in there] == [("li", 0)]


def test_the_inactive_are_named_and_not_asked() -> None:
    there, gone = present([shift(1, "wang")], [], {"wang": worker("wang", active=False)}, NOW)
    assert (there, whys(gone)) == ([], [("wang", Why.INACTIVE)])


def test_the_unreachable_and_unskilled_are_passed_over_with_the_reason() -> None:
    workers = {
        "wang": worker("wang", reachable=False),
        "li": worker("li", skills=("gas",)),
        "zhao": worker("zhao", skills=("gas", "height")),
    }
    there, _ = present([shift(i, name) for i, name in enumerate(workers)], [], workers, NOW)
    able, missing = fit(there, ("height", "gas"))
    assert names(able) == ["zhao"]
    assert {(item.person_id, item.why, item.skills) for item in missing} == {
        ("wang", Why.UNREACHABLE, ()),
        ("li", Why.LACKS_SKILL, ("height",)),
    }


def test_who_is_off_shift_is_told_with_the_next_shift() -> None:
    there, gone = present([shift(1, "wang")], [], WORKERS, NOW)
    coming = [shift(2, "li", starts_s=900), shift(3, "li", starts_s=500), shift(4, "wang", starts_s=700)]
    off = off_shift({"g": ["wang", "li", "zhao"]}, WORKERS, coming, [*there, *gone])
    assert [(item.person_id, item.why, item.until_s) for item in off] == [
        ("li", Why.OFF_SHIFT, NOW + 500),
        ("zhao", Why.OFF_SHIFT, None),
    ]


def test_a_shortfall_names_a_few_and_counts_the_rest() -> None:
    missing = [Missing(f"p{i}", f"P{i}", "g", Why.ABSENT) for i in range(6)]
    zh, en = told([*missing, missing[0], Missing("x", "X", "g", Why.LACKS_SKILL, skills=("gas",))])
    assert zh == "P0请假、P1请假、P2请假、P3请假等7人"
    assert en == "P0 absent, P1 absent, P2 absent, P3 absent and 3 more"
    assert told([Missing("x", "X", "g", Why.LACKS_SKILL, skills=("gas",))]) == (
        "X无所需技能 gas",
        "X lacks the skill gas",
    )
    assert told([]) == ("", "")
