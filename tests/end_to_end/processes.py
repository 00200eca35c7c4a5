"""Who descends from whom, read from /proc: to kill one process by its id, and to see that none is left over."""

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """A process. ``born`` (clock ticks since boot) tells it from a later one with the same id."""

    pid: int
    born: int
    parent: int
    words: str


def _all() -> list[Seen]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if fields[0] != "Z":
            found.append(Seen(int(folder.name), int(fields[19]), int(fields[1]), words))
    return found


def family(pid: int) -> list[Seen]:
    """That process and all that descend from it."""
    everyone = _all()
    found = [seen for seen in everyone if seen.pid == pid]
    for ancestor in found:
        found.extend(seen for seen in everyone if seen.parent == ancestor.pid)
    return found


def left_of(family_: list[Seen], within_s: float) -> list[Seen]:
    """Those of them that are still there after that long; returns as soon as there is none."""
    until = time.monotonic() + within_s
    known = {(seen.pid, seen.born) for seen in family_}
    while (left := [seen for seen in _all() if (seen.pid, seen.born) in known]) and time.monotonic() < until:
        time.sleep(0.05)
    return left
