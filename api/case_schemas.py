"""What goes in and out about items, cases and silences."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from alerts.cases import Case, Given
from alerts.silences import Silence
from api.registry_schemas import GridCode, example
from api.schemas import AlertFeature, Body, Text, at, at_or_none
from models.alert import State

Reference = Annotated[Text, Field(min_length=1, max_length=40)]


class CaseShown(BaseModel):
    """Alerts of one cause or place. ``states``: how many of its members that you may see stand in each state."""

    id: str
    cause: Literal["storm", "upstream", "place"]
    kind: str
    reason: str
    opened_at: datetime
    alerts: int
    states: dict[State, int]

    @classmethod
    def of(cls, case: Case) -> "CaseShown":
        return cls.model_validate(
            {
                "id": case.id,
                "cause": case.cause,
                "kind": case.kind,
                "reason": case.reason,
                "opened_at": at(case.opened_s),
                "alerts": sum(case.states.values()),
                "states": case.states,
            }
        )


class Cases(BaseModel):
    cases: list[CaseShown]
    next: str | None


class ItemShown(BaseModel):
    """``alert``: the most urgent of the ``waiting`` alerts of it that wait for an operator."""

    alert: AlertFeature
    waiting: int
    case: CaseShown | None


class Items(BaseModel):
    items: list[ItemShown]
    next: str | None


class CaseCommandAsked(Body):
    """Given to each member that it can be given to now; ``reason`` as for one alert."""

    model_config = example(type="acknowledge")

    type: Literal["acknowledge", "dismiss"]
    reason: Annotated[Text, Field(max_length=2000)] | None = None


class CaseCommandGiven(BaseModel):
    """``done``: alerts that it was carried out on. ``refused``: those that someone else moved on meanwhile, and why."""

    done: list[str]
    refused: dict[str, str]
    case: CaseShown

    @classmethod
    def of(cls, given: Given, case: Case) -> "CaseCommandGiven":
        return cls(done=list(given.done), refused=dict(given.refused), case=CaseShown.of(case))


class SilenceGiven(Body):
    """``what``: a silence, or a maintenance window. It holds back what matches all that is named, and is in that grid
    or below it; red never. ``replaces``: one that is lifted for it."""

    model_config = example(
        what="maintenance",
        grid_code="610902001001",
        kind="camera_offline",
        reason="更换交换机",
        ends_at="2026-11-23T06:00:00+08:00",
    )

    what: Literal["silence", "maintenance"] = "silence"
    grid_code: GridCode
    kind: Annotated[Text, Field(min_length=1, max_length=64)] | None = None
    camera_id: Reference | None = None
    zone_id: Reference | None = None
    reason: Annotated[Text, Field(min_length=1, max_length=500)]
    starts_at: AwareDatetime | None = Field(None, description="default: now")
    ends_at: AwareDatetime = Field(description="within 30 days")
    replaces: Reference | None = None


class SilenceShown(BaseModel):
    """``held``: incidents that it has held back; each has it as the reason of its disposition."""

    id: str
    what: str
    grid_code: str
    kind: str | None
    camera_id: str | None
    zone_id: str | None
    reason: str
    starts_at: datetime
    ends_at: datetime
    in_force: bool
    held: int
    made_by: str
    made_by_name: str
    made_at: datetime
    replaces: str | None
    lifted_by: str | None
    lifted_by_name: str | None
    lifted_at: datetime | None

    @classmethod
    def of(cls, silence: Silence, now_s: float) -> "SilenceShown":
        return cls(
            id=silence.id,
            what=silence.what,
            grid_code=silence.grid_code,
            kind=silence.kind,
            camera_id=silence.camera_id,
            zone_id=silence.zone_id,
            reason=silence.reason,
            starts_at=at(silence.starts_s),
            ends_at=at(silence.ends_s),
            in_force=silence.in_force(now_s),
            held=silence.held,
            made_by=silence.made_by,
            made_by_name=silence.made_by_name,
            made_at=at(silence.made_s),
            replaces=silence.replaces,
            lifted_by=silence.lifted_by,
            lifted_by_name=silence.lifted_by_name,
            lifted_at=at_or_none(silence.lifted_s),
        )


class Silences(BaseModel):
    silences: list[SilenceShown]
    next: str | None
