"""Logging: one JSON line per event on stderr, and one line per period for what fails again and again."""

import io
import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO, cast

import structlog

_USER_INFO = re.compile(r"(?<=://)(?:[^\s/]*|[^\s/]*:\S*)@")
"""Where there is a ":" before the first "/", up to the last "@": a password may hold "/", "@" and all the rest."""


def hide_user_info(text: str) -> str:
    """The text with user names and passwords of URLs blotted out.

    Whoever logs an address uses ``SourceUrl.shown``; this is the second lock, for what libraries say.
    """
    return _USER_INFO.sub("***@", text)


def _hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = hide_user_info(value)
        elif isinstance(value, BaseException):
            event[key] = hide_user_info(f"{type(value).__name__}: {value}")
    return event


class _Lossy(io.TextIOBase):
    """Writes lines to ``stream``. What it does not take, as on a full disk, is lost, and how much of it is told later.

    A log that cannot be written must not end what it tells of.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str, /) -> int:
        try:
            if self._lost:  # the last line may have been cut off in its middle
                told = {"event": "log lines were lost", "level": "warning", "lines": self._lost}
                self._stream.write(f"\n{json.dumps(told)}\n")
            self._stream.write(text)
            self._stream.flush()
            self._lost = 0
        except OSError:
            self._lost += 1
        return len(text)


def configure(level: str, stream: TextIO | None = None) -> None:
    """For a process's entry point, once. ``level``: debug, info, warning or error. ``stream``: stderr if None.

    What libraries log through ``logging`` comes out as the same JSON lines.
    """
    lossy = _Lossy(stream or sys.stderr)
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        _hide,
    ]
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, lossy)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(lossy)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _hide, render],
        )
    )
    logging.basicConfig(level=number, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every look at the schema


class Repeats:
    """One thing that may fail again and again: said at once, then once per period with how often, and when over.

    ``say`` is a logger's method, as in ``Repeats(log.warning, "camera lost")``. Takes the time; not thread-safe.
    """

    def __init__(self, say: Callable[..., Any], event: str, period_s: float = 60.0) -> None:
        self._say, self._event, self._period_s = say, event, period_s
        self._said_s: float | None = None
        self._untold = 0
        self._last = ""

    def failed(self, now_s: float, error: BaseException | str, **about: Any) -> None:
        """It failed once more."""
        self._last = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        self._untold += 1
        if self._said_s is None or now_s - self._said_s >= self._period_s:
            self._say(self._event, times=self._untold, last=self._last, **about)
            self._said_s, self._untold = now_s, 0

    def well(self, **about: Any) -> None:
        """It works. Says so once, if it had failed before."""
        if self._said_s is not None:
            self._say(f"{self._event}: over", times=self._untold, last=self._last, **about)
            self._said_s, self._untold = None, 0
