"""The anchor: where the sealed log stood, noted outside the database. A log cut off or rewritten whole is found by it.

A file that is only ever appended to. Each line holds a position and its hash, and the hash of the line before; it is on
disk before the database learns of it. The database in turn keeps how many lines each such file has, and the hash of its
last one: neither can be cut short without the other telling. Whoever can write to both, as root of one machine can, is
found by a second file on another (``WANGGE_ANCHOR_DIR``).
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, insert, select, update

from alerts.database import reading, writing
from alerts.files import fsync_folder
from alerts.sealer import GENESIS, canonical
from models import crash
from models.errors import Unavailable
from models.tables import anchors, seals

EVERY_S, EVERY_POSITIONS = 60.0, 5000
"""A line is due after so long, or so many positions, whichever comes first. What was sealed since the last one can be
cut off unseen. At 300 bytes a line, a city that never sleeps fills 160 MB a year."""

_TAIL_BYTES = 8192
"""More than the last lines and what was left of a write that a crash cut short."""
_LONGEST_LINE_BYTES = 2048


@dataclass(frozen=True)
class Mark:
    """One line. ``restored`` is said where the ledger was brought back from a backup, then and to this position:
    ``made_s`` of the backup (Unix seconds) and ``archive``, its SHA-256.

    ``previous`` of a file's first line is a random number, by which the file is known.
    """

    number: int
    position: int
    hash: str
    at_s: float
    previous: str
    restored: Mapping[str, Any] | None = None

    def line(self) -> bytes:
        return canonical(vars(self))


class Anchor:
    """Notes where the log stands in each of ``files``. Several processes may, in one file."""

    def __init__(self, engine: Engine, files: Sequence[Path]) -> None:
        self._engine, self._files = engine, tuple(files)
        self._last: dict[Path, tuple[int, float]] = {}

    def note(self, now_s: float, *, due: bool = False) -> int:
        """A line in each file where one is due; how many. ``due``: wherever anything was sealed since the last.

        Raises Unavailable when a file cannot be written: after the others were.
        """
        with reading(self._engine) as connection:
            head = _head(connection)
        written, failed = 0, None
        for path in self._files:
            if not _is_due(self._last.get(path), head[0], now_s, due):
                continue
            try:
                written += self._note(path, head, now_s, due)
            except OSError as error:
                said = f"the anchor {path} cannot be written ({error.strerror or error})"
                failed = Unavailable(f"{said}: mend it, or WANGGE_ANCHOR_DIR", 10)
        if failed is not None:
            raise failed
        return written

    def restored(self, now_s: float, made_s: float, archive_sha256: str) -> None:
        """Notes in each file that the ledger was brought back to what it is now. Raises Unavailable, OSError."""
        with reading(self._engine) as connection:
            position, digest = _head(connection)
        for path in self._files:
            with _locked(path) as file:
                identity, last = _ends(file)
                about = {"made_s": made_s, "archive": archive_sha256}
                self._append(path, file, identity, last, Mark(0, position, digest, now_s, "", about))

    def _note(self, path: Path, head: tuple[int, str], now_s: float, due: bool) -> int:
        with _locked(path) as file:
            identity, last = _ends(file)
            if last is not None:
                self._last[path] = (last.position, last.at_s)  # another process may have been first
                if not _is_due(self._last[path], head[0], now_s, due):
                    return 0
            self._append(path, file, identity, last, Mark(0, *head, now_s, ""))
        self._last[path] = (head[0], now_s)
        return 1

    def _append(self, path: Path, file: IO[bytes], identity: str | None, last: Mark | None, new: Mark) -> None:
        previous = sha256_of(last.line()) if last else secrets.token_hex(32)
        mark = Mark((last.number if last else 0) + 1, new.position, new.hash, new.at_s, previous, new.restored)
        # What a crash left of a line must never become one.
        file.write((b"" if _ends_whole(file) else b"~\n") + mark.line() + b"\n")
        file.flush()
        os.fsync(file.fileno())
        crash.point("after-anchor-before-ledger")
        place = f"{socket.gethostname()}:{path}"
        _tell_ledger(self._engine, identity or previous, place, mark)


def _is_due(last: tuple[int, float] | None, position: int, now_s: float, due: bool) -> bool:
    """``last``: position and time of the last line; None where that is not known."""
    if position == 0 or last is None:
        return position > 0
    behind = position - last[0]
    return behind > 0 and (due or behind >= EVERY_POSITIONS or now_s - last[1] >= EVERY_S)


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(select(seals.c.position, seals.c.hash).order_by(seals.c.position.desc()).limit(1)).first()
    return (row.position, row.hash) if row else (0, GENESIS)


def _tell_ledger(engine: Engine, identity: str, place: str, mark: Mark) -> None:
    values = {
        "place": place,
        "lines": mark.number,
        "position": mark.position,
        "sha256": sha256_of(mark.line()),
        "at_s": mark.at_s,
    }
    with writing(engine, beside=True) as connection:  # alone among the file's writers, who hold its lock
        known = connection.execute(select(anchors.c.lines).where(anchors.c.id == identity)).scalar_one_or_none()
        if known is None:
            connection.execute(insert(anchors).values(id=identity, **values))
        elif known < mark.number:
            connection.execute(update(anchors).where(anchors.c.id == identity).values(values))


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """The file, made if it is not there, for one writer at a time. Its folder is not made: it may be a mount."""
    is_new = not path.exists()
    # Only appended to, by the kernel's word: it may be set so for good (chattr +a).
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+b") as file:
        if is_new:
            fsync_folder(path.parent)
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        yield file


def sha256_of(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _ends(file: IO[bytes]) -> tuple[str | None, Mark | None]:
    """By what the file is known, and its last line; nothing of an empty one. Raises OSError for one that is none."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return None, None
    file.seek(0)
    first = next(marks_in(file), None)
    file.seek(max(0, size - _TAIL_BYTES))
    last = None
    for last in marks_in(file):  # noqa: B007 - the last one is wanted
        pass
    if first is None or last is None:
        raise OSError(0, "it is no anchor, or is damaged: see `wangge doctor audit`")
    return first.previous, last


def _ends_whole(file: IO[bytes]) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def marks_in(file: IO[bytes]) -> Iterator[Mark]:
    """The lines from where the file stands. What is no line, as the rest of a write that a crash cut short, is passed
    over: if it was one, the line after it, or the database, misses it."""
    while text := file.readline(_LONGEST_LINE_BYTES):
        mark = _mark(text)
        if mark is not None:
            yield mark


def _mark(text: bytes) -> Mark | None:
    try:
        mark = Mark(**json.loads(text))
        fits = (
            text == mark.line() + b"\n"
            and type(mark.number) is type(mark.position) is int
            and 0 <= mark.position < 2**63
            and all(re.fullmatch("[0-9a-f]{64}", digest) for digest in (mark.hash, mark.previous))
            and all(0 <= at_s < 1e11 for at_s in (mark.at_s, mark.restored["made_s"] if mark.restored else 0))
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return mark if fits else None
