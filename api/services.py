"""What the routes work with: made once by ``__main__`` (or a test) and handed to ``create_app``. No globals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from redis import Redis
from sqlalchemy import Engine

from alerts.channels import Channels
from alerts.desk import Desk
from alerts.evidence import EvidenceStore
from alerts.intake import Intake
from alerts.intake_answers import IntakeAnswers
from alerts.intake_sources import IntakeSources
from alerts.registry import Registry
from alerts.webhooks import Webhooks
from alerts.workbook import Exports
from api.metrics import Metrics
from api.tail import Tail
from api.video import VideoDesk
from models.settings import Settings


@dataclass(frozen=True)
class Services:
    """``now`` is the wall clock in Unix seconds; ``closing`` says that the server is about to stop."""

    settings: Settings
    engine: Engine
    desk: Desk
    registry: Registry
    channels: Channels
    webhooks: Webhooks
    intake: Intake
    answers: IntakeAnswers
    sources: IntakeSources
    evidence: EvidenceStore
    exports: Exports
    video: VideoDesk
    tail: Tail
    metrics: Metrics
    redis: Redis | None
    now: Callable[[], float]
    closing: Callable[[], bool]


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


House = Annotated[Services, Depends(_services)]
"""A route's parameter of this type is given the services."""
