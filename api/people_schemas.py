"""What goes in and out about organisations, shifts, absences, reachability and hand-overs."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from alerts.candidates import Absence, Missing, Shift, Why
from alerts.handover import Handover, Promise
from alerts.organisations import Organisation, OrganisationKind
from api.registry_schemas import DutyShown, GridCode, Name, PersonShown, example
from api.schemas import Body, Text, at, at_or_none

PersonId = Annotated[Text, Field(min_length=1, max_length=64)]
OrganisationCode = Annotated[Text, Field(max_length=64)]
Skills = Annotated[list[Annotated[Text, Field(max_length=32)]], Field(max_length=20)]
Sentence = Annotated[Text, Field(min_length=1, max_length=1000)]


class OrganisationAsked(Body):
    model_config = example(code="power-610902", name="汉滨区供电所", kind="unit", grid_code="610902")

    code: Annotated[Text, Field(min_length=1, max_length=64)]
    name: Name
    kind: OrganisationKind
    grid_code: GridCode


class OrganisationChange(Body):
    """What is left out stays."""

    model_config = example(name="汉滨区供电公司")

    name: Name | None = None
    active: bool | None = None


class OrganisationShown(BaseModel):
    code: str
    name: str
    kind: OrganisationKind
    grid_code: str
    active: bool

    @classmethod
    def of(cls, organisation: Organisation) -> "OrganisationShown":
        return cls(**vars(organisation))


class Organisations(BaseModel):
    organisations: list[OrganisationShown]
    next: str | None


class PersonChange(Body):
    """What is left out stays. ``organisation`` "" is none."""

    model_config = example(organisation="power-610902", skills=["electrician"])

    name: Name | None = None
    active: bool | None = None
    organisation: OrganisationCode | None = None
    skills: Skills | None = None


class PersonChanged(BaseModel):
    """``open_cases``: how many the person has in hand; someone else is to be given them if this one leaves."""

    person: PersonShown
    open_cases: int


class Reachability(Body):
    model_config = example(reachable=False, reason="电话三次无人接听")

    reachable: bool
    reason: Annotated[Text, Field(max_length=200)] = ""


class ShiftShown(BaseModel):
    id: int
    person_id: str
    person_name: str
    grid_code: str
    rank: int
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, shift: Shift, name: str) -> "ShiftShown":
        return cls(
            id=shift.id,
            person_id=shift.person_id,
            person_name=name,
            grid_code=shift.grid_code,
            rank=shift.rank,
            starts_at=at(shift.starts_s),
            ends_at=at(shift.ends_s),
        )


class Shifts(BaseModel):
    shifts: list[ShiftShown]
    next: str | None


class ShiftsImported(BaseModel):
    rows: int
    new: int
    dry_run: bool
    encoding: str
    ignored_columns: list[str]


class AbsenceAsked(Body):
    model_config = example(
        starts_at="2026-11-22T08:00:00+08:00", ends_at="2026-11-24T08:00:00+08:00", reason="年假", stand_in_id=None
    )

    starts_at: AwareDatetime
    ends_at: AwareDatetime
    reason: Annotated[Text, Field(min_length=1, max_length=200)]
    stand_in_id: PersonId | None = None


class AbsenceShown(BaseModel):
    id: int
    person_id: str
    person_name: str | None
    starts_at: datetime
    ends_at: datetime
    stand_in_id: str | None
    reason: str

    @classmethod
    def of(cls, absence: Absence, name: str | None = None) -> "AbsenceShown":
        return cls(
            id=absence.id,
            person_id=absence.person_id,
            person_name=name,
            starts_at=at(absence.starts_s),
            ends_at=at(absence.ends_s),
            stand_in_id=absence.stand_in_id,
            reason=absence.reason,
        )


class Absences(BaseModel):
    absences: list[AbsenceShown]


class MissingShown(BaseModel):
    """Someone of the grid who cannot be asked, and why."""

    person_id: str
    person_name: str
    why: Why
    said: dict[str, str]
    until: datetime | None
    skills: list[str]

    @classmethod
    def of(cls, missing: Missing) -> "MissingShown":
        zh, en = missing.said()
        return cls(
            person_id=missing.person_id,
            person_name=missing.person_name,
            why=missing.why,
            said={"zh": zh, "en": en},
            until=at_or_none(missing.until_s),
            skills=list(missing.skills),
        )


class Roster(BaseModel):
    """Who can be asked, first to be asked first; and everyone else of the grid with the reason."""

    can_be_asked: list[DutyShown]
    cannot: list[MissingShown]
    needs: list[str]


class Needs(BaseModel):
    """By kind of case: the skills that it needs."""

    needs: dict[str, list[str]]


class NeedsAsked(Body):
    model_config = example(skills=["electrician"])

    skills: Skills


class PromiseAsked(Body):
    model_config = example(text="18 点前给张阿姨回电话", due_at="2026-11-22T18:00:00+08:00")

    text: Sentence
    due_at: AwareDatetime
    alert_id: Annotated[Text, Field(max_length=64)] | None = None


class PromiseShown(BaseModel):
    id: str
    grid_code: str
    alert_id: str | None
    text: str
    due_at: datetime
    made_by: str
    made_by_name: str
    made_at: datetime
    kept_by: str | None
    kept_at: datetime | None

    @classmethod
    def of(cls, promise: Promise) -> "PromiseShown":
        return cls(
            id=promise.id,
            grid_code=promise.grid_code,
            alert_id=promise.alert_id,
            text=promise.text,
            due_at=at(promise.due_s),
            made_by=promise.made_by,
            made_by_name=promise.made_by_name,
            made_at=at(promise.made_s),
            kept_by=promise.kept_by,
            kept_at=at_or_none(promise.kept_s),
        )


class Promises(BaseModel):
    promises: list[PromiseShown]


class HandoverAsked(Body):
    model_config = example(remark="夜间平稳；3 号摄像机待修")

    remark: Annotated[Text, Field(max_length=1000)] = ""


class HandoverSigned(Body):
    """``sha256``: of the sheet that was read."""

    model_config = example(sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", remark="已核对")

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    remark: Sentence | None = None


class HandoverShown(BaseModel):
    """``sheet`` is what both sign: open cases, promises, remark. ``incoming_*`` is the second signature."""

    id: str
    grid_code: str
    sheet: dict[str, Any]
    sha256: str
    outgoing_id: str
    outgoing_at: datetime
    incoming_id: str | None
    incoming_name: str | None
    incoming_at: datetime | None
    remark: str | None

    @classmethod
    def of(cls, handover: Handover) -> "HandoverShown":
        return cls(
            id=handover.id,
            grid_code=handover.grid_code,
            sheet=handover.sheet,
            sha256=handover.sha256,
            outgoing_id=handover.outgoing_id,
            outgoing_at=at(handover.outgoing_s),
            incoming_id=handover.incoming_id,
            incoming_name=handover.incoming_name,
            incoming_at=at_or_none(handover.incoming_s),
            remark=handover.remark,
        )


class Handovers(BaseModel):
    handovers: list[HandoverShown]
    next: str | None
