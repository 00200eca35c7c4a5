"""The spool: incidents that this worker has taken responsibility for and the ledger has not confirmed yet.

One SQLite file. An incident and the rule state that goes with it are one transaction, on disk when ``append``
returns: a crash can neither lose the one nor tell it twice. Freed only by the ledger's cursor.
"""

import errno
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ingest.pipes import read_json
from models import crash
from models.errors import InvalidInput, Misconfigured, Unavailable
from models.incident import Evidence, Incident, Sighting
from models.incident_json import incident_from_json, incident_to_json
from models.logs import Repeats
from models.ulid import new_ulid

log = structlog.get_logger()

OPEN_AGAIN_S = 1.0
"""How soon to try again to open a spool that disk or lock refuse."""
SCHEMA = 2
MAX_STATE_BYTES = 256 * 1024
_TABLES = """
CREATE TABLE source (id TEXT NOT NULL);
CREATE TABLE outgoing (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE states (camera_id TEXT PRIMARY KEY, body TEXT NOT NULL, at_s REAL NOT NULL) WITHOUT ROWID;
"""
_SCENES = "CREATE TABLE scenes (camera_id TEXT PRIMARY KEY, body BLOB NOT NULL, at_s REAL NOT NULL)"
"""What was learned of how cameras' scenes look: since schema 2."""
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,  # so a full disk is told as well: the index beside the log cannot grow
    }
)
"""What says nothing of the file itself (https://www.sqlite.org/rescode.html)."""


@dataclass(frozen=True)
class Report:
    """An incident before it has its number."""

    camera_id: str
    sighting: Sighting
    evidence: tuple[Evidence, ...] = ()

    def numbered(self, source: str, seq: int) -> Incident:
        return Incident(**vars(self.sighting), source=source, seq=seq, camera_id=self.camera_id, evidence=self.evidence)


