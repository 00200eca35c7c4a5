"""Starts the product's processes, brings back the one that dies, and leaves none behind.

One thread does it all: the kernel ties a child to the thread that made it (see ``ops.leash``), so that thread lives as
long as the supervisor.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from models.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[1]
"""Where our packages lie."""
TICK_S = 0.05
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
STEADY_S = 30.0
"""A process that ran this long has its failures forgotten."""
TERM_S, END_S = 3.0, 4.5
"""How long a process may take over SIGTERM, and how long the whole end may take before SIGKILL."""
LOG_LIMIT_BYTES = 10 * 1024 * 1024
UNTOLD_READY_S = 0.5
"""A process without a ready check counts as ready once it has lived this long."""


class Stage(StrEnum):
    """Where a process stands."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"  # it died and is started again after a pause
    ENDED = "ended"


@dataclass(frozen=True)
class Spec:
    """A process to keep alive. ``env`` is added to the supervisor's own environment and never shown.

    ``ready`` is asked while the process starts, in the supervisor's thread: it must answer within a second.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Process:
    """How one process does. ``since_s``: Unix seconds of the last change of stage."""

    name: str
    stage: Stage
    pid: int | None
    restarts: int
    since_s: float
    last_end: str | None


def wait_s(failures: int) -> float:
    """Seconds to wait before starting again after so many failures in a row."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))


