"""The benches beside real footage, each run by its own command at a size that fits into minutes."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.accuracy_parts import Part

LONGEST_S = 900.0


@dataclass(frozen=True)
class Other:
    """``arguments`` of ``python -m bench.NAME``; ``read`` makes a part of the document that it prints."""

    name: str
    arguments: Sequence[str]
    takes_data: bool
    read: Callable[[Any], Part]


def run_other(other: Other, data: Path, say: Callable[[str], None]) -> Part:
    """Its part; a part that says why where there is none of it. What it says on the way is handed on to ``say``."""
    words = [*other.arguments, "--json", *(["--data", str(data)] if other.takes_data else [])]
    last = [""]
    with subprocess.Popen(
        [sys.executable, "-m", f"bench.{other.name}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        hearing = threading.Thread(target=_hear, args=(process, other.name, say, last))
        ending = threading.Timer(LONGEST_S, process.kill)
        hearing.start()
        ending.start()
        try:
            out = process.stdout.read() if process.stdout else ""
        finally:
            ending.cancel()
            process.kill()
            hearing.join()
    try:
        return other.read(json.loads(out))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        why = f"it ended with {process.returncode} ({type(error).__name__} {error}): {last[0]}"
        return Part(other.name, None, left_out=(f"{other.name}: {why}",))


def _hear(process: "subprocess.Popen[str]", name: str, say: Callable[[str], None], last: list[str]) -> None:
    for line in process.stderr or ():
        last[0] = line.strip() or last[0]
        say(f"{name}: {line.strip()}")


OTHERS: tuple[Other, ...] = ()