class Spool:
    """May be used by several threads; they take turns. Every method raises Unavailable when the disk refuses."""

    def __init__(self, path: Path, now_s: float) -> None:
        """Opens or makes the file. ``now_s`` (Unix seconds) goes into the name of a new source.

        Raises Misconfigured when the file is there and is no spool that this version can read, Unavailable when disk or
        lock refuse now.
        """
        self._lock = threading.Lock()
        self.added = threading.Event()
        """Set when incidents came in; whoever sends them clears it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            refusal = Unavailable if may_pass(error) else Misconfigured
            raise refusal(f"the spool {path} cannot be opened: {error}") from None
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                self._db.execute(f"PRAGMA {pragma}")
            self._prepare(path, now_s)
        except sqlite3.DatabaseError as error:
            self._db.close()
            if may_pass(error):
                raise Unavailable(f"the spool {path} cannot be opened now: {error}; is the disk full?") from None
            raise Misconfigured(
                f"the spool {path} cannot be read ({error}): restore it or move it away; "
                "incidents in it that never reached the ledger are lost with it"
            ) from None
        except Misconfigured:
            self._db.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @property
    def source(self) -> str:
        """The name under which the ledger counts this spool's incidents."""
        with self._turn():
            return self._source()

    def states(self) -> dict[str, dict[str, Any]]:
        """What was last saved for each camera."""
        with self._turn():
            rows = self._db.execute("SELECT camera_id, body FROM states").fetchall()
        return {camera_id: read_json(body.encode()) for camera_id, body in rows}

    def append(self, reports: Sequence[Report], states: Mapping[str, Mapping[str, Any]], now_s: float) -> list[int]:
        """Stores incidents and cameras' states as one; gives the incidents' numbers.

        Raises InvalidInput for a state larger than 256 KiB.
        """
        rows = [(camera_id, _state(state), now_s) for camera_id, state in states.items()]
        numbers = []
        with self._writing() as db:
            for report in reports:
                body = json.dumps(incident_to_json(report.numbered("-", 1)), ensure_ascii=False, allow_nan=False)
                numbers.append(int(db.execute("INSERT INTO outgoing (body) VALUES (?)", (body,)).lastrowid or 0))
            db.executemany("INSERT OR REPLACE INTO states (camera_id, body, at_s) VALUES (?, ?, ?)", rows)
            crash.point("before-spool-commit")
        crash.point("after-spool-commit")
        if numbers:
            self.added.set()
        return numbers

    def forget(self, camera_ids: Sequence[str]) -> None:
        """Drops the states of cameras that are watched no more."""
        with self._writing() as db:
            db.executemany("DELETE FROM states WHERE camera_id = ?", [(camera_id,) for camera_id in camera_ids])

    def drop_scenes(self, kept_ids: Collection[str]) -> None:
        """Those of all other cameras."""
        with self._writing() as db:
            known = [row[0] for row in db.execute("SELECT camera_id FROM scenes").fetchall()]
            gone = [(camera_id,) for camera_id in known if camera_id not in kept_ids]
            db.executemany("DELETE FROM scenes WHERE camera_id = ?", gone)

    def scene(self, camera_id: str) -> bytes | None:
        """What was last kept of a camera's scene."""
        with self._turn():
            row = self._db.execute("SELECT body FROM scenes WHERE camera_id = ?", (camera_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep_scene(self, camera_id: str, data: bytes, now_s: float) -> None:
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO scenes VALUES (?, ?, ?)", (camera_id, data, now_s))

    def unsent(self, after: int, limit: int) -> list[Incident]:
        """Up to ``limit`` incidents with numbers above ``after``, in order."""
        with self._turn():
            source = self._source()
            rows = self._db.execute(
                "SELECT seq, body FROM outgoing WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
        return [incident_from_json(read_json(body.encode()) | {"source": source, "seq": seq}) for seq, body in rows]

    def waiting(self) -> int:
        """How many incidents the ledger has not confirmed."""
        with self._turn():
            return int(self._db.execute("SELECT count(*) FROM outgoing").fetchone()[0])

    def settle(self, cursor: int, now_s: float) -> str:
        """Frees what the ledger has, up to and with ``cursor``; gives the source's name after that.

        Where cursor and numbers cannot belong together, spool or ledger was restored from a backup: the one would
        then take new incidents for known ones, or wait for ever for a number that never comes. The source takes a
        new name then, and what is not confirmed is numbered from 1 again.
        """
        with self._writing() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outgoing'").fetchone()
            last = int(row[0]) if row else 0
            oldest = db.execute("SELECT min(seq) FROM outgoing").fetchone()[0]
            freed = last if oldest is None else int(oldest) - 1
            db.execute("DELETE FROM outgoing WHERE seq <= ?", (cursor,))
            if cursor < freed or cursor > last:
                bodies = db.execute("SELECT body FROM outgoing ORDER BY seq").fetchall()
                db.execute("DELETE FROM outgoing")
                db.execute("DELETE FROM sqlite_sequence WHERE name = 'outgoing'")
                db.executemany("INSERT INTO outgoing (body) VALUES (?)", bodies)
                db.execute("UPDATE source SET id = ?", (_new_source(now_s),))
            return self._source()

    def _source(self) -> str:
        return str(self._db.execute("SELECT id FROM source").fetchone()[0])

    def _prepare(self, path: Path, now_s: float) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _TABLES.strip().split(";\n"):
                self._db.execute(statement)
            self._db.execute("INSERT INTO source (id) VALUES (?)", (_new_source(now_s),))
        elif version not in (1, SCHEMA):
            raise Misconfigured(f"the spool {path} was made by another version ({version}, this one knows {SCHEMA})")
        if version != SCHEMA:
            self._db.execute(_SCENES)
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")
        self._db.execute("COMMIT")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise Unavailable(f"the spool does not answer: {error}; is the disk full?") from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: on disk when the block ends, undone if it raises."""
        with self._turn():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def open_spool(path: Path, clock: Callable[[], float], stop: threading.Event) -> Spool | None:
    """The spool, as soon as it can be opened: what it holds must not be given up for a full disk or a lock.

    None where ``stop`` is set before that. Raises Misconfigured for what no waiting mends.
    """
    troubles = Repeats(log.error, "the spool cannot be opened yet, and no camera is watched before")
    while not stop.is_set():
        now_s = clock()
        try:
            spool = Spool(path, now_s)
        except Unavailable as error:
            troubles.failed(now_s, error)
            stop.wait(OPEN_AGAIN_S)
        else:
            troubles.well()
            return spool
    return None


def may_pass(error: OSError | sqlite3.Error) -> bool:
    """Whether the same may go better later, with nothing done to the spool."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _PASSING


def _new_source(now_s: float) -> str:
    return f"worker:{new_ulid(now_s)}"


def _state(state: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(state, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise InvalidInput(f"a state cannot be stored: {error}") from None
    if len(text) > MAX_STATE_BYTES:
        raise InvalidInput(f"a state of {len(text)} characters is too large, {MAX_STATE_BYTES} are allowed")
    return text
