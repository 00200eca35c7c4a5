"""Times at the edge: Unix seconds within, moments in UTC without."""

from datetime import UTC, datetime


def at(seconds: float) -> datetime:
    """Unix seconds as a moment in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def at_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else at(seconds)
