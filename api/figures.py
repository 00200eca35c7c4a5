"""What a grid is judged by: the figures of ``docs/figures.md``, in all and by hour, day or month."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field

from alerts.accounts import SignedIn
from alerts.figures import NOT_KEPT, SHARES, TIMES, FigureQuery, Figures, Report, figures
from alerts.tally import ERROR, SOURCES, Bucket
from api.auth import needs
from api.schemas import Text, at
from api.services import House
from models.people import Permission

router = APIRouter(tags=["figures"])
Reader = Annotated[SignedIn, Depends(needs(Permission.ALERT_READ))]
DEFAULT_S = 30 * 86_400.0


class ShareShown(BaseModel):
    """``part`` ÷ ``whole``; where there is no whole, ``value`` is null and ``reason`` says why."""

    part: int
    whole: int
    value: float | None
    reason: str | None


class LengthShown(BaseModel):
    """Seconds of wall-clock time, each within ``error`` of its value; null, with the reason, where no case came so
    far."""

    count: int
    median_s: float | None
    p90_s: float | None
    reason: str | None


class FiguresShown(BaseModel):
    """``stages``: of the cases that had a clock of the stage, those that left it in time. ``reduction``: detections ÷
    alerts. ``alerts_per_case``: an alert that is in no case counts as one."""

    counts: dict[str, int]
    shares: dict[str, ShareShown]
    stages: dict[str, ShareShown]
    times: dict[str, LengthShown]
    reduction: float | None
    alerts_per_case: float | None

    @classmethod
    def of(cls, found: Figures) -> "FiguresShown":
        return cls(
            counts=dict(found.counts),
            shares={code: ShareShown(**vars(item)) for code, item in found.shares.items()},
            stages={code: ShareShown(**vars(item)) for code, item in found.stages.items()},
            times={code: LengthShown(**vars(item)) for code, item in found.times.items()},
            reduction=found.reduction,
            alerts_per_case=found.alerts_per_case,
        )


class BucketShown(BaseModel):
    start_at: datetime
    figures: FiguresShown


class ReportShown(BaseModel):
    """``zone``: the time zone of the root grid, whose hours and days these are. ``position``: up to which event of the
    log all is counted; ``waiting``: sealed events that are not counted yet. ``names``: of each figure, in zh and en."""

    grid_code: str
    zone: str
    bucket: Bucket
    from_at: datetime
    to_at: datetime
    position: int
    waiting: int
    error: float = Field(description="relative error of the medians and P90s")
    names: dict[str, dict[str, str]]
    total: FiguresShown
    items: list[BucketShown]

    @classmethod
    def of(cls, report: Report) -> "ReportShown":
        return cls(
            grid_code=report.grid_code,
            zone=report.zone,
            bucket=report.bucket,
            from_at=at(report.from_s),
            to_at=at(report.to_s),
            position=report.position,
            waiting=report.waiting,
            error=ERROR,
            names=NAMES,
            total=FiguresShown.of(report.total),
            items=[BucketShown(start_at=at(start_s), figures=FiguresShown.of(item)) for start_s, item in report.items],
        )


NAMES = (
    {item.code: {"zh": item.name_zh, "en": item.name_en} for item in SHARES}
    | {code: {"zh": zh, "en": en} for code, zh, en in TIMES.values()}
    | {code: {"zh": zh, "en": en} for code, (zh, en, _) in NOT_KEPT.items()}
)


@router.get("/v1/figures", summary="What a grid is judged by")
def report(
    house: House,
    who: Reader,
    grid: Annotated[Text, Query(max_length=64, description="this grid and all below it", examples=["610902"])],
    bucket: Annotated[Bucket, Query(description="how the time is divided")] = Bucket.DAY,
    from_at: Annotated[AwareDatetime | None, Query(alias="from", description="else 30 days before `to`")] = None,
    to_at: Annotated[AwareDatetime | None, Query(alias="to", description="else now")] = None,
    kind: Annotated[Text | None, Query(max_length=64, description="else all kinds")] = None,
    source: Annotated[Text | None, Query(max_length=16, description=f"of {', '.join(SOURCES)}; else all")] = None,
) -> ReportShown:
    """A case counts in the grid that has it now, in the hour, day and month of its detection; from and to are widened
    to whole buckets. What is suspended never counts as done. An exercise counts nowhere."""
    to_s = house.now() if to_at is None else to_at.timestamp()
    from_s = to_s - DEFAULT_S if from_at is None else from_at.timestamp()
    if bucket is Bucket.HOUR and from_at is None:
        from_s = to_s - 86_400
    return ReportShown.of(figures(house.engine, who.actor, FigureQuery(grid, bucket, from_s, to_s, kind, source)))
