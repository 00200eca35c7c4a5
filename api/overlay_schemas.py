"""What an alert shows beside its course: its clocks and lights, supervision, void, transfer, evaluation, call-back."""

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from api.times import at, at_or_none
from models.alert import Alert
from models.clocks import Clock, Light

Shape = TypeVar("Shape", bound=BaseModel)


class ClockShown(BaseModel):
    """``due_at`` is null while the clock is paused (the case is suspended, or has ended); ``policy`` is whose it is."""

    stage: str
    amount: float
    unit: str = Field(description="s, or working_h and working_d of the grid's calendar")
    policy: str
    started_at: datetime
    amber_at: datetime | None
    due_at: datetime | None
    paused_at: datetime | None
    light: Light

    @classmethod
    def of(cls, clock: Clock | None, now_s: float) -> "ClockShown | None":
        if clock is None:
            return None
        runs = clock.paused_s is None
        return cls(
            stage=clock.stage,
            amount=clock.span.amount,
            unit=clock.span.unit,
            policy=clock.policy,
            started_at=at(clock.started_s),
            amber_at=at(clock.amber_s) if runs else None,
            due_at=at(clock.due_s) if runs else None,
            paused_at=at_or_none(clock.paused_s),
            light=clock.light(now_s),
        )


class SupervisionShown(BaseModel):
    """督办"""

    by: str
    opinion: str
    at: datetime
    reply_due_at: datetime
    reply: str | None
    replied_by: str | None
    replied_at: datetime | None


class VoidShown(BaseModel):
    """作废: asked for by one person, or done by one alone until ``confirm_by_at``; another confirms or refuses it."""

    by: str
    reason: str
    at: datetime
    confirm_by_at: datetime | None


class EscalationShown(BaseModel):
    """1 assignee, 2 backup on the same grid, 3 lead of a grid above, 4 supervisor; 0: asked again, not yet climbed."""

    level: Annotated[int, Field(ge=0, le=4)]
    who: list[str]
    at: datetime


class EvaluationShown(BaseModel):
    """评价: what the reporter says, as it was entered; 1 bad to 5 good."""

    rating: int
    text: str | None
    by: str
    at: datetime


class CallBackShown(BaseModel):
    """回访"""

    reached: bool
    satisfied: bool | None
    text: str | None
    by: str
    at: datetime


class Overlays(BaseModel):
    """``sla_light`` is the worse of the two clocks: green to 80 %, amber to 100 %, red past it."""

    sla_light: Light | None
    stage_clock: ClockShown | None
    whole_clock: ClockShown | None
    escalation: EscalationShown | None
    suspended_s: float = Field(description="seconds of suspensions that have ended")
    unit: str | None
    co_assignees: list[str]
    supervision: SupervisionShown | None
    void_asked: VoidShown | None
    evaluation: EvaluationShown | None
    call_back: CallBackShown | None

    @classmethod
    def shown(cls, alert: Alert, now_s: float) -> "Overlays":
        return cls(
            sla_light=alert.light(now_s),
            stage_clock=ClockShown.of(alert.stage_clock, now_s),
            whole_clock=ClockShown.of(alert.whole_clock, now_s),
            escalation=_shown(EscalationShown, alert.escalation),
            suspended_s=alert.suspended_s,
            unit=alert.unit,
            co_assignees=list(alert.co_assignees),
            supervision=_shown(SupervisionShown, alert.supervision),
            void_asked=_shown(VoidShown, alert.void_asked),
            evaluation=_shown(EvaluationShown, alert.evaluation),
            call_back=_shown(CallBackShown, alert.call_back),
        )


def _shown(shape: type[Shape], value: Any) -> Shape | None:
    """A frozen value of the core in its shape here: its ``x_s`` is the moment ``x_at``, and its ``at_s`` is ``at``."""
    if value is None:
        return None
    times = [name for name in vars(value) if name.endswith("_s")]
    told = {"at" if name == "at_s" else f"{name.removesuffix('_s')}_at": name for name in times}
    fields = {
        name: at_or_none(getattr(value, told[name])) if name in told else getattr(value, name)
        for name in shape.model_fields
    }
    return shape(**fields)
