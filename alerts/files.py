"""Files that are whole and on disk, or not there at all."""

import os
import secrets
from pathlib import Path


def write_durably(path: Path, data: bytes, *, replace: bool) -> None:
    """Writes a file that only its owner reads, making missing folders; on disk when this returns.

    Never shows half a file under ``path``. With ``replace`` false a file that is there already stays, also one that
    another process makes at the same moment. Raises OSError; then nothing is left behind.
    """
    made = _make_folders(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            _link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    for folder in (path.parent, *(folder.parent for folder in made)):
        fsync_folder(folder)


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)  # a link, unlike a rename, never replaces
    except FileExistsError:
        return


def _make_folders(folder: Path) -> list[Path]:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    return missing


def fsync_folder(folder: Path) -> None:
    """Puts the names in it on disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
