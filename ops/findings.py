"""What a check of the doctor says."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check saw; ``fix`` is what to do about it."""

    check: str
    level: Level
    said: str
    fix: str | None = None


def ok(check: str, said: str) -> Finding:
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, fix: str) -> Finding:
    return Finding(check, Level.WARN, said, fix)


def fail(check: str, said: str, fix: str | None = None) -> Finding:
    return Finding(check, Level.FAIL, said, fix)
