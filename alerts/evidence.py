"""The evidence store: masked pictures, found by the SHA-256 of their bytes. Knows no picture format."""

import hashlib
import re
from pathlib import Path

from alerts.files import fsync_folder, write_durably
from models.errors import NotFound, Unavailable


class EvidenceStore:
    """Files under ``directory``/ab/cd/<sha256>. What is put is on disk before its name is told."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, data: bytes) -> str:
        """Its SHA-256 in hex. Putting it again changes nothing, but mends a damaged file. Raises Unavailable."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        try:
            if path.exists() and path.read_bytes() == data:
                return sha256
            write_durably(path, data, replace=True)
        except OSError as error:
            raise Unavailable(f"evidence could not be stored: {error.strerror}", 10) from None
        return sha256

    def get(self, sha256: str) -> bytes:
        """Raises NotFound when there is none, or its bytes are not those that were put; Unavailable."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise NotFound("evidence is named by 64 hexadecimal digits")
        try:
            data = self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"there is no evidence {sha256}") from None
        except OSError as error:
            raise Unavailable(f"evidence could not be read: {error.strerror}", 10) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise NotFound(f"evidence {sha256} is damaged on disk: restore it from the backup")
        return data

    def remove(self, sha256: str) -> bool:
        """Whether it was there; its name is gone from the disk when this returns. Raises Unavailable."""
        path = self._path(sha256)
        try:
            path.unlink()
            fsync_folder(path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Unavailable(f"evidence could not be removed: {error.strerror}", 10) from None
        return True

    def _path(self, sha256: str) -> Path:
        return self._directory / sha256[:2] / sha256[2:4] / sha256
