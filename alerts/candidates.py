"""Who of a rota can be asked now, and why others cannot: shifts, absences, stand-ins, reachability, skills. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from models.people import Duty

MOST_NAMED = 4
"""People whom a shortfall names; more are counted."""


class Why(StrEnum):
    """Why someone of a grid is not asked."""

    OFF_SHIFT = "off_shift"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"
    LACKS_SKILL = "lacks_skill"
    INACTIVE = "inactive"


_WORDS: Mapping[Why, tuple[str, str]] = {
    Why.OFF_SHIFT: ("不在班", "off shift"),
    Why.ABSENT: ("请假", "absent"),
    Why.UNREACHABLE: ("联系不上", "unreachable"),
    Why.LACKS_SKILL: ("无所需技能", "lacks the skill"),
    Why.INACTIVE: ("已停用", "no longer active"),
}


@dataclass(frozen=True)
class Shift:
    """One row of the rota: rank 0 is asked first, 1 is the backup. Unix seconds."""

    id: int
    person_id: str
    grid_code: str
    rank: int
    starts_s: float
    ends_s: float


@dataclass(frozen=True)
class Absence:
    """Someone is away from ``starts_s`` until before ``ends_s``; their shifts then are the stand-in's, if any."""

    id: int
    person_id: str
    starts_s: float
    ends_s: float
    stand_in_id: str | None
    reason: str


@dataclass(frozen=True)
class Worker:
    """What the rota needs to know of a person."""

    id: str
    name: str
    active: bool
    reachable: bool
    skills: tuple[str, ...]
    unit: str | None
    open_cases: int


@dataclass(frozen=True)
class Missing:
    """Someone of a grid who cannot be asked. ``until_s``: when that ends as far as the rota knows."""

    person_id: str
    person_name: str
    grid_code: str
    why: Why
    until_s: float | None = None
    skills: tuple[str, ...] = ()

    def said(self) -> tuple[str, str]:
        """In Chinese and English, without the grid."""
        zh, en = _WORDS[self.why]
        lacking = f" {', '.join(self.skills)}" if self.skills else ""
        return f"{self.person_name}{zh}{lacking}", f"{self.person_name} {en}{lacking}"


def present(
    shifts: Iterable[Shift], absences: Iterable[Absence], workers: Mapping[str, Worker], now_s: float
) -> tuple[list[Duty], list[Missing]]:
    """Who is on duty by the rota now, and who of it is not there.

    An absent person's shift is the stand-in's, unless that one is away as well: stand-ins are not followed further.
    First to be asked first: by grid, rank, open cases, id.
    """
    away = {absence.person_id: absence for absence in absences if absence.starts_s <= now_s < absence.ends_s}
    duties: dict[tuple[str, str], Duty] = {}
    missing: list[Missing] = []
    for shift in sorted(shifts, key=lambda shift: (shift.grid_code, shift.rank, shift.id)):
        if not shift.starts_s <= now_s < shift.ends_s or shift.person_id not in workers:
            continue
        rostered = workers[shift.person_id]
        absence = away.get(rostered.id)
        worker: Worker | None = rostered
        if not rostered.active:
            missing.append(Missing(rostered.id, rostered.name, shift.grid_code, Why.INACTIVE))
            continue
        ends_s = shift.ends_s
        if absence is not None:
            missing.append(Missing(rostered.id, rostered.name, shift.grid_code, Why.ABSENT, absence.ends_s))
            worker = workers.get(absence.stand_in_id or "")
            ends_s = min(ends_s, absence.ends_s)
        if worker is None or not worker.active or (worker is not rostered and worker.id in away):
            continue
        duty = Duty(
            worker.id,
            worker.name,
            shift.grid_code,
            shift.rank,
            shift.starts_s,
            ends_s,
            worker.open_cases,
            worker.skills,
            worker.reachable,
            worker.unit,
            None if worker is rostered else rostered.id,
        )
        duties.setdefault((shift.grid_code, worker.id), duty)
    ordered = sorted(duties.values(), key=lambda duty: (duty.grid_code, duty.rank, duty.open_cases, duty.person_id))
    return ordered, missing


def by_skill(duties: Sequence[Duty], needs: Collection[str]) -> tuple[list[Duty], list[Missing]]:
    """Those on duty who hold each skill of ``needs``, in the order given; the others with what they lack."""
    skilled: list[Duty] = []
    missing: list[Missing] = []
    for duty in duties:
        lacking = tuple(sorted(set(needs) - set(duty.skills)))
        if lacking:
            missing.append(Missing(duty.person_id, duty.person_name, duty.grid_code, Why.LACKS_SKILL, skills=lacking))
        else:
            skilled.append(duty)
    return skilled, missing


def fit(duties: Sequence[Duty], needs: Collection[str]) -> tuple[list[Duty], list[Missing]]:
    """Those on duty who can be reached and hold each skill of ``needs``, in the order given; the others with why."""
    reached = [duty for duty in duties if duty.reachable]
    silent = [
        Missing(duty.person_id, duty.person_name, duty.grid_code, Why.UNREACHABLE)
        for duty in duties
        if not duty.reachable
    ]
    skilled, lacking = by_skill(reached, needs)
    return skilled, silent + lacking


def off_shift(
    posted: Mapping[str, Collection[str]],
    workers: Mapping[str, Worker],
    coming: Iterable[Shift],
    seen: Iterable[Duty | Missing],
) -> list[Missing]:
    """Those who work in a grid (``posted``: ids by grid) and have no shift now; ``until_s``: their next one there."""
    accounted = {(item.grid_code, item.person_id) for item in seen}
    next_s: dict[tuple[str, str], float] = {}
    for shift in coming:
        key = (shift.grid_code, shift.person_id)
        next_s[key] = min(shift.starts_s, next_s.get(key, shift.starts_s))
    return [
        Missing(worker.id, worker.name, code, Why.OFF_SHIFT, next_s.get((code, worker.id)))
        for code, ids in sorted(posted.items())
        for worker in sorted((workers[i] for i in ids if i in workers), key=lambda worker: worker.name)
        if (code, worker.id) not in accounted and worker.active
    ]


def told(missing: Sequence[Missing]) -> tuple[str, str]:
    """A shortfall's reasons in a sentence's part, Chinese and English; "" for nobody."""
    said = [item.said() for item in dict.fromkeys(missing)]
    more = len(said) - MOST_NAMED
    chinese = "、".join(zh for zh, _ in said[:MOST_NAMED]) + (f"等{len(said)}人" if more > 0 else "")
    return chinese, ", ".join(en for _, en in said[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def in_brackets(missing: Sequence[Missing]) -> str:
    """As ``told``, to follow a shortfall's sentence; "" for nobody."""
    return "（{} / {}）".format(*told(missing)) if missing else ""
