"""What goes wrong beside the kills: Redis emptied or full, the database locked, the disk full. Each must bite."""

import ctypes
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, text

from models.errors import Unavailable

OUT_OF_MEMORY_S, UNNOTICED_S = 3.0, 20.0
"""How long Redis has no memory; and how much longer where nobody has written to it by then, being just started anew."""
STILL_S = 1.5
"""A ledger that has not moved for this long while incidents wait stands still."""
BLOCK_BYTES = 4096
"""As on any disk that is larger. mkfs takes 1024 for less than 512 MB: SQLite has one byte of each 4096 of the index
beside its log allocated before it maps that, and where a page is several blocks the kernel then ends whoever starts
while the disk fills up (SIGBUS)."""
_CLONE_NEWNS = 0x00020000


@dataclass(frozen=True)
class Bitten:
    """A fault that was made. ``bit`` says whether it showed. From its end, ``resumed_s`` until the ledger took anything
    in again, ``recovered_s`` until it had all that was accepted by then."""

    fault: str
    seconds: float
    bit: bool
    resumed_s: float
    recovered_s: float
    note: str = ""


def out_of_memory(url: str, hold_s: float = OUT_OF_MEMORY_S) -> tuple[bool, str]:
    """Leaves Redis no memory for so long, and until it has refused something; whether it did."""
    with closing(Redis.from_url(url)) as client:
        before = _refusals(client)
        most = client.config_get("maxmemory")["maxmemory"] or "0"
        try:
            client.config_set("maxmemory", 1024)
            time.sleep(hold_s)
            until = time.monotonic() + UNNOTICED_S
            while not (refused := _refusals(client) - before) and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            client.config_set("maxmemory", most)
    return refused > 0, f"{refused} writes refused"


def _refusals(client: Redis) -> int:
    found = client.info("errorstats").get("errorstat_OOM", {})
    return int(found.get("count", 0)) if isinstance(found, dict) else 0


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Nobody else writes to the ledger within."""
    if engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(engine.url.database or "", timeout=60, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            yield
            holder.execute("ROLLBACK")
        return
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("LOCK TABLE source_cursors, events IN EXCLUSIVE MODE"))
        yield
        transaction.rollback()


class Volume:
    """A small ext4 file system of its own under ``folder``, in a mount namespace that goes when this process goes."""

    def __init__(self, image: Path, folder: Path, size_bytes: int) -> None:
        """Raises Unavailable where it cannot be made: it takes root and loop devices."""
        self.folder = folder
        folder.mkdir()
        try:
            with image.open("wb") as file:
                file.truncate(size_bytes)
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
                raise Unavailable(f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}")
            for words in (
                ("mount", "--make-rprivate", "/"),
                ("mkfs.ext4", "-q", "-F", "-b", str(BLOCK_BYTES), "-m", "0", "-E", "lazy_itable_init=1", str(image)),
                ("mount", "-o", "loop", str(image), str(folder)),
            ):
                done = subprocess.run(words, check=False, capture_output=True, text=True)
                if done.returncode != 0:
                    raise Unavailable(f"{words[0]}: {done.stderr.strip()[:200]}")
        except OSError as error:
            raise Unavailable(f"{error.strerror}") from None

    def close(self) -> None:
        subprocess.run(("umount", "-l", str(self.folder)), check=False, capture_output=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left within."""
        ballast = self.folder / "ballast"
        with ballast.open("wb") as file:
            size = 64 * 1024 * 1024
            at = 0
            while size >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), at, size)
                    at += size
                except OSError:
                    size //= 2
        try:
            yield
        finally:
            ballast.unlink()


def stands_still(moved: Callable[[], int], within_s: float) -> bool:
    """Whether the number stops rising for STILL_S within that time."""
    until = time.monotonic() + within_s
    last, since = moved(), time.monotonic()
    while time.monotonic() < until:
        time.sleep(0.1)
        now = moved()
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since >= STILL_S:
            return True
    return False


def reachable(url: str) -> bool:
    with closing(Redis.from_url(url)) as client, suppress(RedisError):
        return bool(client.ping())
    return False