def passed_on() -> dict[str, str]:
    """The environment for child processes: ours, without our settings, which are handed on from what was read of them.

    Our own modules are found wherever the supervisor was started.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WANGGE_")}
    return environ | {"PYTHONPATH": str(ROOT)}


class _Kept:
    """One process and its log; touched by the supervisor's thread only, but for ``shown``."""

    def __init__(self, spec: Spec, log: Path) -> None:
        self.spec, self.log = spec, log
        self.shown = Process(spec.name, Stage.STARTING, None, 0, time.time(), None)
        self.popen: subprocess.Popen[bytes] | None = None
        self.started_s = self.again_s = 0.0
        self.failures = 0
        self.ever_ready = False

    def show(self, stage: Stage, last_end: str | None = None) -> None:
        self.shown = replace(
            self.shown,
            stage=stage,
            pid=self.popen.pid if self.popen else None,
            restarts=self.shown.restarts + (stage is Stage.WAITING),
            since_s=time.time(),
            last_end=last_end or self.shown.last_end,
        )

    def start(self) -> None:
        leash = str(Path(__file__).with_name("leash.py"))
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            self.popen = subprocess.Popen(  # noqa: S603 - our own programs, by list
                [sys.executable, "-I", "-S", leash, str(os.getpid()), *self.spec.argv],
                env={**passed_on(), **self.spec.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which ends them in order
            )
        self.started_s = time.monotonic()
        self.show(Stage.STARTING)

    def ended(self) -> int | None:
        """The exit status if the process is over; what is left of its group is killed before its id can be reused."""
        if self.popen is None:
            return None
        if os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self.signal(signal.SIGKILL)
        return self.popen.wait()

    def signal(self, number: int) -> None:
        if self.popen is not None and self.popen.returncode is None:
            try:
                os.killpg(self.popen.pid, number)
            except ProcessLookupError:  # between fork and setsid there is no group yet
                self.popen.send_signal(number)

    def trim(self) -> None:
        """Keeps the log bounded. Copied and cut, not renamed: the process goes on writing to the same open file."""
        with suppress(FileNotFoundError):  # someone tidied up: it comes back with the next start
            if self.log.stat().st_size <= LOG_LIMIT_BYTES:
                return
            with suppress(OSError):  # a full disk: then only the older part is lost
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def tail(self) -> str:
        """The last five lines of its log."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            text = log.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-5:])


def how_ended(status: int) -> str:
    """In words, by a process's exit status."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


class Supervisor:
    """A context manager: ``start`` processes in it; leaving it ends them all, within 5 s.

    ``logs`` is a folder: one file a process, at most 10 MB and one older copy of as much.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._batches: list[list[_Kept]] = []
        self._change = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, specs: Sequence[Spec], within_s: float = 60.0) -> None:
        """Starts these together and returns when all are ready.

        Raises Misconfigured, with the end of its log, if one gives up before it was ever ready or takes too long. A
        process that is killed meanwhile is started again like at any other time.
        """
        batch = [_Kept(spec, self._logs / f"{spec.name}.log") for spec in specs]
        deadline = time.monotonic() + within_s
        with self._change:
            self._batches.append(batch)
            while not all(kept.ever_ready for kept in batch):
                if gone := next((kept for kept in batch if kept.shown.stage is Stage.ENDED), None):
                    raise Misconfigured(f"{gone.spec.name} {gone.shown.last_end} instead of starting:\n{gone.tail()}")
                if self._stopping or not self._thread.is_alive():
                    raise Misconfigured("the supervisor has stopped")
                if time.monotonic() > deadline:
                    late = next(kept for kept in batch if not kept.ever_ready)
                    raise Misconfigured(f"{late.spec.name} was not ready within {within_s:.0f} s:\n{late.tail()}")
                self._change.wait(0.5)

    def processes(self) -> tuple[Process, ...]:
        with self._change:
            return tuple(kept.shown for batch in self._batches for kept in batch)

    def stop(self) -> None:
        """Ends all processes, the last started first. Safe to call twice."""
        with self._change:
            self._stopping = True
            self._change.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        trim_s = 0.0
        with self._change:
            try:
                while not self._stopping:
                    now_s = time.monotonic()
                    for kept in [kept for batch in self._batches for kept in batch]:
                        self._tend(kept, now_s)
                        if now_s >= trim_s and kept.popen is not None:
                            kept.trim()
                    trim_s = now_s + 1.0 if now_s >= trim_s else trim_s
                    self._change.notify_all()
                    self._change.wait(TICK_S)
            finally:
                self._end_all()
                self._change.notify_all()

    def _tend(self, kept: _Kept, now_s: float) -> None:
        if kept.shown.stage is Stage.ENDED:
            return
        if kept.popen is None:
            if now_s >= kept.again_s:
                try:
                    kept.start()
                except OSError as error:  # no memory, no process ids, no disk: all pass
                    self._bury(kept, f"could not be started: {error.strerror}", now_s)
            return
        status = kept.ended()
        if status is not None and status >= 0 and not kept.ever_ready:
            kept.popen = None
            kept.show(Stage.ENDED, how_ended(status))
        elif status is not None:
            self._bury(kept, how_ended(status), now_s)
        elif kept.shown.stage is Stage.STARTING and self._is_ready(kept, now_s):
            kept.ever_ready = True
            kept.show(Stage.RUNNING)
        elif kept.failures and now_s - kept.started_s > STEADY_S:
            kept.failures = 0

    @staticmethod
    def _is_ready(kept: _Kept, now_s: float) -> bool:
        if kept.spec.ready is None:
            return now_s - kept.started_s >= UNTOLD_READY_S
        return kept.spec.ready()

    @staticmethod
    def _bury(kept: _Kept, how: str, now_s: float) -> None:
        kept.popen = None
        kept.failures += 1
        kept.again_s = now_s + wait_s(kept.failures)
        kept.show(Stage.WAITING, how)

    def _end_all(self) -> None:
        end_s = time.monotonic() + END_S
        for batch in reversed(self._batches):
            left = [kept for kept in batch if kept.popen is not None]
            for kept in left:
                kept.signal(signal.SIGTERM)
            kill_s = min(end_s, time.monotonic() + TERM_S)
            while left := [kept for kept in left if kept.ended() is None]:
                if time.monotonic() >= kill_s:
                    for kept in left:
                        kept.signal(signal.SIGKILL)
                time.sleep(0.01)
            for kept in batch:
                kept.popen = None
                kept.show(Stage.ENDED)
