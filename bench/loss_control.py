"""A small file that two processes look into: what the one is told, and how far it is. It outlives kill -9."""

import mmap
import os
import struct
from pathlib import Path

_SIZE = 256
_NAME = 64
_ARMED, _FIRED, _ALLOWED, _MADE, _STOPPING = 0, 64, 128, 136, 144


class Control:
    """``path`` is made where it is missing. Every field is one aligned word or a name that one side writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(handle, _SIZE)
            self._map = mmap.mmap(handle, _SIZE)
        finally:
            os.close(handle)

    def close(self) -> None:
        self._map.close()

    @property
    def armed(self) -> str:
        """The crash point at which the process is to die; empty for none."""
        return self._name(_ARMED)

    @armed.setter
    def armed(self, name: str) -> None:
        self._write_name(_ARMED, name)

    @property
    def fired(self) -> str:
        """The crash point at which it did."""
        return self._name(_FIRED)

    @fired.setter
    def fired(self, name: str) -> None:
        self._write_name(_FIRED, name)

    @property
    def allowed(self) -> int:
        """How many incidents the source may have appended by now."""
        return self._number(_ALLOWED)

    @allowed.setter
    def allowed(self, number: int) -> None:
        struct.pack_into("Q", self._map, _ALLOWED, number)

    @property
    def made(self) -> int:
        """How many it has appended, and journalled."""
        return self._number(_MADE)

    @made.setter
    def made(self, number: int) -> None:
        struct.pack_into("Q", self._map, _MADE, number)

    @property
    def stopping(self) -> bool:
        """Whether the source appends nothing more, and ends once its spool is empty."""
        return self._number(_STOPPING) == 1

    @stopping.setter
    def stopping(self, value: bool) -> None:
        struct.pack_into("Q", self._map, _STOPPING, int(value))

    def _number(self, at: int) -> int:
        return int(struct.unpack_from("Q", self._map, at)[0])

    def _name(self, at: int) -> str:
        return bytes(self._map[at : at + _NAME]).rstrip(b"\0").decode()

    def _write_name(self, at: int, name: str) -> None:
        self._map[at : at + _NAME] = name.encode().ljust(_NAME, b"\0")
