"""``python -m alerts``: the dispatcher as a process. Settings come from the environment; SIGTERM ends it cleanly."""

import os
import socket
import sys
import threading
import time
from contextlib import suppress

import structlog

from alerts.anchor import Anchor
from alerts.database import open_database, schema_fault
from alerts.desk import Desk
from alerts.dispatcher import Dispatcher
from alerts.queue import Consumer, EventStream, check_redis, connect
from alerts.registry import Registry
from alerts.storms import storms_of
from alerts.vault import Vault
from models import logs
from models.errors import Misconfigured, RetryLater, WanggeError
from models.settings import Settings, read_settings
from models.stopping import stop_on_signals


def main() -> int:
    """0 after SIGTERM or SIGINT; 1 with a sentence on stderr where it cannot run."""
    os.umask(0o077)  # databases, spool and logs are their owner's alone
    logs.configure("info")  # until the settings say otherwise: they too may have a fault to tell
    try:
        settings = read_settings(os.environ)
        logs.configure(settings.log_level)
        _run(settings)
    except WanggeError as error:
        structlog.get_logger("dispatcher").error("the dispatcher cannot go on", code=error.code, said=str(error))
        return 1
    return 0


def _run(settings: Settings) -> None:
    if settings.redis_url is None:
        raise Misconfigured("WANGGE_REDIS_URL: name a Redis, or start everything by `wangge up`, which brings one")
    engine = open_database(settings.database_url)
    fault = schema_fault(engine)
    if fault is not None:
        raise Misconfigured(fault)
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)  # for the anchor
    except OSError as error:
        raise Misconfigured(f"WANGGE_DATA: {settings.data} cannot be made ({error.strerror})") from None
    client = connect(settings.redis_url)
    holder = f"{socket.gethostname()[:30]}:{os.getpid()}"
    anchor = Anchor(engine, settings.anchors)
    dispatcher = Dispatcher(
        engine=engine,
        desk=Desk(
            engine,
            Registry(engine, Vault(settings.key_file)),
            claim_lease_s=settings.claim_lease_s,
            storms=storms_of(settings),
        ),
        consumer=Consumer(client, holder),
        stream=EventStream(client),
        check=lambda: check_redis(client),
        holder=holder,
        clock=time.time,
        anchor=anchor,
    )
    stop = threading.Event()
    stop_on_signals(stop)
    dispatcher.log.info("the dispatcher runs", holder=holder)
    try:
        dispatcher.run(stop)
        with suppress(RetryLater):  # what is sealed while nobody runs cannot be noted; what was, is
            anchor.note(time.time(), due=True)
    finally:
        client.close()
        engine.dispose()
    dispatcher.log.info("the dispatcher has ended", holder=holder)


if __name__ == "__main__":
    sys.exit(main())
