"""Named points between steps that a crash must not tear apart: where `wangge bench loss` ends a process.

Nothing is installed in production, and a point is then a call that does nothing.
"""

from collections.abc import Callable

_hooks: list[Callable[[str], None]] = []


def point(name: str) -> None:
    """Says that this process stands at that point."""
    for hook in _hooks:
        hook(name)


def install(hook: Callable[[str], None]) -> None:
    """Has ``hook`` told of every point from now on, in whatever thread reaches it."""
    _hooks.append(hook)
