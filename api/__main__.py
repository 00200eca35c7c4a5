"""The API process: ``python -m api``. Reads its settings from the environment and ends on SIGTERM within 3 s."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FrameType

import structlog
import uvicorn
from redis import Redis
from sqlalchemy import Engine

from alerts.channels import Channels
from alerts.clock_policies import ClockPolicies
from alerts.database import open_database, schema_fault
from alerts.desk import Desk
from alerts.egress import Egress
from alerts.erasure import sweep
from alerts.evidence import EvidenceStore
from alerts.intake import Intake
from alerts.intake_answers import IntakeAnswers
from alerts.intake_sources import IntakeSources
from alerts.queue import EventStream, connect
from alerts.registry import Registry
from alerts.sealer import last_position, sealed_after
from alerts.sight import heads
from alerts.storms import storms_of
from alerts.vault import Vault
from alerts.web_push import web_push
from alerts.webhooks import Webhooks
from alerts.workbook import Exports
from api.app import create_app
from api.metrics import Metrics
from api.patience import Patient
from api.schemas import EventShown
from api.services import Services
from api.tail import LiveEvent, Tail
from api.tls import context_of, pair_of
from api.video import VideoDesk
from models.errors import Misconfigured, RetryLater, WanggeError
from models.logs import configure
from models.settings import Settings, read_settings

WAKE_BLOCK_MS = 500
STUCK_READER_MS = 20_000
"""A reader whose window stays shut for so long is cut off by the kernel (tcp(7), TCP_USER_TIMEOUT)."""
GRACE_S = 2

log = structlog.get_logger("api")


def live_reader(engine: Engine) -> Callable[[int, int], Sequence[LiveEvent]]:
    """What the live streams send: sealed events, each with its alert's grid as it is now."""

    def read(position: int, limit: int) -> Sequence[LiveEvent]:
        sealed = sealed_after(engine, position, limit)
        known = heads(engine, {item.event.alert_id for item in sealed})
        found = []
        for item in sealed:
            head = known[item.event.alert_id]
            body = {
                "position": item.position,
                **EventShown.of(item.event).model_dump(mode="json"),
                "alert": {
                    "state": head.state,
                    "kind": head.kind,
                    "severity": head.severity,
                    "camera_id": head.camera_id,
                    "grid_code": head.grid_code,
                },
            }
            found.append(LiveEvent(item.position, head.grid_path, body))
        return found

    return read


def build(settings: Settings, engine: Engine, redis: Redis | None, closing: Callable[[], bool]) -> Services:
    """The services on ``engine`` and ``redis``; opens no connection yet."""
    vault, egress = Vault(settings.key_file), Egress(settings.egress_networks)
    registry = Registry(engine, vault)
    stream = EventStream(redis) if redis else None
    wake = (lambda position: stream.wait(position, WAKE_BLOCK_MS)) if stream else None
    return Services(
        settings=settings,
        engine=engine,
        desk=Desk(engine, registry, claim_lease_s=settings.claim_lease_s, storms=storms_of(settings)),
        registry=registry,
        channels=Channels(engine, registry, vault, egress, time.time, web_push(settings, vault)),
        webhooks=Webhooks(engine, vault, egress, time.time),
        intake=Intake(engine, registry, vault, storms_of(settings)),
        answers=IntakeAnswers(engine, registry, vault),
        sources=IntakeSources(engine, time.time),
        evidence=EvidenceStore(settings.evidence),
        exports=Exports(engine, ClockPolicies(engine)),
        video=VideoDesk(settings.video_desk),
        tail=Tail(live_reader(engine), lambda: last_position(engine), wake),
        metrics=Metrics(),
        redis=redis,
        now=time.time,
        closing=closing,
    )


def _finish_erasures(engine: Engine, settings: Settings) -> None:
    """Whoever was killed between the log's word and the removal of the bytes left them."""
    try:
        swept = sweep(engine, EvidenceStore(settings.evidence))
    except RetryLater as error:
        log.warning("erased pictures could not be looked for", said=str(error))
    else:
        if swept:
            log.info("erased pictures were removed", pictures=swept)


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. Raises Misconfigured with the setting to change, as when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, because asyncio sets TCP_NODELAY only where it is: without, each answer waits for 40 ms.
    link = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_READER_MS)
    try:
        link.bind((host, port))
        link.listen(512)
    except OSError as error:
        link.close()
        raise Misconfigured(
            f"the API cannot listen on {host} port {port}: {error.strerror}; "
            "end what uses it, or set WANGGE_PORT (or WANGGE_HOST) to another"
        ) from None
    return link


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Raises Misconfigured."""
    engine = open_database(settings.database_url)
    redis = connect(settings.redis_url) if settings.redis_url else None
    try:
        fault = schema_fault(engine)
        if fault:
            raise Misconfigured(fault)
        _finish_erasures(engine, settings)
        pair = pair_of(settings)
        context = context_of(pair, time.time()) if pair else None
        settings = replace(settings, secure_cookies=settings.secure_cookies or context is not None)
        with listen(settings.host, settings.port) as link:
            server: uvicorn.Server
            app = create_app(build(settings, engine, redis, lambda: server.should_exit))
            config = uvicorn.Config(
                app,
                http=Patient,
                ssl_context_factory=(lambda *_: context) if context else None,
                log_config=None,
                access_log=False,
                ws="none",
                forwarded_allow_ips="127.0.0.1,::1",
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                limit_concurrency=2000,
                h11_max_incomplete_event_size=65_536,
            )
            server = uvicorn.Server(config)
            log.info("listening", host=settings.host, port=link.getsockname()[1], tls=pair is not None)
            server.run(sockets=[link])
    finally:
        engine.dispose()
        if redis:
            redis.close()


def _end(number: int, _frame: FrameType | None) -> None:
    # The server catches the signal, ends in order, then raises it once more for whoever started it: that is us. Another
    # one, as a service manager and our supervisor may both ask, must not kill what is ending well.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def main() -> int:
    """0 after a signal, 1 with a sentence on stderr for what is misconfigured."""
    os.umask(0o077)  # databases, spool and logs are their owner's alone
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        settings = read_settings(os.environ)
        configure(settings.log_level)
        serve(settings)
    except WanggeError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person who started it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
