"""Whether the product is alive and ready, its figures, and its OpenAPI document."""

import ipaddress
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from alerts import deliveries
from alerts.accounts import session_of
from alerts.database import schema_fault
from alerts.figures import of_installation
from alerts.leases import alive
from alerts.ledger import counts
from alerts.queue import check_redis
from api.auth import PUBLIC
from api.cameras import statuses
from api.figure_metrics import Judged
from api.services import House, Services
from models.errors import Forbidden, Unauthenticated, Unavailable, WanggeError
from models.people import Permission

router = APIRouter(tags=["system"], dependencies=[Depends(PUBLIC)])


class Alive(BaseModel):
    status: str


class Check(BaseModel):
    name: str
    ok: bool
    said: str


class Ready(BaseModel):
    ready: bool
    checks: list[Check]


@router.get("/healthz", summary="Whether this process lives")
def healthz() -> Alive:
    return Alive(status="alive")


@router.get("/readyz", summary="Whether every part that the product needs answers", responses={503: {"model": Ready}})
def readyz(house: House, response: Response) -> Ready:
    """503 while any part does not; each is named with a sentence."""
    checks = [
        _check("database", lambda: _database(house)),
        _check("redis", lambda: _redis(house)),
        _check("dispatcher", lambda: _dispatcher(house)),
        _check("notifier", lambda: _notifier(house)),
        _check("camera worker", lambda: _video(house)),
    ]
    ready = all(check.ok for check in checks)
    response.status_code = 200 if ready else 503
    return Ready(ready=ready, checks=checks)


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, said=look())
    except WanggeError as error:
        return Check(name=name, ok=False, said=str(error))


def _database(house: Services) -> str:
    fault = schema_fault(house.engine)
    if fault:
        raise Unavailable(fault)
    return "the database answers, at the schema that this version needs"


def _redis(house: Services) -> str:
    if house.redis is None:
        raise Unavailable("no Redis is set: name it in WANGGE_REDIS_URL, or start the product with `wangge up`")
    check_redis(house.redis)
    return "Redis answers and evicts nothing"


def _dispatcher(house: Services) -> str:
    if not alive(house.engine, "dispatcher", house.now()):
        raise Unavailable("no dispatcher has given a sign of life: start one with `python -m alerts`")
    return "a dispatcher is at work"


def _notifier(house: Services) -> str:
    if not alive(house.engine, "notifier", house.now()):
        raise Unavailable("no notifier has given a sign of life: start one with `python -m alerts.notifier`")
    return "a notifier is at work"


def _video(house: Services) -> str:
    status = house.video.status()
    if status.fault:
        raise Unavailable(status.fault)
    return f"the camera worker answers for {len(status.cameras)} cameras"


def figures_reader(
    request: Request,
    house: House,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> None:
    """Lets in who asks from this machine itself, or signed in with AUDIT_READ.

    What came through a proxy does not count as from this machine, whatever address it ends with.
    """
    client = request.client.host if request.client else ""
    proxied = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    if not proxied and client and ipaddress.ip_address(client).is_loopback:
        return
    if bearer is None:
        raise Unauthenticated("figures are for this machine itself, or for a bearer token with audit:read")
    if not session_of(house.engine, bearer.credentials, house.now()).actor.paths_for(Permission.AUDIT_READ):
        raise Forbidden(f"none of your roles holds {Permission.AUDIT_READ}")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    dependencies=[Depends(figures_reader)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
def metrics(house: House) -> Response:
    """For loopback addresses, or a bearer token of someone with audit:read."""
    by_state = {state.value: count for state, count in counts(house.engine).items()}
    now_s = house.now()
    judged = Judged(*of_installation(house.engine, now_s))
    streams = house.tail.readers.total()
    text = house.metrics.text(streams, by_state, statuses(house), deliveries.counts(house.engine, now_s), judged)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> JSONResponse:
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)
