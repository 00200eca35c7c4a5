"""``python -m alerts.notifier``: notifies, apart from the dispatcher, so that a slow gateway holds up no case."""

import os
import random
import socket
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from alerts import deliveries, leases
from alerts.channels import Channels
from alerts.database import open_database, schema_fault
from alerts.egress import Egress
from alerts.notify import Notifier
from alerts.registry import Registry
from alerts.vault import Vault
from alerts.web_push import web_push
from alerts.webhooks import Webhooks
from models import logs
from models.errors import Misconfigured, RetryLater, WanggeError
from models.logs import Repeats
from models.settings import Settings, read_settings
from models.stopping import stop_on_signals

PERIOD_S, BUSY_S = 0.1, 0.01
"""Between two looks: while nothing is on its way, and while something is, whose receiver may get the next."""
PAUSE_S = 2.0
AT_ONCE = 16
HEARTBEAT_S, ALIVE_S = 3.0, 10.0
PRUNE_S = 60.0
"""Between two steps of forgetting, each short enough to hold up nobody."""

log = structlog.get_logger("notifier")


def run(notifier: Notifier, stop: threading.Event, holder: str) -> None:
    """Until stopped, then waits for what is on its way. The one place of this process that retries the database.

    ``holder`` names this process among other notifiers.
    """
    failed = Repeats(log.warning, "notifying: failed")
    on_the_way: set[Future[None]] = set()
    beat_s = pruned_s = 0.0
    with ThreadPoolExecutor(AT_ONCE, "send") as pool:
        while not stop.is_set():
            try:
                if not beat_s <= notifier.clock() < beat_s + HEARTBEAT_S:
                    beat_s = notifier.clock()
                    leases.beat(notifier.engine, "notifier", holder, beat_s, ALIVE_S)
                if not pruned_s <= notifier.clock() < pruned_s + PRUNE_S:
                    pruned_s = notifier.clock()
                    notifier.prune()
                read = notifier.read()
                over = {sending for sending in on_the_way if sending.done()}
                on_the_way -= over
                for sending in over:
                    sending.result()  # what could not be written down is tried again by itself
                free = AT_ONCE - len(on_the_way)
                due = deliveries.claim(notifier.engine, notifier.clock(), free) if free else []
                on_the_way |= {pool.submit(notifier.send, item) for item in due}
            except RetryLater as error:
                failed.failed(notifier.clock(), error)
                stop.wait(PAUSE_S)
            else:
                stop.wait(BUSY_S if read or on_the_way else PERIOD_S)


def build(settings: Settings) -> Notifier:
    """Raises Misconfigured for a database of another schema."""
    engine = open_database(settings.database_url)
    fault = schema_fault(engine)
    if fault is not None:
        raise Misconfigured(fault)
    vault, egress = Vault(settings.key_file), Egress(settings.egress_networks)
    registry = Registry(engine, vault)
    return Notifier(
        engine=engine,
        rota=registry,
        channels=Channels(engine, registry, vault, egress, time.time, web_push(settings, vault)),
        webhooks=Webhooks(engine, vault, egress, time.time),
        egress=egress,
        clock=time.time,
        luck=random.random,
        kept_s=settings.deliveries_days * 86_400.0,
    )


def main() -> int:
    """0 after SIGTERM or SIGINT; 1 with a sentence on stderr where it cannot run."""
    logs.configure("info")  # until the settings say otherwise: they too may have a fault to tell
    stop = threading.Event()
    stop_on_signals(stop)
    try:
        settings = read_settings(os.environ)
        logs.configure(settings.log_level)
        notifier = build(settings)
        holder = f"{socket.gethostname()[:30]}:{os.getpid()}"
        log.info("the notifier runs", holder=holder)
        run(notifier, stop, holder)
        notifier.engine.dispose()
    except WanggeError as error:
        log.error("the notifier cannot go on", code=error.code, said=str(error))
        return 1
    log.info("the notifier has ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
