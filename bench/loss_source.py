"""A source of incidents that is killed: the worker's own spool and courier, and a journal of what the spool took.

How many it has made stands in the spool's states, in the transaction of the incidents themselves, as a rule's state
does: after a kill it goes on where the spool says, and tells nothing twice.
"""

import os
import random
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from alerts.database import open_database
from alerts.ledger import cursor_of
from alerts.queue import IncidentStream, connect
from bench.loss_control import Control
from ingest.courier import Courier
from ingest.spool import Report, Spool, open_spool
from models import logs
from models.errors import Unavailable
from models.geo import GeoPoint
from models.incident import Phase, Severity, Sighting
from models.settings import read_settings

PLACE = GeoPoint(109.005, 32.705)
BURST = 8
"""At most so many incidents in one transaction, as when one frame shows several zones."""
PER_PLACE = 2
"""Incidents of one place: the first raises an alert, the rest fold into it."""


@dataclass(frozen=True)
class Task:
    """``name`` is the maker's, on every incident that it makes; ``camera`` is the registered camera's id."""

    name: str
    spool: Path
    journal: Path
    camera: str


def receipt(name: str, number: int) -> str:
    """What makes an incident one, whatever becomes of its source's name and numbering."""
    return f"{name}-{number}"


def report(task: Task, number: int, now_s: float) -> Report:
    """The maker's incident of that number, from 1."""
    place = (number - 1) // PER_PLACE
    first = (number - 1) % PER_PLACE == 0
    sighting = Sighting(
        kind="crowding",
        phase=Phase.ONSET if first else Phase.CONTINUING,
        zone_id=f"{task.name}-{place}",
        severity=Severity.ORANGE,
        confidence=0.8,
        place=PLACE,
        accuracy_m=2.0,
        onset_s=now_s - 10,
        at_s=now_s,
        measure={"persons": 24, "receipt": receipt(task.name, number)},
        reason="24 persons for 10 s, 20 is the limit",
        model="bench 1",
    )
    return Report(task.camera, sighting)


def run(task: Task, control: Control) -> int:
    """Until it is told to stop and the ledger has everything; then 0."""
    settings = read_settings(os.environ)
    logs.configure(settings.log_level)
    stop = threading.Event()
    spool = open_spool(task.spool, time.time, stop)
    if spool is None:
        return 0
    engine = open_database(settings.database_url)
    client = connect(settings.redis_url or "")
    courier = Courier(spool, IncidentStream(client), partial(cursor_of, engine), time.time())
    sending = threading.Thread(target=courier.run, args=(stop, time.time, random.random), daemon=True)
    sending.start()
    try:
        with task.journal.open("a") as journal:
            while not control.stopping:
                if not _append(task, control, spool, journal.fileno()):
                    time.sleep(0.01)
        while _waiting(spool):
            time.sleep(0.05)
    finally:
        stop.set()
        sending.join(5)
        spool.close()
        client.close()
        engine.dispose()
    return 0


def _append(task: Task, control: Control, spool: Spool, journal: int) -> bool:
    """Makes what may be made now, up to BURST; whether there was anything, and the spool took it."""
    try:
        made = int(spool.states().get(task.name, {}).get("made", 0))
        control.made = made
        count = min(BURST, control.allowed - made)
        if count <= 0:
            return False
        wanted = range(made + 1, made + count + 1)
        now_s = time.time()
        source = spool.source
        reports = [report(task, number, now_s) for number in wanted]
        numbers = spool.append(reports, {task.name: {"made": wanted[-1]}}, now_s)
    except Unavailable:  # the disk is full: nothing was taken, and nothing is written down
        time.sleep(0.2)
        return False
    lines = "".join(f"{source} {seq} {receipt(task.name, n)}\n" for seq, n in zip(numbers, wanted, strict=True))
    os.write(journal, lines.encode())
    os.fsync(journal)
    control.made = wanted[-1]
    return True


def _waiting(spool: Spool) -> bool:
    try:
        return spool.waiting() > 0
    except Unavailable:
        return True
