"""The supervisor, on real processes: small shell and Python programs that live, die and refuse to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import Misconfigured
from ops.supervisor import LOG_LIMIT_BYTES, Process, Spec, Stage, Supervisor, wait_s

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = Spec("sleeper", ("sleep", "600"))


def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come to pass"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def the(supervisor: Supervisor, name: str) -> Process:
    return next(process for process in supervisor.processes() if process.name == name)


def pid_of(supervisor: Supervisor, name: str) -> int:
    pid = the(supervisor, name).pid
    assert pid is not None
    return pid


def test_waits_longer_after_each_failure_but_never_long() -> None:
    assert [wait_s(failures) for failures in (1, 2, 3, 4, 5, 6, 1000)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_killed_process_comes_back(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([SLEEPER])
        first = pid_of(supervisor, "sleeper")
        os.kill(first, signal.SIGKILL)
        until(lambda: the(supervisor, "sleeper").restarts == 1 and the(supervisor, "sleeper").stage is Stage.RUNNING)
        assert pid_of(supervisor, "sleeper") != first
        assert the(supervisor, "sleeper").last_end == "killed by SIGKILL"
    assert the(supervisor, "sleeper").stage is Stage.ENDED


def test_what_a_dead_process_left_behind_is_ended_too(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([Spec("parent", ("sh", "-c", f"sleep 600 & echo $! > {note}; wait"))])
        grandchild = int(note.read_text())
        assert is_alive(grandchild)
        os.kill(pid_of(supervisor, "parent"), signal.SIGKILL)
        until(lambda: not is_alive(grandchild))


def test_a_process_that_ignores_sigterm_is_ended_within_five_seconds(tmp_path: Path) -> None:
    stubborn = Spec("stubborn", ("sh", "-c", "trap '' TERM; while :; do sleep 600; done"))
    supervisor = Supervisor(tmp_path)
    with supervisor:
        supervisor.start([stubborn, SLEEPER])
        pids = [pid_of(supervisor, "stubborn"), pid_of(supervisor, "sleeper")]
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5
    assert not any(is_alive(pid) for pid in pids)


def test_the_last_started_is_the_first_to_end(tmp_path: Path) -> None:
    def tells(name: str) -> Spec:
        return Spec(
            name, ("sh", "-c", f"trap 'date +%s%N > {tmp_path}/{name}; exit' TERM; while :; do sleep 0.01; done")
        )

    with Supervisor(tmp_path) as supervisor:
        supervisor.start([tells("store")])
        supervisor.start([tells("user")])
    assert int((tmp_path / "user").read_text()) < int((tmp_path / "store").read_text())


def test_a_process_that_cannot_start_is_said_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        with pytest.raises(Misconfigured, match=r"(?s)broken ended with status 3.*no such camera"):
            supervisor.start([Spec("broken", ("sh", "-c", "echo no such camera; exit 3"))])
        with pytest.raises(Misconfigured, match=r"(?s)absent.*No such file"):
            supervisor.start([Spec("absent", ("/nowhere/program",))])


def test_a_process_that_is_never_ready_is_named(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor, pytest.raises(Misconfigured, match="mute was not ready"):
        supervisor.start([Spec("mute", ("sleep", "600"), ready=lambda: False)], within_s=0.3)


def test_one_killed_while_it_starts_is_started_again(tmp_path: Path) -> None:
    note = tmp_path / "second"
    program = f"if [ -e {note} ]; then touch {note}.ready; sleep 600; else touch {note}; kill -9 $$; fi"
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([Spec("shaky", ("sh", "-c", program), ready=lambda: note.with_suffix(".ready").exists())])
        assert the(supervisor, "shaky").restarts == 1


def test_logs_stay_bounded_and_keep_the_newest(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        program = f"head -c {LOG_LIMIT_BYTES + 1} /dev/zero | tr '\\0' x; sleep 1.5; echo later; sleep 600"
        supervisor.start([Spec("chatty", ("sh", "-c", program))])
        log = tmp_path / "chatty.log"
        until(lambda: (tmp_path / "chatty.log.1").exists() and log.read_text() == "later\n")
        assert (tmp_path / "chatty.log.1").stat().st_size == LOG_LIMIT_BYTES + 1
        assert log.stat().st_mode & 0o777 == 0o600


def test_settings_reach_a_process_by_its_environment_and_only_those_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANGGE_REDIS_URL", "redis://:left-over@elsewhere")
    spec = Spec("env", ("sh", "-c", "env; sleep 600"), {"WANGGE_DATABASE_URL": "postgresql+psycopg://u:secret@h/d"})
    assert "secret" not in repr(spec)
    with Supervisor(tmp_path) as supervisor:
        supervisor.start([spec])
        said = (tmp_path / "env.log").read_text()
        assert "u:secret@h" in said
        assert "left-over" not in said
        assert b"secret" not in Path(f"/proc/{pid_of(supervisor, 'env')}/cmdline").read_bytes()


def test_no_orphan_remains_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from ops.supervisor import *\n"
        f"s = Supervisor(Path({str(tmp_path)!r})); s.__enter__()\n"
        "stubborn = Spec('b', ('sh', '-c', 'trap \"\" TERM; while :; do sleep 600; done'))\n"
        "s.start([Spec('a', ('sleep', '600')), stubborn])\n"
        "print(*[p.pid for p in s.processes()], flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        parent.kill()
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_a_leash_whose_holder_has_gone_starts_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    leash = ROOT / "ops" / "leash.py"
    line = [sys.executable, "-I", "-S", leash, "1", "touch", mark]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "supervisor is gone" in done.stderr
    assert not mark.exists()
