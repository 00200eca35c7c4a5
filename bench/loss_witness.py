"""Watches one process of each role by strace while it acknowledges, before anything is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from sqlalchemy import Engine, text

from alerts.database import reading
from bench.loss_clients import Phone
from bench.loss_processes import Member
from bench.loss_sync import Witness, read
from models.errors import Unavailable
from ops import leash

WITNESSED = 12
"""Acknowledgements of each kind that are to be seen."""
_SAFE = {
    "fsync": ("on",),
    "synchronous_commit": ("on", "remote_apply", "remote_write", "local"),
    "full_page_writes": ("on",),
}
_CALLS = "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,ftruncate"


class Tracer:
    """strace on a process that runs; what it writes, flushes and answers goes into ``trace``. It goes on afterwards."""

    def __init__(self, pid: int, trace: Path) -> None:
        """Raises Unavailable where there is no strace, or it may not."""
        program = shutil.which("strace")
        if program is None:
            raise Unavailable("strace is not installed")
        words = [program, "-f", "-y", "-s", "48", "-e", _CALLS, "-o", str(trace), "-p", str(pid)]
        said = trace.with_suffix(".said")
        with said.open("wb") as stderr:
            words = [sys.executable, leash.__file__, str(os.getpid()), *words]
            self._process = subprocess.Popen(words, stderr=stderr)
        until = time.monotonic() + 20
        while "attached" not in said.read_text():
            if self._process.poll() is not None or time.monotonic() > until:
                self.close()
                raise Unavailable(f"strace cannot watch: {said.read_text().strip()[:200]}")
            time.sleep(0.02)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def hasty(engine: Engine) -> list[str]:
    """Settings by which a PostgreSQL server answers before the disk has the data, or may tear a page."""
    with reading(engine) as connection:
        found = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in _SAFE}
    return [f"{name} is {value}" for name, value in found.items() if value not in _SAFE[name]]


def watch(members: Sequence[Member], phone: Phone, folder: Path) -> list[Witness]:
    """What is seen of these processes, one of each role, while the source makes a few incidents and the phone works.

    One source and one phone, so that every flush has one cause. Raises Unavailable.
    """
    source = next(member.control for member in members if member.job.role == "source")
    traces = {member.job.role: folder / f"{member.job.role}.trace" for member in members}
    with ExitStack() as held:
        for member in members:
            held.enter_context(closing(Tracer(member.pid, traces[member.job.role])))
        phone.thread.start()
        held.callback(phone.thread.join)
        held.callback(phone.stop)
        until = time.monotonic() + 30
        # A dispatcher may acknowledge two at once: what counts is what was seen, not what was made.
        while any(read(*each).acknowledged < WITNESSED for each in traces.items()) and time.monotonic() < until:
            source.allowed += 1
            time.sleep(0.1)
        source.allowed = source.made
        time.sleep(0.5)  # for what is on its way
    return [read(role, trace) for role, trace in traces.items()]
