"""What list queries share: pages by keyset, how long one may be, and the subtrees that an actor may see."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, false, or_, true

from models.errors import InvalidInput
from models.people import Actor, Permission

T = TypeVar("T")

LONGEST_PAGE = 500


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items in order; ``next`` is what to pass as ``after`` for those that follow, None at the end."""

    items: tuple[T, ...]
    next: str | None = None


def every(read: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """The items of all pages; ``read`` gives the page after a key."""
    after: str | None = None
    while True:
        page = read(after)
        yield from page.items
        if (after := page.next) is None:
            return


def checked_limit(limit: int) -> int:
    """Raises InvalidInput unless 1 to LONGEST_PAGE."""
    if not 1 <= limit <= LONGEST_PAGE:
        raise InvalidInput(f"a page holds 1 to {LONGEST_PAGE} items, not {limit}")
    return limit


def checked_key(key: str) -> str:
    """Raises InvalidInput for an id, code or ``after`` with characters that databases refuse (NUL, lone surrogates)."""
    if not key.isprintable() or len(key) > 1024:
        raise InvalidInput("an id or key holds characters that none has")
    return key


def in_subtrees(path: ColumnElement[Any], subtrees: Iterable[str]) -> ColumnElement[bool]:
    """Whether a grid path lies in one of the subtrees; never true where there is none.

    A range of characters, which an index serves, and not LIKE: SQLite's takes "a" for "A", and codes may hold its
    wildcards. It is right where the column sorts by character, as paths do in every database of ours.
    """
    return or_(false(), *(and_(path >= subtree, path < _past(subtree)) for subtree in subtrees))


def _past(subtree: str) -> str:
    """The first text that sorts behind all that begin with ``subtree``."""
    return subtree[:-1] + chr(ord(subtree[-1]) + 1)


def in_sight(path: ColumnElement[Any], actor: Actor, permission: Permission) -> ColumnElement[bool]:
    """Whether the actor holds that permission in the grid of that path."""
    return true() if actor.is_system else in_subtrees(path, actor.paths_for(permission))
