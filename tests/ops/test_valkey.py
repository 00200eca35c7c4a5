"""The embedded Valkey, real."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
import redis

from ops import valkey
from ops.supervisor import Supervisor


def folders(tmp_path: Path) -> tuple[Path, Path]:
    data = tmp_path / 'data "of" mine'
    (data / "run").mkdir(parents=True)
    return data, data / "run"


def test_it_runs_keeps_what_it_was_given_over_a_kill_and_never_evicts(tmp_path: Path) -> None:
    data, run = folders(tmp_path)
    embedded, spec = valkey.prepare(data, run)
    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start([spec])
        with redis.Redis.from_url(embedded.url, retry=None) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            client.xadd("incidents", {"body": "kept"})
            client.execute_command("WAITAOF", 1, 0, 2000)
        (process,) = supervisor.processes()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        while supervisor.processes()[0].restarts == 0 or supervisor.processes()[0].stage != "running":
            time.sleep(0.02)
        with redis.Redis.from_url(embedded.url) as client:
            assert client.xlen("incidents") == 1
    assert not valkey.answers(embedded.url)


def test_only_who_reads_the_run_folder_gets_in(tmp_path: Path) -> None:
    data, run = folders(tmp_path)
    embedded, spec = valkey.prepare(data, run)
    assert embedded.password not in repr(embedded) + repr(spec)
    for name in ("valkey.json", "valkey.conf"):
        assert (run / name).stat().st_mode & 0o777 == 0o600
    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start([spec])
        with redis.Redis(port=embedded.port, retry=None) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    assert embedded.password not in (tmp_path / "logs" / "valkey.log").read_text()


def test_the_port_of_last_time_is_taken_again_unless_another_has_it(tmp_path: Path) -> None:
    data, run = folders(tmp_path)
    first, _ = valkey.prepare(data, run)
    assert valkey.prepare(data, run)[0] == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.port))
        other.listen()
        assert valkey.prepare(data, run)[0].port != first.port


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": "x", "password": ""}', '{"port": 1}'])
def test_a_damaged_note_is_no_note(tmp_path: Path, text: str) -> None:
    _, run = folders(tmp_path)
    (run / "valkey.json").write_text(text)
    assert valkey.remembered(run) is None


def test_no_answer_is_no_answer() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert not valkey.answers(f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
