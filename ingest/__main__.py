"""The camera worker: ``python -m ingest``. Reads the settings, wires the parts, runs until SIGTERM."""

import fcntl
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import structlog

from alerts.camera_registry import Opened
from alerts.database import open_database
from alerts.evidence import EvidenceStore
from alerts.gate_reports import GateReports
from alerts.ledger import cursor_of
from alerts.queue import IncidentStream, connect
from alerts.registry import Registry
from alerts.vault import Vault
from ingest.clerk import Clerk
from ingest.courier import Courier
from ingest.desk import Desk
from ingest.fleet import Fleet
from ingest.shards import child_program, do_job
from ingest.spool import open_spool
from ingest.worker import Worker, steady_clock
from models import logs
from models.errors import Misconfigured, Unavailable, WanggeError
from models.gate import GateLog
from models.settings import Settings, read_settings
from models.stopping import stop_on_signals

log = structlog.get_logger()

REGISTRY_S = 1.0
GATES_S = 1.0
"""How soon a gate's report reaches whoever follows people through it."""


def follow_registry(
    read: Callable[[], Opened], worker: Worker, stop: threading.Event, clock: Callable[[], float]
) -> None:
    """Tells the worker of the registry's cameras whenever they change. While it cannot be read, nothing changes."""
    troubles = logs.Repeats(log.error, "the cameras cannot be read from the registry; the last ones go on")
    known: Opened | None = None
    while not stop.wait(0.0 if known is None else REGISTRY_S):
        try:
            found = read()
            if found != known:
                worker.take_cameras(found.cameras, is_whole=not found.faults).result(timeout=10)
                known = found
                for fault in found.faults:
                    log.error("a camera cannot be watched", code=fault.where, why=fault.what)
            troubles.well()
        except (WanggeError, TimeoutError) as error:
            troubles.failed(clock(), error)
            stop.wait(REGISTRY_S)


def follow_gates(
    read: Callable[[], Mapping[str, GateLog]],
    worker: Worker,
    stop: threading.Event,
    clock: Callable[[], float],
    every_s: float = GATES_S,
) -> None:
    """Tells the worker what gates report whenever there is something new; the last word holds while that cannot be
    read."""
    troubles = logs.Repeats(log.error, "what gates report cannot be read; what they said last goes on")
    known: Mapping[str, GateLog] = {}
    while not stop.wait(every_s):
        try:
            found = read()
            if found != known:
                worker.take_gates(found).result(timeout=10)
                known = dict(found)
            troubles.well()
        except (WanggeError, TimeoutError) as error:
            troubles.failed(clock(), error)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds a lock file. Raises Misconfigured when another worker runs on the same data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misconfigured(f"another camera worker runs on {path.parent.parent}: end it first") from None
        yield


def vital(work: Callable[[], None], stop: threading.Event) -> threading.Thread:
    """A thread for work without which the worker is of no use: where it breaks, all stop, to be started anew."""

    def doing() -> None:
        try:
            work()
        except Exception:
            log.exception("a part of the camera worker broke; it ends")
            stop.set()

    return threading.Thread(target=doing, daemon=True)


def run(settings: Settings, environ: dict[str, str], stop: threading.Event) -> None:
    """Until ``stop``. Raises Misconfigured for what must be mended first."""
    if settings.redis_url is None:
        raise Misconfigured("WANGGE_REDIS_URL is not set: `wangge up` sets it, or name a Redis")
    clock, children = steady_clock(), child_program(settings, environ)
    engine = open_database(settings.database_url)
    client = connect(settings.redis_url)
    spool = open_spool(settings.spool, clock, stop)
    if spool is None:
        return
    try:
        fleet = Fleet(spool, EvidenceStore(settings.evidence), random.random)
        worker = Worker(fleet, children, clock, os.cpu_count() or 1)
        clerk = Clerk(worker, partial(do_job, children.command, children.environment), children.settings)
        courier = Courier(spool, IncidentStream(client), partial(cursor_of, engine), clock())
        registry = Registry(engine, Vault(settings.key_file))
        threads = [
            vital(lambda: follow_registry(registry.all_cameras, worker, stop, clock), stop),
            vital(lambda: follow_gates(GateReports(engine).read, worker, stop, clock), stop),
            vital(lambda: courier.run(stop, clock, random.random), stop),
        ]
        handlers = {
            "status": clerk.status,
            "picture": clerk.picture,
            "sample": clerk.sample,
            "mask": clerk.mask,
            "probe": clerk.probe,
            "explain": clerk.explain,
            "models": clerk.models,
            "rehearse": clerk.rehearse,
        }
        with Desk(settings.video_desk, handlers):
            for thread in threads:
                thread.start()
            log.info("the camera worker runs", source=spool.source)
            try:
                worker.run(stop)
            finally:
                stop.set()
                for thread in threads:
                    thread.join(timeout=1.0)
    finally:
        spool.close()
        client.close()
        engine.dispose()


def main() -> int:
    """0 after SIGTERM or SIGINT; 1, with a line in the log, for what must be mended first."""
    os.umask(0o077)  # databases, spool and logs are their owner's alone
    environ = dict(os.environ)
    stop = threading.Event()
    stop_on_signals(stop)
    try:
        settings = read_settings(environ)
        logs.configure(settings.log_level)
        with alone(settings.data / "run" / "worker.lock"):
            run(settings, environ, stop)
    except (Misconfigured, Unavailable) as error:
        log.error("the camera worker cannot run", why=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
