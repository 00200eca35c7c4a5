"""Runs one of the product's processes so that it dies where it is told to: what `bench.loss` starts.

The process is the product's own; added are the hook behind ``models.crash`` and, where asked for, a sabotage.
"""

import ctypes
import faulthandler
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import loss_sabotage, loss_source
from bench.loss_control import Control
from models import crash
from ops.leash import PR_SET_PDEATHSIG

_PR_SET_PTRACER = 0x59616D61

POINTS: Mapping[str, tuple[str, ...]] = {
    "source": ("before-spool-commit", "after-spool-commit", "after-xadd", "before-spool-free"),
    "dispatcher": (
        "before-ledger-commit",
        "after-ledger-commit-before-ack",
        "before-seal-commit",
        "after-seal-before-publish",
        "after-publish-before-mark",
        "before-figures-commit",
    ),
    "api": ("before-command-commit", "api-after-commit-before-reply"),
}
"""Where a process of each role may be told to die."""

ELSEWHERE = ("after-anchor-before-ledger", "after-erasure-before-sweep")
"""Points that a run passes too seldom, or never: the tests of anchor and erasure stop there."""


@dataclass(frozen=True)
class Job:
    """``environ`` is all of the process's environment. The last three are a source's."""

    role: str
    name: str
    environ: dict[str, str]
    control: str
    log: str
    sabotage: tuple[str, ...] = ()
    spool: str = ""
    journal: str = ""
    camera: str = ""


def run(job: Job) -> None:
    """Never returns: ends the process with the role's exit status, or dies at the armed point."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # the proof was broken off: no orphan goes on
    libc.prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1))  # strace may watch, though it is no ancestor
    os.environ.clear()
    os.environ.update(job.environ)
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()  # a SIGBUS or SIGSEGV leaves a word in the log
    control = Control(Path(job.control))
    crash.install(_dying(control))
    for name in job.sabotage:
        loss_sabotage.SABOTAGES[name]()
    raise SystemExit(_role(job, control)())


def _role(job: Job, control: Control) -> Callable[[], int]:
    if job.role == "source":
        task = loss_source.Task(job.name, Path(job.spool), Path(job.journal), job.camera)
        return lambda: loss_source.run(task, control)
    if job.role == "api":
        from api.__main__ import main as serve

        return serve
    from alerts.__main__ import main as dispatch

    return dispatch


def _dying(control: Control) -> Callable[[str], None]:
    def reached(name: str) -> None:
        if control.armed == name:
            control.fired = name
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # the signal may be taken by another thread first

    return reached
