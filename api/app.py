"""The application: routes, errors, and what surrounds every request. Everything it works with is handed in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI

from api import (
    alerts,
    audit,
    cameras,
    cases,
    channels,
    deliveries,
    duties,
    errors,
    evidence,
    figures,
    grids,
    handovers,
    hindsight,
    intake,
    intake_sources,
    live,
    models,
    organisations,
    people,
    policies,
    practice,
    push,
    queue,
    reports,
    sessions,
    silences,
    system,
    trust,
    verdicts,
    webhooks,
    zone_templates,
)
from api.coordinates import Coordinates, declare
from api.edge import Edge
from api.page import pages
from api.schemas import Problem
from api.services import Services

_DESCRIPTION = """Wangge (网格): from an incident that a camera sees to a case that a grid worker closed.

Places are WGS-84 longitude, latitude (GeoJSON), or what `coordinates` asks for. Times are RFC 3339. Lists are paged by
`next`. Errors are problem documents (RFC 9457) with a stable `code`, titled in the language of Accept-Language.
Commands take an Idempotency-Key and the version that they were decided on.
"""


class Application(FastAPI):
    """FastAPI, whose document says of errors what they are: it gives a model the type of the route's answer."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            declare(document)
            problem = {"$ref": "#/components/schemas/Problem"}
            for item in document["paths"].values():
                for operation in item.values():
                    operation["responses"]["default"]["content"] = {"application/problem+json": {"schema": problem}}
        return super().openapi()


def create_app(services: Services) -> FastAPI:
    """The ASGI application around ``services``."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(services.tail.run())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    app = Application(
        title="Wangge",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        # The framework's documentation pages load scripts from another host: they are left out.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": Problem, "description": "a problem document"}},
    )
    app.state.services = services
    errors.install(app)
    for router in (
        sessions.router,
        alerts.router,
        audit.router,
        evidence.router,
        queue.router,
        cases.router,
        silences.router,
        grids.router,
        cameras.router,
        zone_templates.router,
        hindsight.router,
        people.router,
        organisations.router,
        duties.router,
        handovers.router,
        intake.router,
        intake_sources.router,
        policies.router,
        figures.router,
        reports.router,
        practice.router,
        channels.router,
        push.router,
        verdicts.router,
        webhooks.router,
        deliveries.router,
        live.router,
        models.router,
        system.router,
        trust.router,
        pages(),
    ):
        app.include_router(router)
    caps = {
        "/v1/grids/import": grids.IMPORT_MAX_BYTES,
        "/v1/shifts/import": duties.IMPORT_MAX_BYTES,
        "/v1/intake": intake.BATCH_MAX_BYTES,
        "/v1/intake/photo": intake.photos_max_bytes(services.settings.photo_max_bytes),
        "/evidence": services.settings.photo_max_bytes + evidence.MULTIPART_OVERHEAD_BYTES,
    }
    # Never for an authority of our own: whoever has not installed it yet could not get past the browser's warning.
    hsts = services.settings.tls_cert is not None
    app.add_middleware(Coordinates)
    app.add_middleware(Edge, caps=caps, observed=services.metrics.observed, hsts=hsts)
    return app


def _version() -> str:
    try:
        return version("wangge")
    except PackageNotFoundError:
        return "0"  # run from a checkout
