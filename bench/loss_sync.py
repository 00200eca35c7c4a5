"""Is what was acknowledged on disk? kill -9 cannot tell, the page cache outlives it: strace can.

At each acknowledgement – the journal's line for a spool, XACK for the dispatcher, 200 for a command – the write-ahead
log must hold no byte that was written and not flushed: a power cut at that moment would lose it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ACKNOWLEDGES = {
    "source": re.compile(r"write\(\d+<[^>]*\.journal>"),
    "dispatcher": re.compile(r"(?:sendto|sendmsg|write|writev)\(\d+<.*\$4\\r\\nXACK"),
    "api": re.compile(r"(?:sendto|sendmsg|write|writev)\(\d+<.*HTTP/1\.1 200"),
}
_WRITES = re.compile(r"(?:pwrite64|pwritev|write|writev)\(\d+<([^>]*)>")
_SYNCS = re.compile(r"(?:fdatasync|fsync)\(\d+<([^>]*)>")
_RESUMED = re.compile(r"<\.\.\. (?:fdatasync|fsync) resumed>")
_LOG = re.compile(r"-wal$")


@dataclass
class Witness:
    """What a trace shows: acknowledgements that followed a write, and those that came before it was flushed."""

    role: str
    acknowledged: int = 0
    unflushed: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return self.acknowledged > 0 and not self.unflushed


def read(role: str, trace: Path) -> Witness:
    with trace.open(errors="replace") as lines:
        return judge(role, lines)


def judge(role: str, lines: Iterable[str]) -> Witness:
    """``lines`` are those of ``strace -f -y``, each with the thread's id in front."""
    witness = Witness(role)
    dirty: set[tuple[str, str]] = set()
    waiting: dict[str, str] = {}
    wrote = False
    for line in lines:
        thread, _, call = line.partition(" ")
        call = call.lstrip()
        if _RESUMED.match(call) and thread in waiting:
            dirty.discard((thread, waiting.pop(thread)))
        elif synced := _SYNCS.match(call):
            if "<unfinished" in call:
                waiting[thread] = synced[1]
            else:
                dirty.discard((thread, synced[1]))
        elif ACKNOWLEDGES[role].match(call):
            # A spool is written to by its courier as well. In the API one thread writes, another answers.
            of_this = {path for writer, path in dirty if writer == thread or role == "api"}
            if wrote:
                witness.acknowledged += 1
                witness.unflushed += [f"{Path(path).name} at: {call[:100].strip()}" for path in sorted(of_this)]
            wrote = False
        elif (written := _WRITES.match(call)) and _LOG.search(written[1]):
            dirty.add((thread, written[1]))
            wrote = True
    return witness
