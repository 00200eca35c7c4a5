"""The processes of the proof: started, killed at a named point or at any moment, started again."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import set_forkserver_preload
from pathlib import Path

from bench.crashing import Job, run
from bench.loss_control import Control
from models.errors import Unavailable
from ops import leash, valkey
from ops.supervisor import how_ended

ANYWHERE = "anywhere"
"""A kill at no named point: whenever it happens to come."""
HIT_S = 8.0
"""How long an armed process may take to reach its point, before another is tried."""
TAIL_BYTES = 1000


def preload() -> None:
    """What every process needs is loaded once and forked: a start takes 0.05 s instead of 3 s of a core."""
    set_forkserver_preload(["alerts.__main__", "api.__main__", "bench.crashing"])


@dataclass
class Member:
    """One of the processes; the same member however often it is started anew."""

    job: Job
    control: Control
    process: ForkServerProcess | None = None
    ended: list[str] = field(default_factory=list)
    """How those ended that were not killed by us, and the end of the log as it stood then."""

    def start(self, job: Job | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        self.control.armed = self.control.fired = ""
        process = context.Process(target=run, args=(job or self.job,), name=self.job.name)
        process.start()
        self.process = process  # only now it has a number: 0 would be our whole group

    @property
    def pid(self) -> int:
        return (self.process.pid or 0) if self.process else 0

    @property
    def status(self) -> int | None:
        """None while it runs."""
        return self.process.exitcode if self.process else 0

    def kill(self) -> None:
        if self.process and self.status is None:
            self.process.kill()
        self.wait(10)

    def end(self) -> None:
        if self.process and self.status is None:
            self.process.terminate()
        self.wait(8)

    def wait(self, within_s: float) -> None:
        if self.process:
            self.process.join(within_s)
            if self.process.exitcode is None:
                raise TimeoutError(f"{self.job.name} does not end")


class Fleet:
    """``members`` by name. Whoever ends by itself is started again, and remembered."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = {member.job.name: member for member in members}

    def of(self, role: str) -> list[Member]:
        return [member for member in self.members.values() if member.job.role == role]

    def start(self) -> None:
        """Starts those that do not run yet."""
        for member in self.members.values():
            if member.process is None:
                member.start()

    def mend(self) -> None:
        """Starts anew who ended by itself."""
        for member in self.members.values():
            if member.status is not None and not (member.job.role == "source" and member.status == 0):
                if not member.control.fired:  # else it died where it was told to, later than was waited for
                    member.ended.append(f"{how_ended(member.status)}; its log ends: {tail(Path(member.job.log))}")
                member.start()

    def kill_at(self, role: str, point: str, chosen: int, meanwhile: Callable[[], object]) -> str | None:
        """Has one process of the role die at the point, and starts it again; None if none came by in time.

        Only one dispatcher at a time seals, so every one of them is armed; the first to get there dies. ``meanwhile``
        is called until then: it keeps the others at work.
        """
        members = self.of(role)
        armed = members if role == "dispatcher" else [members[chosen % len(members)]]
        for member in armed:
            member.control.armed = point
        until = time.monotonic() + HIT_S
        try:
            while time.monotonic() < until:
                for member in armed:
                    if member.control.fired:
                        for other in armed:
                            other.control.armed = ""
                        return self._fired(armed)
                meanwhile()
                time.sleep(0.003)
        finally:
            for member in armed:
                member.control.armed = ""
        return self._fired(armed)

    def _fired(self, armed: Sequence[Member]) -> str | None:
        found = None
        for member in armed:
            if fired := member.control.fired:
                member.wait(10)
                member.start()
                found = fired
        return found

    def kill_anywhere(self, role: str, chosen: int) -> None:
        members = self.of(role)
        member = members[chosen % len(members)]
        member.kill()
        member.start()

    def stop(self) -> None:
        """Kills whoever still runs."""
        for member in self.members.values():
            with suppress(TimeoutError):
                member.kill()
            member.control.close()


class Valkey:
    """The embedded server of the product, with its configuration."""

    def __init__(self, data: Path) -> None:
        (data / "run").mkdir(parents=True, exist_ok=True)
        embedded, self._spec = valkey.prepare(data, data / "run")
        self.url = embedded.url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers. Raises Unavailable after 20 s."""
        words = [sys.executable, leash.__file__, str(os.getpid()), *self._spec.argv]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not valkey.answers(self.url):
            if time.monotonic() > until:
                raise Unavailable("the embedded Valkey does not come up")
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()


def tail(log: Path) -> str:
    """The last lines of a log, in one."""
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
        return " | ".join(line.strip() for line in lines if line.strip())
    return ""


def job(role: str, name: str, folder: Path, environ: dict[str, str]) -> Job:
    """``environ`` is completed by what Python itself needs."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH", "HOME") if key in os.environ}
    return Job(role, name, kept | environ, str(folder / f"{name}.control"), str(folder / f"{name}.log"))
